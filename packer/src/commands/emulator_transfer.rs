//! `unibin emulator export` and `import`: copy emulators from one machine's store to another's, as a
//! directory that any web server can serve, or as one archive of that directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bundle::components_of;

use crate::atomic_file::NewFile;
use crate::bounds::{Bounded, check_free, too_much, unpacked_max};
use crate::emulators::Emulators;
use crate::error::Error;
use crate::tree::app_tree::{self, App, Node};
use crate::tree::content::Content;
use crate::write::compress;
use crate::write::tarball::{self, TarEntry};
use crate::write::zstd_frame;

/// The start of a Zstandard frame (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// More is no archive of emulators: it has two files for each, three directories deep.
const ENTRIES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 8;

/// Compressed for transport only: a middle level is ten times as fast as that of emulators in bundles.
const LEVEL: i32 = 9;

/// Copies all emulators of the store to `to`: an archive if its name says so, else a directory.
pub(crate) fn export(emulators: &Emulators, to: &Path) -> Result<String, Error> {
    let name = to.as_os_str().as_bytes();
    let compressed = name.ends_with(b".tar.zst");
    if !compressed && !name.ends_with(b".tar") {
        return Ok(lines(&emulators.export(to)?));
    }
    let failed = |source| Error::io("write", to, source);
    let directory = tempfile::tempdir().map_err(Error::Temporary)?;
    let exported = emulators.export(directory.path())?;
    let mut tree = App::default();
    for (path, content) in files(directory.path(), Path::new("")).map_err(Error::Temporary)? {
        tree.add(&path, Node::File { executable: false, content })?;
    }
    let tar = compress::spool(|to| tarball::archive(&tree, to)).map_err(Error::Temporary)?;
    let stored = if compressed {
        compress::spool(|to| zstd_frame::long(&tar, LEVEL, to).map(drop)).map_err(Error::Temporary)?
    } else {
        tar
    };
    let new = NewFile::beside(to).map_err(failed)?;
    io::copy(&mut stored.reader(), &mut &new.file).map_err(failed)?;
    new.settle().map_err(failed)?;
    Ok(lines(&exported))
}

/// Adds emulators to the store from a directory or an archive.
pub(crate) fn import(emulators: &Emulators, from: &Path) -> Result<String, Error> {
    let failed = |source| Error::io("read", from, source);
    if fs::metadata(from).map_err(failed)?.is_dir() {
        return Ok(lines(&emulators.import(from)?));
    }
    let mut file = File::open(from).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(failed)?;
    let whole = io::Cursor::new(start.clone()).chain(file);
    let directory = tempfile::tempdir().map_err(Error::Temporary)?;
    let damaged = |source| Error::damaged(from, "archive of emulators", &source);
    let stored = fs::metadata(from).map_err(failed)?.len();
    if start == ZSTD {
        let unpacked = Bounded::unpacked(zstd_frame::decoder(whole).map_err(failed)?, stored);
        unpack(unpacked, stored, damaged, directory.path())?;
    } else {
        unpack(whole, stored, damaged, directory.path())?;
    }
    Ok(lines(&emulators.import(directory.path())?))
}

fn lines(names: &[String]) -> String {
    names.iter().fold(String::new(), |text, name| text + name + "\n")
}

/// All files below `root`, with their paths in it.
fn files(root: &Path, below: &Path) -> io::Result<Vec<(Vec<u8>, Content)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(files(root, &path)?);
        } else {
            found
                .push((path.as_os_str().as_bytes().to_vec(), Content::whole(File::open(root.join(&path))?)?));
        }
    }
    Ok(found)
}

/// Directories and files only; a path that leads out of the archive is refused, and a file for which there is
/// no space.
fn unpack(
    from: impl Read,
    stored: u64,
    damaged: impl Fn(io::Error) -> Error,
    directory: &Path,
) -> Result<(), Error> {
    let mut entries = 0;
    tarball::read(from, &damaged, |path, entry| {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        app_tree::tree_path(path)?;
        entries += 1;
        if entries > ENTRIES_MAX || components_of(path).count() > DEPTH_MAX {
            return Err(Error::tree(
                path,
                "no archive of emulators has so many files, or directories so deep",
            ));
        }
        let to = directory.join(std::ffi::OsStr::from_bytes(path));
        let wrote = match entry {
            TarEntry::Directory => fs::create_dir_all(&to),
            TarEntry::File { content, size, .. } => {
                if size > unpacked_max(stored) {
                    return Err(damaged(too_much()));
                }
                check_free(directory, size)?;
                let file = OpenOptions::new().write(true).create_new(true).open(&to);
                file.and_then(|mut file| io::copy(content, &mut file).map(drop))
            }
            TarEntry::Symlink(_) | TarEntry::HardLink(_) => {
                return Err(Error::tree(path, "an emulator archive must not contain links"));
            }
        };
        wrote.map_err(|source| Error::io("write", &to, source))
    })
}
