//! Files and directories that appear complete or not at all. While a file is being written it has no name
//! (`O_TMPFILE`), so that not even SIGKILL leaves anything behind. Where a file system does not support that,
//! and for directories, the name is hidden, temporary, and removed on error and on SIGINT, SIGTERM and
//! SIGHUP.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{process, thread};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Paths that a signal must remove.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How often a signal tries to remove what is still being written.
const REMOVE_TRIES: u32 = 100;

fn unfinished() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT, SIGTERM and SIGHUP remove what is unfinished before they end the process as usual.
pub(crate) fn clean_up_on_signals() -> io::Result<()> {
    // What the caller made this process ignore (`nohup`, jobs of a shell script) stays ignored.
    let ignored = ignored_signals();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(wanted)?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // The lock is kept: nothing unfinished can be created after this.
            let paths = unfinished();
            for path in paths.iter() {
                // The other threads go on writing until the process ends: a directory may not be empty at the
                // first try.
                for _ in 0..REMOVE_TRIES {
                    remove(path);
                    if path.symlink_metadata().is_err() {
                        break;
                    }
                }
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// The mask `SigIgn` of proc(5): bit n - 1 stands for signal n.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn remove(path: &Path) {
    if !path.is_dir() || path.is_symlink() {
        let _ = fs::remove_file(path);
    } else if fs::remove_dir_all(path).is_err() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

/// Gives the owner access to all directories below `path`: an overlay's working directory has no permissions.
fn open_up(path: &Path) {
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let inside = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(inside.map(|entry| entry.path()));
    }
}

/// A directory that is closed to others, and removed when this is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory(Hidden);

impl TemporaryDirectory {
    /// Makes one in `directory`.
    pub(crate) fn inside(directory: &Path) -> io::Result<Self> {
        let (hidden, ()) = Hidden::make(directory, |name| fs::create_dir(name))?;
        fs::set_permissions(&hidden.0, Permissions::from_mode(0o700))?;
        Ok(Self(hidden))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.0
    }
}

/// A temporary file without a name, in the directory for temporary files.
pub(crate) fn nameless() -> io::Result<File> {
    tempfile::tempfile()
}

/// A temporary name beside the final place, under which something is being written. Dropping it removes it.
#[derive(Debug)]
struct Hidden(PathBuf);

impl Hidden {
    /// Creates something under a free name in `directory`.
    fn make<T>(directory: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        for attempt in 0..1000u32 {
            let path = directory.join(format!(".unibin-{}-{attempt}", process::id()));
            let mut paths = unfinished();
            match make(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(made) => {
                    paths.push(path.clone());
                    return Ok((Self(path), made));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Renames it to its final name.
    fn settle(self, rename: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        rename(&self.0)?;
        unfinished().retain(|path| *path != self.0);
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let mut paths = unfinished();
        if let Some(at) = paths.iter().position(|path| *path == self.0) {
            remove(&paths.swap_remove(at));
        }
    }
}

/// The directory that contains `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// A file that will become `path`.
#[derive(Debug)]
pub(crate) struct NewFile {
    /// To write to and to read back.
    pub(crate) file: File,
    path: PathBuf,
    hidden: Option<Hidden>,
}

impl NewFile {
    /// Starts a file that will be executable for everyone the umask allows.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, 0o777)
    }

    /// Starts a file that is not executable.
    pub(crate) fn plain(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, 0o666)
    }

    fn with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        let directory = directory_of(path);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        match rustix::fs::open(directory, flags | OFlags::TMPFILE, mode) {
            Ok(file) => Ok(Self { file: file.into(), path: path.to_owned(), hidden: None }),
            // No O_TMPFILE here: EISDIR before Linux 3.11, EOPNOTSUPP from the file system; EINVAL was seen
            // from FUSE.
            Err(Errno::ISDIR | Errno::OPNOTSUPP | Errno::INVAL) => {
                let create = flags | OFlags::CREATE | OFlags::EXCL;
                let (hidden, file) =
                    Hidden::make(directory, |name| Ok(rustix::fs::open(name, create, mode)?))?;
                Ok(Self { file: file.into(), path: path.to_owned(), hidden: Some(hidden) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Moves it to its place, replacing any file there, after its bytes have reached the disk.
    pub(crate) fn settle(self) -> io::Result<()> {
        let mode = self.file.metadata()?.permissions().mode();
        // Never writable for others, whatever the umask: whoever can write it could run code as whoever
        // starts it.
        self.file.set_permissions(Permissions::from_mode(mode & 0o755))?;
        self.file.sync_all()?;
        let hidden = match self.hidden {
            Some(hidden) => hidden,
            None => link(&self.file, directory_of(&self.path))?,
        };
        hidden.settle(|name| fs::rename(name, &self.path))
    }
}

/// Gives a nameless file a hidden name; linkat(2) cannot replace a file, rename can.
fn link(file: &File, directory: &Path) -> io::Result<Hidden> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    let (hidden, ()) = Hidden::make(directory, |name| {
        Ok(rustix::fs::linkat(CWD, &open, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    })?;
    Ok(hidden)
}

/// A directory that will be at a path where nothing is yet.
#[derive(Debug)]
pub(crate) struct NewDirectory {
    hidden: Hidden,
    path: PathBuf,
    /// The mode that it will have.
    mode: u32,
}

impl NewDirectory {
    /// Starts a directory that will be at `path`.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let path: PathBuf = path.components().collect();
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Self::beside_any(&path)
    }

    /// Like [`Self::beside`], but something may be at `path` already: see [`Self::settle_over`].
    pub(crate) fn beside_any(path: &Path) -> io::Result<Self> {
        let path: PathBuf = path.components().collect();
        let (hidden, ()) = Hidden::make(directory_of(&path), |name| fs::create_dir(name))?;
        // Nobody else reaches what is in it before it is whole.
        let mode = fs::metadata(&hidden.0)?.permissions().mode();
        fs::set_permissions(&hidden.0, Permissions::from_mode(0o700))?;
        Ok(Self { hidden, path, mode })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.hidden.0
    }

    /// Gives it the mode that an ordinary new directory has, unless it was changed since.
    fn open_up(&self) -> io::Result<()> {
        let mode = fs::metadata(&self.hidden.0)?.permissions().mode() & 0o7777;
        if mode == 0o700 {
            fs::set_permissions(&self.hidden.0, Permissions::from_mode(self.mode))
        } else {
            Ok(())
        }
    }

    /// Moves it to its place; an error if something is there by now.
    pub(crate) fn settle(self) -> io::Result<()> {
        self.open_up()?;
        self.hidden.settle(|name| {
            match rustix::fs::renameat_with(CWD, name, CWD, &self.path, RenameFlags::NOREPLACE) {
                // The file system does not support the flag: rename(2) itself never replaces a directory that
                // is not empty.
                Err(Errno::INVAL | Errno::NOSYS) => fs::rename(name, &self.path),
                done => Ok(done?),
            }
        })
    }

    /// Moves it to its place; a directory that is there is removed.
    pub(crate) fn settle_over(self) -> io::Result<()> {
        if self.path.symlink_metadata().is_err() {
            return self.settle();
        }
        self.open_up()?;
        match rustix::fs::renameat_with(CWD, &self.hidden.0, CWD, &self.path, RenameFlags::EXCHANGE) {
            // The old one has the hidden name now, and is removed with it.
            Ok(()) => Ok(()),
            // The file system does not support the flag: for a moment nothing is there.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let (old, ()) = Hidden::make(directory_of(&self.path), |name| fs::rename(&self.path, name))?;
                let done = self.hidden.settle(|name| fs::rename(name, &self.path));
                if done.is_err() {
                    old.settle(|name| fs::rename(name, &self.path))?;
                }
                done
            }
            Err(error) => Err(error.into()),
        }
    }
}
