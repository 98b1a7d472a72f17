//! Files of an archive whose digests the caller has pinned: fetched from the first mirror that has them.
//! Needs no signature and no index, and so works when the archive has moved on. Refuses every other byte.

use std::path::Path;

use bundle::Digest;

use crate::digest::FileDigest;
use crate::fetch::{FetchOptions, Fetcher};
use crate::fetch_error::FetchError;
use crate::mirror::{Mirror, MirrorSources};
use crate::progress::Progress;

/// A file of an archive, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFile {
    /// Path relative to a mirror's base: `pool/main/…`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of all its bytes.
    pub sha256: Digest,
}

/// Fetches pinned files.
pub struct Pins<'a> {
    mirrors: Vec<Mirror>,
    fetcher: Fetcher<'a>,
}

impl<'a> Pins<'a> {
    /// Files that some suite listed at `timestamp`, as the snapshot archive writes it: `20261130T235959Z`.
    pub fn new(
        mirrors: &MirrorSources,
        timestamp: &str,
        fetch: FetchOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { mirrors: mirrors.mirrors_as_of(timestamp), fetcher: Fetcher::new(fetch, progress) }
    }

    /// Fetches `file` to `dest`, unless it is there already, from the first mirror where it matches. The
    /// errors of all mirrors, where none has it.
    pub fn fetch(&self, file: &PinnedFile, dest: &Path) -> Result<(), Vec<FetchError>> {
        let expected = FileDigest { size: file.size, sha256: file.sha256 };
        let mut failures = Vec::new();
        for mirror in &self.mirrors {
            match self.fetcher.fetch_to_file(&mirror.join(&file.path), dest, Some(expected)) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_the_mirrors_fault() => failures.push(error),
                Err(error) => return Err(vec![error]),
            }
        }
        Err(failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use crate::progress::Silent;

    #[test]
    fn a_mirror_with_other_bytes_is_passed_over_and_named_if_no_other_has_the_file() {
        let here = tempfile::tempdir().expect("a directory");
        let mirror = |name: &str, content: &str| {
            std::fs::create_dir_all(here.path().join(name).join("pool")).expect("a directory");
            std::fs::write(here.path().join(name).join("pool/a"), content).expect("a file");
            here.path().join(name).display().to_string()
        };
        let (bad, good) = (mirror("bad", "abd"), mirror("good", "abc"));
        let file = PinnedFile { path: "pool/a".into(), size: 3, sha256: digest::of(b"abc") };
        let dest = here.path().join("kept/a");
        let fetch = |mirrors: &[&String]| {
            let sources = MirrorSources {
                arguments: mirrors.iter().map(|base| (*base).clone()).collect(),
                ..MirrorSources::default()
            };
            Pins::new(&sources, "20261130T235959Z", FetchOptions::default(), &Silent).fetch(&file, &dest)
        };
        let refused = fetch(&[&bad]).expect_err("other bytes");
        assert!(matches!(refused[..], [FetchError::Mismatch { .. }]), "{refused:?}");
        assert!(!dest.exists());
        fetch(&[&bad, &good]).expect("the other mirror has it");
        assert_eq!(std::fs::read(&dest).expect("the file"), b"abc");
    }
}
