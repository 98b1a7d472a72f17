//! The namespaces of a system: own ones, or those of a system that runs already. This process stays what it
//! is: the same number, the same parent, the same terminal.

use core::ffi::CStr;

use crate::bytes::zeroed;
use crate::cache::names;
use crate::error::Error;
use crate::private::map;
use crate::sys::{self, At, Errno, Fd, OFlags};

/// As much of a process's list of mounts is read.
pub const PIECE: usize = 256 * 1024;

/// In the code with which a copy of this process ends: the error's number, and to which step it belongs.
const OF_ERRNO: u8 = 0x7f;
const OF_MOUNTS: u8 = 0x80;

/// Which step into namespaces is refused, and how.
#[derive(Clone, Copy)]
pub enum Refused {
    /// To have them at all.
    Namespaces(Errno),
    /// Mounts in them.
    Mounts(Errno),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Namespaces(errno) => Self::no_namespaces(errno),
            Refused::Mounts(errno) => Self::no_mounts(errno),
        }
    }
}

/// Whose rights this process has outside.
#[derive(Clone, Copy)]
pub struct Caller {
    user: u32,
    group: u32,
}

impl Caller {
    /// The caller of this process.
    pub fn new() -> Self {
        let (user, group) = sys::effective_ids();
        Self { user, group }
    }

    /// Mounts of this process's own, and users of its own, where its user is 0. Root may do without the
    /// users, where it must not have them (a container's filter): whether it has them.
    pub fn enter_own(self) -> Result<bool, Refused> {
        let users = match sys::unshare_root(true) {
            Ok(()) => true,
            Err(errno) if self.user == 0 => {
                sys::unshare_root(false).map_err(|_| Refused::Namespaces(errno))?;
                false
            }
            Err(errno) => return Err(Refused::Namespaces(errno)),
        };
        if users {
            map(0, self.user, 0, self.group).map_err(Refused::Namespaces)?;
        }
        sys::receive_mounts_only().map_err(Refused::Mounts)?;
        Ok(users)
    }

    /// What would be refused, as a copy of this process finds out; `None` also where it cannot.
    pub fn refused(self) -> Option<Refused> {
        let copy = sys::aside(|| {
            let number = |errno: Errno| errno.code().to_le_bytes()[0] & OF_ERRNO;
            let code = match self.enter_own() {
                Ok(_) => 0,
                Err(Refused::Namespaces(errno)) => number(errno),
                Err(Refused::Mounts(errno)) => number(errno) | OF_MOUNTS,
            };
            sys::exit(i32::from(code))
        });
        // The code is the second byte of the status (wait(2)).
        let [end, code, ..] = copy.and_then(sys::ended).ok()?.to_le_bytes();
        let errno = Errno::from_number(code & OF_ERRNO);
        match end {
            0 if code == 0 => None,
            0 if code & OF_MOUNTS != 0 => Some(Refused::Mounts(errno)),
            0 => Some(Refused::Namespaces(errno)),
            // A filter may kill whoever asks.
            _ => Some(Refused::Namespaces(Errno::EPERM)),
        }
    }
}

impl Default for Caller {
    fn default() -> Self {
        Self::new()
    }
}

/// From now on the user 0 of the namespace has this number: for a program that does not keep ids itself.
pub fn become_user(user: u32, group: u32) -> Result<(), Errno> {
    sys::unshare_users()?;
    map(user, 0, group, 0)
}

/// A running system: the mounts of a process that is inside.
pub struct Inside {
    mounts: Fd,
}

impl Inside {
    /// Enters those mounts, and the users to whom they belong, whoever the process has become since. Whether
    /// there are such users.
    pub fn join(&self) -> Result<bool, Errno> {
        let owner = self.mounts.owner_of_namespace()?;
        let own = sys::openat(At::CWD, c"/proc/self/ns/user", OFlags::READ, 0)?;
        // Root may have done without.
        let others = !owner.stat()?.same_file(&own.stat()?);
        if others {
            owner.join_namespace()?;
        }
        self.mounts.join_namespace()?;
        Ok(others)
    }
}

/// The mounts of a process whose root is the overlay with this name. Its number means nothing: what it stands
/// for is opened first, then looked at, and only that is ever entered.
pub fn running(mark: &CStr) -> Option<Inside> {
    look(&|mounts| is_seen(mounts, mark.to_bytes(), Seen::AsRoot))
}

/// Whether any process sees the overlay with this name.
pub fn is_mounted(mark: &CStr) -> bool {
    look(&|mounts| is_seen(mounts, mark.to_bytes(), Seen::Anywhere)).is_some()
}

/// Whether any process has a tree of this name mounted.
pub fn has_mounted(tree: &[u8]) -> bool {
    let has = |mounts: &[u8]| mounts.split(|byte| b"/, \n".contains(byte)).any(|part| part == tree);
    look(&has).is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    AsRoot,
    Anywhere,
}

/// The mounts of a process of our user's, in other mounts than this one, whose list of mounts fits.
fn look(fits: &dyn Fn(&[u8]) -> bool) -> Option<Inside> {
    let proc = sys::openat(At::CWD, c"/proc/", OFlags::DIRECTORY, 0).ok()?;
    let own = sys::openat(proc.at(), c"self/ns/mnt", OFlags::READ, 0).and_then(|own| own.stat()).ok()?;
    let users =
        sys::openat(proc.at(), c"self/ns/user", OFlags::READ, 0).and_then(|users| users.stat()).ok()?;
    // Everybody can give an overlay that name, in a namespace of his own. Root can open those too.
    let is_ours = |mounts: &Fd| -> Result<bool, Errno> {
        let owner = mounts.owner_of_namespace()?;
        Ok(owner.stat()?.same_file(&users) || owner.maker_of_users()? == sys::geteuid())
    };
    let piece = zeroed(PIECE);
    for name in names(&proc).filter(|name| name.to_bytes().iter().all(u8::is_ascii_digit)) {
        // A descriptor of a process's directory never becomes another one's.
        let Ok(process) = sys::openat(proc.at(), name, OFlags::PATH | OFlags::DIRECTORY, 0) else { continue };
        // Not ours, and of a process that is our user's.
        let Ok(mounts) = sys::openat(process.at(), c"ns/mnt", OFlags::READ, 0) else { continue };
        let is_own = mounts.stat().is_ok_and(|stat| stat.same_file(&own));
        if is_own || !is_ours(&mounts).unwrap_or(false) {
            continue;
        }
        let text = mounts_of(&process, piece).unwrap_or_default();
        if fits(text) {
            return Some(Inside { mounts });
        }
    }
    None
}

/// As much of a process's list of mounts as there is room for.
pub fn mounts_of<'p>(process: &Fd, piece: &'p mut [u8]) -> Option<&'p [u8]> {
    let file = sys::openat(process.at(), c"mountinfo", OFlags::READ, 0).ok()?;
    let mut length = 0;
    while let Some(rest) = piece.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).ok()? {
            0 => break,
            read => length = length.saturating_add(read),
        }
    }
    piece.get(..length)
}

/// Whether a mount of this name is the root in a process's list of mounts (`proc_pid_mountinfo(5)`). Two
/// roots: it is about to leave the old one.
fn is_seen(mountinfo: &[u8], mark: &[u8], seen: Seen) -> bool {
    let mut roots = 0;
    let mut found = false;
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let is_root = fields.nth(4) == Some(b"/");
        roots += u32::from(is_root);
        let mut behind = fields.skip_while(|field| *field != b"-").skip(1);
        let (kind, source) = (behind.next(), behind.next());
        // The root of an app is made anew in memory.
        let is_ours = matches!(kind, Some(b"overlay" | b"tmpfs"));
        found |= is_ours && source == Some(mark) && (is_root || seen == Seen::Anywhere);
    }
    found && (roots == 1 || seen == Seen::Anywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_known_by_the_name_of_its_root() {
        let mark = b"unibin-system:254:0:77";
        let root: &[u8] =
            b"40 39 0:35 / / rw,relatime - overlay unibin-system:254:0:77 rw,lowerdir=../x,upperdir=upper\n";
        let proc: &[u8] = b"41 40 0:22 / /proc rw shared:5 master:1 - proc proc rw\n";
        let old: &[u8] = b"42 40 254:0 / / rw - ext4 /dev/vda rw\n";
        let below: &[u8] =
            b"43 42 0:35 / /h/root rw,relatime - overlay unibin-system:254:0:77 rw,lowerdir=../x\n";
        for (text, as_root, anywhere) in [
            ([root, proc].concat(), true, true),
            ([root, proc, old].concat(), false, true),
            ([old, below].concat(), false, true),
            ([old, proc].concat(), false, false),
            (root.to_ascii_uppercase(), false, false),
            (root.strip_suffix(b"=upper\n").expect("the end").to_vec(), true, true),
            (Vec::new(), false, false),
        ] {
            assert_eq!(is_seen(&text, mark, Seen::AsRoot), as_root, "{}", text.escape_ascii());
            assert_eq!(is_seen(&text, mark, Seen::Anywhere), anywhere, "{}", text.escape_ascii());
        }
        assert!(!is_seen(root, b"unibin-system:254:0:7", Seen::Anywhere));
    }
}
