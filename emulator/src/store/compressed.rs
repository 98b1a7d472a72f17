//! Keeps Zstandard frames, because a high level takes seconds for each megabyte. A frame is found by the
//! digest of its contents, the compressor and the level. A file is the frame and one skippable frame (RFC
//! 8878, 3.1.2) with the SHA-256 of the file's name and the frame's SHA-256, so that damage, and a file in
//! another's place, is detected, and `zstd -d` can still read it. Beside them are notes about blobs that were
//! read back, bundles of images (`images`), and what was made of files (`made`). Files that were not used for
//! [`KEPT_DAYS`] are removed, and so are the least recently used when all files together take more than
//! [`KEPT_MAX`] bytes.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bundle::Digest;
use debian::digest;
use tempfile::NamedTempFile;

use super::{Store, StoreError, remove_if_there};

/// Magic number and length of a skippable frame of 32 bytes, little-endian.
const SKIPPABLE: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];
pub(super) const TRAILER: usize = SKIPPABLE.len() + Digest::LEN;

/// How many bytes of frames are kept: 2 GiB.
const KEPT_MAX: u64 = 2 << 30;

/// How long what is not used is kept.
const KEPT_DAYS: u64 = 30;
const KEPT_FOR: Duration = Duration::from_hours(KEPT_DAYS * 24);

/// A temporary file older than this was left behind by a process that was ended while it wrote.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// The length of a note, which is two digests.
const NOTE: usize = 2 * Digest::LEN;

pub(super) const DIRECTORY: &str = "compressed";

/// A frame in the store.
#[derive(Debug)]
pub struct Compressed {
    /// The file; it begins with the frame.
    pub file: File,
    /// The frame's length in bytes.
    pub length: u64,
    /// Its SHA-256, compared just now.
    pub digest: Digest,
}

/// A file that the store keeps for faster packing.
#[derive(Debug)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last used.
    pub used: SystemTime,
}

impl Store {
    /// The frame that `compressor` made at `level` from what has this digest. `compressor` is part of the
    /// file's name, and identifies everything else that affects a frame's bytes, so that a bundle never
    /// depends on what the store has. A damaged frame is removed and counts as missing.
    pub fn compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
    ) -> Result<Option<Compressed>, StoreError> {
        let name = name(digest, compressor, level);
        let path = self.root.join(DIRECTORY).join(&name);
        let failed = |error| StoreError::read(&path, error);
        let Some(mut file) = opened(&path)? else { return Ok(None) };
        let length = file.metadata().map_err(failed)?.len().checked_sub(TRAILER as u64);
        let mut trailer = [0; TRAILER];
        let mut found = None;
        if let Some(length) = length {
            let frame = digest::copy(&mut (&mut file).take(length), &mut io::sink()).map_err(failed)?.sha256;
            file.read_exact(&mut trailer).map_err(failed)?;
            found = Some((length, frame)).filter(|_| trailer == trailer_of(&name, &frame.0));
        }
        let Some((length, digest)) = found else {
            remove_if_there(&path)?;
            return Ok(None);
        };
        used(&file);
        Ok(Some(Compressed { file, length, digest }))
    }

    /// Keeps `frame` with the SHA-256 `stored`, which `compressor` made at `level` from what has `digest`.
    pub fn put_compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
        frame: &mut impl io::Read,
        stored: Digest,
    ) -> Result<(), StoreError> {
        let name = name(digest, compressor, level);
        let trailer = trailer_of(&name, &stored.0);
        self.keep(&name, &mut frame.chain(&trailer[..]))
    }

    /// Removes the frame that [`Self::put_compressed`] keeps for these arguments.
    pub fn forget_compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
    ) -> Result<bool, StoreError> {
        remove_if_there(&self.root.join(DIRECTORY).join(name(digest, compressor, level)))
    }

    /// The two digests that were noted for the blob with this key after it was read back. A damaged note
    /// counts as missing.
    pub fn read_back(&self, key: Digest) -> Option<[Digest; 2]> {
        let note: [u8; NOTE] = self.note(&note_name(key))?;
        let (first, second) = note.split_first_chunk()?;
        Some([Digest(*first), Digest(*second.first_chunk()?)])
    }

    /// Notes two digests of a blob that was read back.
    pub fn put_read_back(&self, key: Digest, noted: [Digest; 2]) -> Result<(), StoreError> {
        self.put_note(&note_name(key), &noted.map(|digest| digest.0).concat())
    }

    /// Removes the note for the blob with this key.
    pub fn forget_read_back(&self, key: Digest) -> Result<bool, StoreError> {
        remove_if_there(&self.root.join(DIRECTORY).join(note_name(key)))
    }

    /// All files that are kept, the most recently used first.
    pub fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let directory = self.root.join(DIRECTORY);
        let failed = |error| StoreError::read(&directory, error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // Another process may have removed it.
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push(Kept { path: entry.path(), size: metadata.len(), used });
        }
        kept.sort_unstable_by(|one, other| (other.used, &other.path).cmp(&(one.used, &one.path)));
        Ok(kept)
    }

    /// Removes a kept file. It may be gone already; whoever has it open goes on reading it.
    pub fn forget(&self, kept: &Kept) -> Result<(), StoreError> {
        remove_if_there(&kept.path).map(drop)
    }

    /// Removes files that were not used for long, or that exceed the limit. It is harmless if another process
    /// does the same at once, or has one of them open.
    pub fn prune(&self) -> Result<(), StoreError> {
        too_much(self.kept()?, KEPT_MAX).iter().try_for_each(|kept| self.forget(kept))
    }

    /// What [`Self::put_note`] has written. A damaged note counts as missing.
    pub(super) fn note<const LENGTH: usize>(&self, name: &str) -> Option<[u8; LENGTH]> {
        let mut file = opened(&self.root.join(DIRECTORY).join(name)).ok()??;
        let (mut note, mut trailer) = ([0; LENGTH], Vec::new());
        file.read_exact(&mut note).ok()?;
        (&mut file).take(TRAILER as u64 + 1).read_to_end(&mut trailer).ok()?;
        used(&file);
        (trailer == trailer_of(name, &note)).then_some(note)
    }

    pub(super) fn put_note(&self, name: &str, note: &[u8]) -> Result<(), StoreError> {
        let trailer = trailer_of(name, note);
        self.keep(name, &mut note.chain(&trailer[..]))
    }

    pub(super) fn keep(&self, name: &str, from: &mut impl io::Read) -> Result<(), StoreError> {
        let directory = self.directory(DIRECTORY)?;
        let path = directory.join(name);
        let failed = |error| StoreError::write(&path, error);
        let mut new = NamedTempFile::new_in(&directory).map_err(failed)?;
        io::copy(from, &mut new).map_err(failed)?;
        // Not synchronised: what a power cut leaves of it is seen to be damaged.
        new.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
        new.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

pub(super) fn opened(path: &Path) -> Result<Option<File>, StoreError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::read(path, error)),
    }
}

/// Marks a file as used now. If that fails, the file is removed earlier than it should be, and made again.
pub(super) fn used(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

fn name(digest: Digest, compressor: &str, level: i32) -> String {
    format!("{digest}.{compressor}.zst{level}")
}

fn note_name(key: Digest) -> String {
    format!("{key}.read-back")
}

pub(super) fn trailer_of(name: &str, content: &[u8]) -> [u8; TRAILER] {
    let named = digest::of(&[name.as_bytes(), content].concat());
    let mut trailer = [0; TRAILER];
    let bytes = SKIPPABLE.into_iter().chain(named.0);
    trailer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    trailer
}

/// Which of the kept files to remove, in the order of [`Store::kept`]: those that were not used for long or
/// were left behind, and then the least recently used, until the rest has at most `most` bytes.
fn too_much(mut kept: Vec<Kept>, most: u64) -> Vec<Kept> {
    let mut all = 0;
    // What was used last is about to be used, however large it is.
    let mut last = true;
    kept.retain(|kept| {
        let age = kept.used.elapsed().unwrap_or_default();
        let name = kept.path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b".") {
            return age > LEFT_BEHIND;
        }
        all += kept.size;
        let is_last = std::mem::take(&mut last);
        all > most && !is_last || age > KEPT_FOR
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_only_as_much_as_must() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let frames = store.directory(DIRECTORY).expect("it is made");
        let month = 31 * 86_400;
        let ages =
            [(3, "a"), (1, "b"), (2, "c"), (100_000, ".left"), (10, ".new"), (month, "old"), (0, "future")];
        for (age, name) in ages {
            let file = File::create(frames.join(name)).expect("a file");
            file.set_len(100).expect("it grows");
            let now = SystemTime::now();
            let used = if name == "future" { now + KEPT_FOR * 2 } else { now - Duration::from_secs(age) };
            file.set_modified(used).expect("its time is set");
        }
        let goes = |most| {
            let kept = too_much(store.kept().expect("it is read"), most);
            let name = |kept: &Kept| kept.path.file_name().expect("a name").to_owned();
            let mut names: Vec<_> = kept.iter().map(name).collect();
            names.sort();
            names
        };
        assert_eq!(goes(300), [".left", "a", "old"]);
        assert_eq!(goes(50), [".left", "a", "b", "c", "old"], "what was used last stays");
        assert_eq!(goes(u64::MAX), [".left", "old"]);
        store.prune().expect("it is removed");
        assert_eq!(store.kept().expect("it is read").len(), ages.len() - 2);
    }

    #[test]
    fn a_note_is_what_was_noted_and_a_damaged_one_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let [key, other, one, two] = [1, 2, 3, 4].map(|byte| Digest([byte; 32]));
        assert_eq!(store.read_back(key), None);
        store.put_read_back(key, [one, two]).expect("it is written");
        assert_eq!(store.read_back(key), Some([one, two]));
        let path = |key| directory.path().join(DIRECTORY).join(note_name(key));
        fs::copy(path(key), path(other)).expect("it is copied");
        assert_eq!(store.read_back(other), None, "it is in another's place");
        let whole = fs::read(path(key)).expect("it is read");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(path(key), damaged).expect("it is written");
            assert_eq!(store.read_back(key), None, "byte {at}");
        }
        for other in [[&whole[..], b"0"].concat(), whole[1..].to_vec(), Vec::new()] {
            fs::write(path(key), other).expect("it is written");
            assert_eq!(store.read_back(key), None);
        }
    }
}
