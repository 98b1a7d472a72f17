//! Places in a root where something is mounted: found as the system's own programs would find them, and made
//! where they are missing. No link of the root leads out of it.

use core::ffi::CStr;

use bundle::{LINKS_MAX, directory_of, file_name_of};

use crate::bytes::{c_string, join};
use crate::sys::{self, Buffers, Errno, Fd, Follow, Kind, OFlags};

/// A root in which paths are looked up.
pub trait Inside {
    /// Opens `path` as a process would for which this is the root: no link and no `..` leads out of it.
    fn open_inside(&self, path: &CStr, flags: OFlags) -> Result<Fd, Errno>;
}

impl Inside for Fd {
    fn open_inside(&self, path: &CStr, flags: OFlags) -> Result<Fd, Errno> {
        Self::open_inside(self, path, flags)
    }
}

/// Opens `path` in `root`, for being mounted over. What is missing of it is made: directories, and at its end
/// a directory or an empty file. Where a link leads to nothing, what it leads to is made.
pub fn make(root: &dyn Inside, path: &[u8], is_directory: bool) -> Result<Fd, Errno> {
    make_through(root, path, is_directory, LINKS_MAX)
}

fn make_through(root: &dyn Inside, path: &[u8], is_directory: bool, links: usize) -> Result<Fd, Errno> {
    match root.open_inside(c_string(&[path]), OFlags::PATH) {
        Err(Errno::ENOENT) => {}
        done => return done,
    }
    let path = crate::way::trimmed(path);
    let (above, name) = (directory_of(path), c_string(&[file_name_of(path)]));
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    // Deeper by one level with each call, like the path.
    let directory =
        if above.is_empty() { root.open_inside(c"/", OFlags::PATH)? } else { make(root, above, true)? };
    match sys::readlinkat(directory.at(), name) {
        Ok(target) if links != 0 => {
            return make_through(root, followed(above, target), is_directory, links.saturating_sub(1));
        }
        Ok(_) => return Err(Errno::ELOOP),
        Err(_) => {}
    }
    // For everybody inside, whatever the caller's umask is.
    let callers_umask = sys::umask(0o022);
    let made = if is_directory {
        sys::mkdirat(directory.at(), name, 0o755)
    } else {
        let new = OFlags::WRITE | OFlags::CREATE | OFlags::EXCLUSIVE | OFlags::NO_FOLLOW;
        sys::openat(directory.at(), name, new, 0o644).map(drop)
    };
    sys::umask(callers_umask);
    match made {
        Ok(()) | Err(Errno::EEXIST) => root.open_inside(c_string(&[path]), OFlags::PATH),
        Err(errno) => Err(errno),
    }
}

/// Where a link in `directory` leads to by its text; the kernel keeps `..` inside the root.
fn followed(directory: &[u8], target: &CStr) -> &'static [u8] {
    let target = target.to_bytes();
    if target.first() == Some(&b'/') { join(&[target]) } else { join(&[directory, b"/", target]) }
}

/// Whether there is anything at `path` of `root` but directories: those may have been made for binds.
pub fn has_files(root: &dyn Inside, path: &CStr) -> bool {
    match root.open_inside(path, OFlags::READ | OFlags::DIRECTORY) {
        Ok(directory) => holds_files(&directory, &mut Buffers::default()),
        Err(errno) => errno != Errno::ENOENT,
    }
}

/// What cannot be looked at counts as a file.
fn holds_files(directory: &Fd, buffers: &mut Buffers) -> bool {
    let found = buffers.each_name(directory, &mut |buffers, name, kind| {
        let flags = OFlags::READ | OFlags::DIRECTORY | OFlags::NO_FOLLOW;
        kind != Kind::Dir
            || !sys::openat(directory.at(), name, flags, 0).is_ok_and(|below| !holds_files(&below, buffers))
    });
    found.unwrap_or(true)
}

/// Whether something is there, and whether it is a directory.
pub fn is_directory(path: &CStr) -> Result<bool, Errno> {
    sys::statat(sys::At::CWD, path, Follow::Yes).map(|stat| stat.is_dir())
}
