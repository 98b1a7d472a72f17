//! Zstandard frames by what they were made of: its digest, the compressor and its level, because a high level
//! takes seconds for each megabyte. A file is the frame and one skippable frame (RFC 8878, 3.1.2) with the
//! SHA-256 of the file's name and the frame, so that damage, and a file in another's place, is detected, and
//! `zstd -d` can still read it. All files together take at most [`KEPT_MAX`] bytes: the one that was not used
//! for longest goes first.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bundle::Digest;
use debian::digest;
use tempfile::NamedTempFile;

use super::{Store, StoreError, remove_if_there};

/// Magic number and length of a skippable frame of 32 bytes, little-endian.
const SKIPPABLE: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];
const TRAILER: usize = SKIPPABLE.len() + Digest::LEN;

/// How many bytes of frames are kept: 2 GiB.
const KEPT_MAX: u64 = 2 << 30;

/// What another process left behind that was ended while it wrote is older than this.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

const DIRECTORY: &str = "compressed";

impl Store {
    /// The frame that `compressor` made at `level` from what has this digest: its file, and how long the
    /// frame is that it begins with. `compressor` is part of the file's name, and identifies everything else
    /// that affects a frame's bytes, so that a bundle never depends on what the store has. A damaged frame is
    /// removed and counts as missing.
    pub fn compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
    ) -> Result<Option<(File, u64)>, StoreError> {
        let name = name(digest, compressor, level);
        let path = self.root.join(DIRECTORY).join(&name);
        let failed = |error| StoreError::read(&path, error);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let length = file.metadata().map_err(failed)?.len().checked_sub(TRAILER as u64);
        let mut trailer = [0; TRAILER];
        let found = match length {
            Some(length) => {
                let expected = trailer_of(&name, (&mut file).take(length)).map_err(failed)?;
                file.read_exact(&mut trailer).map_err(failed)?;
                Some(length).filter(|_| trailer == expected)
            }
            None => None,
        };
        if found.is_none() {
            remove_if_there(&path)?;
        }
        // It was used now. Where that can't be noted it goes earlier than it should, and is made again.
        let _ = file.set_modified(SystemTime::now());
        Ok(found.map(|length| (file, length)))
    }

    /// Keeps `frame`, which `compressor` made at `level` from what has this digest.
    pub fn put_compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
        frame: &mut (impl io::Read + io::Seek),
    ) -> Result<(), StoreError> {
        let directory = self.directory(DIRECTORY)?;
        let name = name(digest, compressor, level);
        let path = directory.join(&name);
        let failed = |error| StoreError::write(&path, error);
        let mut new = NamedTempFile::new_in(&directory).map_err(failed)?;
        io::copy(frame, &mut new).map_err(failed)?;
        frame.rewind().map_err(failed)?;
        let trailer = trailer_of(&name, frame).map_err(failed)?;
        new.write_all(&trailer).map_err(failed)?;
        // Not synchronised: what a power cut leaves of it is seen to be damaged.
        new.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
        new.persist(&path).map_err(|error| failed(error.error))?;
        prune(&directory, KEPT_MAX);
        Ok(())
    }
}

fn name(digest: Digest, compressor: &str, level: i32) -> String {
    format!("{digest}.{compressor}.zst{level}")
}

fn trailer_of(name: &str, frame: impl io::Read) -> io::Result<[u8; TRAILER]> {
    let found = digest::copy(&mut name.as_bytes().chain(frame), &mut io::sink())?;
    let mut trailer = [0; TRAILER];
    let bytes = SKIPPABLE.into_iter().chain(found.sha256.0);
    trailer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    Ok(trailer)
}

/// Removes what was not used for longest until all files together have at most `most` bytes. Another process
/// may do the same at once, or have one of them open: both are harmless.
fn prune(directory: &Path, most: u64) {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let unfinished = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !unfinished {
            files.push((used, metadata.len(), entry.path()));
        } else if used.elapsed().is_ok_and(|age| age > LEFT_BEHIND) {
            let _ = fs::remove_file(entry.path());
        }
    }
    files.sort_unstable_by(|one, other| other.cmp(one));
    let mut all = 0;
    for (_, length, path) in files {
        all += length;
        if all > most {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_only_as_much_as_must() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for (age, name) in [(3, "a"), (1, "b"), (2, "c"), (100_000, ".left"), (10, ".new")] {
            let file = File::create(path(name)).expect("a file");
            file.set_len(100).expect("it grows");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("its time is set");
        }
        prune(directory.path(), 200);
        let there = |name: &&str| path(name).exists();
        let left: Vec<_> = ["a", "b", "c", ".left", ".new"].into_iter().filter(there).collect();
        assert_eq!(left, ["b", "c", ".new"]);
    }
}
