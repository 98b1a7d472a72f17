//! The directory of fetched indexes. To decode the index of a suite from xz takes longer than all else that a
//! small package needs, so its text is kept beside it, compressed by zstd, under the text's own digest. The
//! signed table of contents lists that digest too: a copy is compared with it each time, and used only where
//! it is right. What nobody has used for long is removed: some suites have new indexes every six hours.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use crate::digest::{self, FileDigest};
use crate::zst;

/// What is removed has not been used for this long.
const UNUSED: Duration = Duration::from_hours(30 * 24);

/// Where the copy of a text with this digest is. The number stands for the checks that a text has passed.
fn path(indexes: &Path, text: FileDigest) -> PathBuf {
    indexes.join(format!("{}.checked-1.zst", text.sha256))
}

/// The text with this digest, if there is a copy of it.
pub(crate) fn copy(indexes: &Path, text: FileDigest) -> Option<String> {
    let file = File::open(path(indexes, text)).ok()?;
    used(&file);
    let mut copy = Vec::with_capacity(usize::try_from(text.size).ok()?.min(1 << 28));
    // One byte more shows that it is longer.
    zst::decode(BufReader::new(file)).ok()?.take(text.size.checked_add(1)?).read_to_end(&mut copy).ok()?;
    let found = FileDigest { size: copy.len() as u64, sha256: digest::of(&copy) };
    (found == text).then_some(())?;
    String::from_utf8(copy).ok()
}

/// Keeps a copy of a text. It appears whole or not at all.
pub(crate) fn keep(indexes: &Path, text: &str) -> io::Result<()> {
    let digest = FileDigest { size: text.len() as u64, sha256: digest::of(text.as_bytes()) };
    fs::create_dir_all(indexes)?;
    let copy = NamedTempFile::new_in(indexes)?;
    zst::encode(text.as_bytes(), copy.as_file())?;
    copy.persist(path(indexes, digest))?;
    remove_unused(indexes)
}

/// Notes that an index is used now: its time says so.
pub(crate) fn used(index: &File) {
    // Another user's can be read, but does not take a time.
    let _ = index.set_modified(SystemTime::now());
}

fn remove_unused(indexes: &Path) -> io::Result<()> {
    for index in fs::read_dir(indexes)? {
        let index = index?;
        // Another process may have removed it.
        let Ok(metadata) = index.metadata() else { continue };
        // One whose time lies ahead is used.
        let since = metadata.modified()?.elapsed().unwrap_or_default();
        if metadata.is_file() && since > UNUSED {
            let _ = fs::remove_file(index.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_taken_only_if_it_is_the_text_with_that_digest() {
        let indexes = tempfile::tempdir().expect("a directory");
        let of = |text: &str| FileDigest { size: text.len() as u64, sha256: digest::of(text.as_bytes()) };
        let text = "Package: a\n".repeat(1000);
        assert_eq!(copy(indexes.path(), of(&text)), None, "there is none yet");
        keep(indexes.path(), &text).expect("kept");
        assert_eq!(copy(indexes.path(), of(&text)).as_ref(), Some(&text));

        let file = path(indexes.path(), of(&text));
        let whole = fs::read(&file).expect("the copy");
        for other in [text.replacen('a', "b", 1), text[1..].to_owned(), text.clone() + "\n"] {
            let mut encoded = Vec::new();
            zst::encode(other.as_bytes(), &mut encoded).expect("encoded");
            fs::write(&file, encoded).expect("written");
            assert_eq!(copy(indexes.path(), of(&text)), None, "another text");
        }
        for cut in [0, 1, whole.len() - 1] {
            fs::write(&file, &whole[..cut]).expect("written");
            assert_eq!(copy(indexes.path(), of(&text)), None, "{cut} bytes of it");
        }
        fs::write(&file, &whole).expect("written");
        assert!(copy(indexes.path(), of(&text)).is_some(), "restored");
    }

    #[test]
    fn indexes_that_nobody_has_used_for_long_are_removed_and_others_are_not() {
        let indexes = tempfile::tempdir().expect("a directory");
        let (old, new) = (indexes.path().join("old.xz"), indexes.path().join("new.xz"));
        let long_ago = SystemTime::now().checked_sub(UNUSED * 2).expect("a time");
        for index in [&old, &new] {
            let file = File::create(index).expect("made");
            file.set_modified(long_ago).expect("a time");
        }
        used(&File::open(&new).expect("open"));
        keep(indexes.path(), "text").expect("kept");
        assert!(!old.exists() && new.exists());
        let text = FileDigest { size: 4, sha256: digest::of(b"text") };
        assert!(copy(indexes.path(), text).is_some());
    }
}
