//! Whose a file of a system is: what its tar header says, and how that is written beside the unpacked file,
//! which belongs to the caller like everything that one user can make (FORMAT.md, section 6.2).

use core::ffi::CStr;

/// The extended attribute that holds a file's owner and mode where the file itself cannot.
pub const OWNER_ATTRIBUTE: &CStr = c"user.unibin.owner";

/// Owner, group and mode of a file in a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number; never `u32::MAX`, which means nobody to the kernel.
    pub uid: u32,
    /// The group's number; never `u32::MAX`.
    pub gid: u32,
    /// The mode's lower twelve bits.
    pub mode: u16,
}

/// The mode's bits that a file has in the attribute alone.
const SPECIAL: u16 = 0o7000;

impl Owner {
    /// The longest value of the attribute.
    pub const TEXT_MAX: usize = 26;

    /// The owner, if these are numbers that an owner can have.
    pub fn new(uid: u32, gid: u32, mode: u16) -> Option<Self> {
        (uid != u32::MAX && gid != u32::MAX && mode <= 0o7777).then_some(Self { uid, gid, mode })
    }

    /// Reads the attribute's value: `UID GID MODE`, the mode in octal. Nothing else, not even a line feed.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut words = text.split(|byte| *byte == b' ');
        let (uid, gid) = (number(words.next()?, 10)?, number(words.next()?, 10)?);
        let mode = u16::try_from(number(words.next()?, 8)?).ok()?;
        if words.next().is_some() { None } else { Self::new(uid, gid, mode) }
    }

    /// The attribute's value, written to the end of `buffer`.
    pub fn text(self, buffer: &mut [u8; Self::TEXT_MAX]) -> &[u8] {
        let mut start = buffer.len();
        let mut put = |byte| {
            start = start.saturating_sub(1);
            if let Some(place) = buffer.get_mut(start) {
                *place = byte;
            }
        };
        let numbers = [(u32::from(self.mode), 8), (self.gid, 10), (self.uid, 10)];
        for (place, (mut number, base)) in numbers.into_iter().enumerate() {
            if place != 0 {
                put(b' ');
            }
            loop {
                let digit = number.checked_rem(base).and_then(|digit| u8::try_from(digit).ok());
                put(b'0'.saturating_add(digit.unwrap_or(0)));
                number = number.checked_div(base).unwrap_or(0);
                if number == 0 {
                    break;
                }
            }
        }
        buffer.get(start..).unwrap_or_default()
    }

    /// The mode that the unpacked file has: its owner can always read and write it, and enter a directory.
    pub fn real_mode(self, is_directory: bool) -> u16 {
        self.mode & !SPECIAL | if is_directory { 0o700 } else { 0o600 }
    }

    /// Whether the file needs the attribute: without it, it is root's and has its real mode.
    pub fn needs_attribute(self, is_directory: bool) -> bool {
        self.uid != 0 || self.gid != 0 || self.mode != self.real_mode(is_directory)
    }
}

/// Digits of this base, without a sign, a blank or a needless zero.
fn number(digits: &[u8], base: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        number.checked_mul(base)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let owner = |uid, gid, mode| Owner::new(uid, gid, mode).expect("valid");
        for (owner, text) in [
            (owner(101, 104, 0o2755), "101 104 2755"),
            (owner(0, 0, 0), "0 0 0"),
            (owner(u32::MAX - 1, u32::MAX - 1, 0o7777), "4294967294 4294967294 7777"),
        ] {
            let mut buffer = [0; Owner::TEXT_MAX];
            assert_eq!(owner.text(&mut buffer), text.as_bytes());
            assert_eq!(Owner::parse(text.as_bytes()), Some(owner));
        }
        for bad in [
            "",
            "1 2",
            "1 2 755 ",
            " 1 2 755",
            "1  2 755",
            "1 2 8",
            "1 2 17777",
            "-1 2 755",
            "+1 2 755",
            "01 2 755",
            "1 2 0755",
            "4294967295 0 755",
            "0 4294967295 755",
            "99999999999 0 755",
            "1 2 755\n",
        ] {
            assert_eq!(Owner::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn an_attribute_says_what_the_file_cannot() {
        let of = |uid, gid, mode, is_directory| {
            let owner = Owner::new(uid, gid, mode).expect("valid");
            (owner.real_mode(is_directory), owner.needs_attribute(is_directory))
        };
        assert_eq!(of(0, 0, 0o644, false), (0o644, false));
        assert_eq!(of(0, 0, 0o755, true), (0o755, false));
        assert_eq!(of(0, 0, 0o4755, false), (0o755, true));
        assert_eq!(of(0, 0, 0o1777, true), (0o777, true));
        assert_eq!(of(0, 0, 0o440, false), (0o640, true));
        assert_eq!(of(0, 0, 0o555, true), (0o755, true));
        assert_eq!(of(33, 0, 0o644, false), (0o644, true));
        assert_eq!(of(0, 42, 0o640, false), (0o640, true));
    }
}
