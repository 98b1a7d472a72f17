//! A system's files as its programs find them: by the kernel, where the system is this process's root; level
//! by level, where an emulator makes it the root of what it runs. Then what lies at or below a bind's place
//! is looked for in what is bound. No link and no `..` leads out of the root.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::LINKS_MAX;

use super::bind::{Bind, Shows};
use super::place::{self, Inside};
use crate::absolute::of_descriptor;
use crate::bytes::{c_string, decimal, join};
use crate::error::Error;
use crate::sys::{self, Access, At, Errno, Fd, Follow, OFlags, Stat};
use crate::way::levels;

/// Where a system's files are.
pub enum Files {
    /// The system is the root, and its binds are mounts.
    Mounted,
    /// They are here.
    Apart(Apart),
}

impl Files {
    /// Opens a file of the system.
    pub fn open(&self, path: &CStr, flags: OFlags) -> Result<Fd, Errno> {
        match self {
            Self::Mounted => sys::openat(At::CWD, path, flags, 0),
            Self::Apart(apart) => apart.open_inside(path, flags),
        }
    }

    /// What a path of the system is.
    pub fn stat(&self, path: &CStr) -> Result<Stat, Errno> {
        match self {
            Self::Mounted => sys::statat(At::CWD, path, Follow::Yes),
            Self::Apart(apart) => apart.find(path.to_bytes())?.file.stat(),
        }
    }

    /// Whether a file of the system may be executed.
    pub fn may_execute(&self, path: &CStr) -> Result<(), Errno> {
        match self {
            Self::Mounted => sys::faccessat(At::CWD, path, Access::Execute),
            Self::Apart(apart) => {
                let found = apart.find(path.to_bytes())?;
                sys::faccessat(At::CWD, of_descriptor(found.file.raw()), Access::Execute)
            }
        }
    }

    /// Makes a directory of the system the working directory.
    pub fn enter(&mut self, path: &CStr) -> Result<(), Errno> {
        match self {
            Self::Mounted => sys::chdir(path),
            Self::Apart(apart) => {
                let found = apart.find(path.to_bytes())?;
                found.file.chdir()?;
                apart.directory = found.path;
                Ok(())
            }
        }
    }

    /// The same, made where it is missing.
    pub fn make_and_enter(&mut self, path: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Mounted => {
                let slash = sys::openat(At::CWD, c"/", OFlags::PATH | OFlags::DIRECTORY, 0)?;
                place::make(&slash, path, true)?.chdir()
            }
            Self::Apart(apart) => {
                place::make(apart, path, true)?;
                self.enter(c_string(&[path]))
            }
        }
    }
}

/// A root that is none for the kernel.
pub struct Apart {
    root: Fd,
    path: &'static [u8],
    binds: Vec<Bound>,
    /// The path in it of the working directory.
    directory: &'static [u8],
}

/// What of the host is seen in it.
struct Bound {
    /// The path in the root, without links.
    target: &'static [u8],
    source: Fd,
    /// The host's path of that, likewise.
    path: &'static [u8],
    read_only: bool,
}

/// Something in the root.
struct Found {
    file: Fd,
    /// Its path, without links; the root's is empty.
    path: &'static [u8],
    /// So many binds are covered by the one that it is in.
    covered: usize,
}

impl Apart {
    /// The root that this directory is to be.
    pub fn new(root: Fd) -> Result<Self, Error> {
        let path = path_of(&root).map_err(Error::no_path)?;
        Ok(Self { root, path, binds: Vec::new(), directory: b"" })
    }

    /// How an emulator is told of it: the values of its option (FORMAT.md, section 5.6.1).
    pub fn told(&self) -> Vec<&'static CStr> {
        let binds = self.binds.iter().map(|bind| {
            let how: &[u8] = if bind.read_only { b"r" } else { b"w" };
            c_string(&[how, decimal(bind.path.len() as u64), b":", bind.path, bind.target])
        });
        core::iter::once(c_string(&[self.path])).chain(binds).collect()
    }

    /// What a path leads to.
    fn find(&self, path: &[u8]) -> Result<Found, Errno> {
        let root = Found { file: again(&self.root, OFlags::PATH)?, path: b"", covered: 0 };
        let mut ahead = levels(path);
        if path.first() != Some(&b'/') {
            ahead.append(&mut levels(self.directory));
        }
        let mut links = LINKS_MAX;
        // The last one is where it stands.
        let mut way = Vec::from([root]);
        while let (Some(level), Some(here)) = (ahead.pop(), way.last()) {
            if level == b".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let name = c_string(&[level]);
            let found = self.step(here, name)?;
            if !found.file.stat()?.is_symlink() {
                way.push(found);
                continue;
            }
            links = links.checked_sub(1).ok_or(Errno::ELOOP)?;
            let target = sys::readlinkat(here.file.at(), name)?.to_bytes();
            if target.first() == Some(&b'/') {
                way.truncate(1);
            }
            ahead.append(&mut levels(target));
        }
        way.pop().ok_or(Errno::ENOENT)
    }

    /// What is seen of this name in a directory.
    fn step(&self, here: &Found, name: &CStr) -> Result<Found, Errno> {
        let path = join(&[here.path, b"/", name.to_bytes()]);
        let mut binds = self.binds.iter().enumerate().skip(here.covered);
        if let Some((number, bind)) = binds.rfind(|(_, bind)| bind.target == path) {
            let file = again(&bind.source, OFlags::PATH)?;
            return Ok(Found { file, path, covered: number.saturating_add(1) });
        }
        let file = sys::openat(here.file.at(), name, OFlags::PATH | OFlags::NO_FOLLOW, 0)?;
        Ok(Found { file, path, covered: here.covered })
    }
}

impl Inside for Apart {
    fn open_inside(&self, path: &CStr, flags: OFlags) -> Result<Fd, Errno> {
        let found = self.find(path.to_bytes())?.file;
        if flags == OFlags::PATH { Ok(found) } else { again(&found, flags) }
    }
}

impl Shows for Apart {
    fn has_files(&self, path: &CStr) -> bool {
        place::has_files(self, path)
    }

    fn show(&mut self, bind: &Bind) -> Result<(), Errno> {
        let source = sys::openat(At::CWD, bind.source, OFlags::PATH, 0)?;
        let is_directory = source.stat()?.is_dir();
        let path = path_of(&source)?;
        let target = bind.target.to_bytes();
        let place = place::make(self, target, is_directory)?;
        if place.stat()?.is_dir() != is_directory {
            return Err(Errno::ENOTDIR);
        }
        let target = self.find(target)?.path;
        // A link of the system's may lead to the root.
        if target.is_empty() {
            return Err(Errno::EBUSY);
        }
        self.binds.push(Bound { target, source, path, read_only: bind.read_only });
        Ok(())
    }
}

/// Opens what is open already: a device, a pipe or a directory as such.
fn again(file: &Fd, flags: OFlags) -> Result<Fd, Errno> {
    sys::openat(At::CWD, of_descriptor(file.raw()), flags, 0)
}

/// The path of an open file, without links.
fn path_of(file: &Fd) -> Result<&'static [u8], Errno> {
    let path = sys::readlinkat(At::CWD, of_descriptor(file.raw()))?;
    // It may have been renamed or removed.
    let there = sys::statat(At::CWD, path, Follow::No)?;
    if there.same_file(&file.stat()?) { Ok(path.to_bytes()) } else { Err(Errno::ENOENT) }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::{env, fs, process};

    use super::super::bind::Wanted;
    use super::*;

    fn kept(path: &Path) -> &'static CStr {
        Box::leak(CString::new(path.as_os_str().as_bytes()).expect("a path").into_boxed_c_str())
    }

    fn apart(root: &Path) -> Apart {
        let opened = sys::openat(At::CWD, kept(root), OFlags::PATH | OFlags::DIRECTORY, 0);
        Apart::new(opened.expect("a directory")).ok().expect("/proc")
    }

    #[test]
    fn paths_are_followed_in_the_root_and_into_what_is_bound() {
        let top = fs::canonicalize(env::temp_dir())
            .expect("a path")
            .join(format!("unibin-files-{}", process::id()));
        for directory in ["root/etc", "root/deep/er", "host/sub/other", "file"] {
            fs::create_dir_all(top.join(directory)).expect("directories");
        }
        for (file, text) in [
            ("root/etc/name", "root's"),
            ("host/name", "host's"),
            ("host/sub/name", "hidden"),
            ("file/name", "a file"),
            ("outside", "outside"),
        ] {
            fs::write(top.join(file), text).expect("written");
        }
        let link = |to: &str, at: &str| symlink(to, top.join("root").join(at)).expect("a link");
        link("/../../outside", "out");
        link(top.join("outside").to_str().expect("text"), "absolute");
        link("loop", "loop");
        link("/", "slash");
        link("/run/made/later", "etc/dangling");
        link("../bound", "deep/link");
        symlink("/etc/name", top.join("host/to-etc")).expect("a link");

        let mut files = apart(&top.join("root"));
        let source = |name: &str| kept(&top.join(name));
        let mut bind = |name: &str, target, read_only| {
            files.show(&Bind { source: source(name), target, read_only, wanted: Wanted::Asked })
        };
        assert_eq!(bind("host", c"/bound", false), Ok(()));
        assert_eq!(bind("file/name", c"/etc/dangling", true), Ok(()));
        assert_eq!(bind("file", c"/deep/link/sub", false), Ok(()));
        assert_eq!(bind("host", c"/slash", false), Err(Errno::EBUSY));
        assert_eq!(bind("host", c"/etc/name", false), Err(Errno::ENOTDIR));
        assert_eq!(bind("nothing", c"/x", false), Err(Errno::ENOENT));
        let said = |at: &str, how: &str, target: &str| {
            let path = top.join(at);
            let text = path.to_str().expect("text");
            format!("{how}{}:{text}{target}", text.len())
        };
        let told: Vec<_> =
            files.told().iter().map(|value| value.to_str().expect("text").to_owned()).collect();
        let root = top.join("root");
        assert_eq!(
            told,
            [
                root.to_str().expect("text"),
                &said("host", "w", "/bound"),
                &said("file/name", "r", "/run/made/later"),
                &said("file", "w", "/bound/sub"),
            ]
        );
        assert!(root.join("bound").is_dir() && root.join("run/made/later").is_file());

        let files = Files::Apart(files);
        let read = |files: &Files, path: &CStr| {
            let mut room = [0; 16];
            let length = files.open(path, OFlags::READ)?.pread(&mut room, 0)?;
            Ok(String::from_utf8_lossy(&room[..length]).into_owned())
        };
        for (path, text) in [
            (c"/etc/name", "root's"),
            (c"/bound/name", "host's"),
            (c"/deep/link/name", "host's"),
            (c"/bound/sub/name", "a file"),
            (c"/bound/sub/../../etc/name", "root's"),
            (c"/bound/to-etc", "root's"),
            (c"/etc/dangling", "a file"),
            (c"/../../etc/./name", "root's"),
            (c"/slash/slash/etc/name", "root's"),
        ] {
            assert_eq!(read(&files, path), Ok(text.to_owned()), "{path:?}");
        }
        for (path, errno) in [
            (c"/out", Errno::ENOENT),
            (c"/absolute", Errno::ENOENT),
            (c"/loop", Errno::ELOOP),
            (c"/etc/name/x", Errno::ENOTDIR),
            (c"/bound/sub/other", Errno::ENOENT),
        ] {
            assert_eq!(read(&files, path), Err(errno), "{path:?}");
        }
        assert!(files.stat(c"/bound").is_ok_and(|stat| stat.is_dir()));
        assert_eq!(files.may_execute(c"/etc/name"), Err(Errno::EACCES));
        fs::remove_dir_all(top).expect("ours");
    }
}
