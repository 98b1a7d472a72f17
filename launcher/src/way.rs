//! The way to a directory, level by level from the root, by descriptors: nobody but root and our user can
//! exchange a part of it. A check by path says nothing where somebody else owns a directory above: he
//! exchanges what lies in it after the check.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::absolute::of_descriptor;
use crate::bytes::{c_string, join, zeroed};
use crate::error::Error;
use crate::proc;
use crate::sys::{self, At, Errno, Fd, OFlags, Stat};

/// `PROC_SUPER_MAGIC` (statfs(2)).
const PROC: u32 = 0x9fa0;

/// As many symbolic links as the kernel follows (`MAXSYMLINKS` of `<linux/namei.h>`).
const LINKS: u32 = 40;

/// Directories that are the system's on every Linux (FHS 3.0), whoever seems to own them: in a user
/// namespace root may have no number.
const SYSTEM: &str = "/home /tmp /var /var/home /var/tmp /dev /dev/shm /run /run/user";

/// Whoever can be trusted with a directory above ours.
struct Owners {
    us: u32,
    /// Whoever owns `/`.
    root: u32,
}

impl Owners {
    fn own(&self, stat: &Stat) -> bool {
        [0, self.us, self.root].contains(&stat.uid)
    }

    /// Only they can rename what lies in this directory: nobody else can write to it, or it is sticky. A
    /// group may write that is root's, or the user's private one, which has his number, unless there is an
    /// access control list: the group's bits are its mask then, and it may name anybody.
    fn alone_change(&self, dir: &Fd, stat: &Stat) -> bool {
        let open = if stat.gid == 0 || stat.gid == self.us { 0o002 } else { 0o022 };
        let has = |bits| stat.permissions() & bits != 0;
        self.own(stat) && (has(0o1000) || !has(open) && (!has(0o020) || !may_have_acl(dir)))
    }
}

/// What cannot be looked at counts as having one.
fn may_have_acl(dir: &Fd) -> bool {
    let readable = dir.reopened();
    readable.and_then(|dir| dir.has_acl()).unwrap_or(true)
}

fn is_the_systems(path: &[u8]) -> bool {
    SYSTEM.as_bytes().split(|byte| *byte == b' ').any(|one| one == path)
}

/// The directory without the slashes and dots at its end, with which a link looks like its target.
pub fn trimmed(mut path: &[u8]) -> &[u8] {
    while let Some(shorter) = path.strip_suffix(b"/").or_else(|| path.strip_suffix(b"/.")) {
        path = shorter;
    }
    path
}

/// Opens a directory by its absolute path. Its last level is made where it is missing, for us alone. Links of
/// root's and ours are followed.
pub fn open(path: &[u8]) -> Result<Fd, Error> {
    // Mounts what is mounted when it is used: an `O_PATH` of one level alone does not (open(2)).
    let _ = sys::file_system(c_string(&[path, b"/"]));
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    let root = || sys::openat(At::CWD, c"/", directory, 0);
    let mut here = root()?;
    let owners = Owners { us: sys::geteuid(), root: here.stat()?.uid };
    let mut at: &[u8] = b"";
    let mut links = 0;
    let mut ahead: Vec<&[u8]> = levels(path);
    while let Some(level) = ahead.pop() {
        let name = c_string(&[level]);
        let found = match sys::openat(here.at(), name, OFlags::PATH | OFlags::NO_FOLLOW, 0) {
            Err(Errno::ENOENT) if ahead.is_empty() => {
                make(here.at(), name)?;
                sys::openat(here.at(), name, directory | OFlags::NO_FOLLOW, 0)?
            }
            other => other?,
        };
        let stat = found.stat()?;
        let next = if level == b".." { b"/.." } else { join(&[at, b"/", level]) };
        if stat.is_symlink() && sys::file_system(of_descriptor(here.raw())) == Ok(PROC) {
            // `self/cwd`: what is unpacked there would look for its loader in whatever directory its children
            // go to.
            return Err(Error::of_candidate("{} leads each process somewhere else", &[next]));
        }
        if stat.is_symlink() && owners.own(&stat) {
            links += 1;
            if links > LINKS {
                return Err(Errno::ELOOP.into());
            }
            let target = sys::readlinkat(here.at(), name)?.to_bytes();
            if target.first() == Some(&b'/') {
                (here, at) = (root()?, b"");
            }
            ahead.append(&mut levels(target));
        } else if stat.is_dir() && (is_the_systems(next) || owners.alone_change(&found, &stat)) {
            (here, at) = (found, next);
        } else if stat.is_dir() || stat.is_symlink() {
            return Err(Error::of_candidate("someone other than you could replace what is in {}", &[next]));
        } else {
            return Err(Errno::ENOTDIR.into());
        }
    }
    Ok(here)
}

/// The levels of a path, the last one first.
pub fn levels(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').rev().filter(|level| !matches!(*level, b"" | b".")).collect()
}

/// The user that the kernel names in `proc_pid_status(5)`, if it is not who the calls say.
pub fn other_user() -> Option<u32> {
    let told = sys::geteuid();
    let ids = proc::line(proc::read(c"/proc/self/status", zeroed(1024))?, b"Uid:")?;
    let user = proc::number(ids.split(|byte| *byte == b'\t').nth(1)?)?;
    let user = u32::try_from(user).ok()?;
    (user != told).then_some(user)
}

/// Makes a directory for us alone, whatever the caller's umask is; one that is there already
/// is for the caller to check.
pub fn make(at: At<'_>, name: &CStr) -> Result<(), Errno> {
    let callers_umask = sys::umask(0o077);
    let made = sys::mkdirat(at, name, 0o700);
    sys::umask(callers_umask);
    match made {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{open, trimmed};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::{env, fs, process};

    #[test]
    fn what_others_could_exchange_is_refused_and_links_of_ours_are_followed() {
        let top = env::temp_dir().join(format!("unibin-way-{}", process::id()));
        let deep = top.join("open/closed/deep");
        fs::create_dir_all(&deep).expect("directories");
        let opens = |path: &std::path::Path| open(path.as_os_str().as_bytes()).is_ok();
        let mode = |path: &std::path::Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
        };
        assert!(opens(&deep));
        assert!(
            opens("/proc/sys".as_ref()) && !opens("/proc/self/cwd".as_ref()) && !opens("/dev/fd".as_ref())
        );
        symlink("open/../open", top.join("link")).expect("link");
        assert!(opens(&top.join("link/closed/./deep/")));
        assert!(opens(&top.join("link/closed/new")) && top.join("open/closed/new").is_dir());
        assert!(!opens(&top.join("link/closed/none/new")));
        symlink("loop", top.join("loop")).expect("link");
        assert!(!opens(&top.join("loop")));
        fs::write(top.join("file"), "").expect("file");
        assert!(!opens(&top.join("file")) && !opens(&top.join("file/x")));
        mode(&top.join("open"), 0o777);
        assert!(!opens(&deep) && !opens(&top.join("link/closed")));
        mode(&top.join("open"), 0o1777);
        assert!(opens(&deep));
        fs::remove_dir_all(top).expect("ours");
    }

    #[test]
    fn a_path_loses_the_slashes_and_dots_at_its_end() {
        for path in ["/a/b", "/a/b/", "/a/b/.", "/a/b/././/", "/a/b//"] {
            assert_eq!(trimmed(path.as_bytes()), b"/a/b", "{path}");
        }
        assert_eq!(trimmed(b"/a/b."), b"/a/b.");
    }
}
