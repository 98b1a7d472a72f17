//! Short texts of the kernel's, as in `/proc`: one read gives all of such a file, or as much as there is
//! room for.

use core::ffi::CStr;

use crate::sys::{self, At, OFlags};

/// The beginning of a file.
pub fn read<'b>(path: &CStr, room: &'b mut [u8]) -> Option<&'b [u8]> {
    let file = sys::openat(At::CWD, path, OFlags::READ, 0).ok()?;
    let length = file.read(room).ok()?;
    room.get(..length)
}

/// What stands behind `name` in the line that begins with it, without the blanks around it.
pub fn line<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(name)).map(<[u8]>::trim_ascii)
}

/// The number that a text begins with, in decimal digits.
pub fn number(text: &[u8]) -> Option<u64> {
    let digits = text.split(|byte| !byte.is_ascii_digit()).next()?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_name_and_a_number_ends_where_its_digits_do() {
        let text = b"MemFree:   1 kB\nMemAvailable:\t  2048 kB\n0::/a/b\n";
        assert_eq!(line(text, b"MemAvailable:").and_then(number), Some(2048));
        assert_eq!(line(text, b"0::"), Some(&b"/a/b"[..]));
        assert_eq!(line(text, b"Swap:"), None);
        for none in [&b""[..], b"max\n", b"-1", b"18446744073709551616"] {
            assert_eq!(number(none), None, "{}", none.escape_ascii());
        }
        let mut room = [0; 64];
        let status = read(c"/proc/self/status", &mut room).expect("/proc");
        assert!(line(status, b"Name:").is_some());
    }
}
