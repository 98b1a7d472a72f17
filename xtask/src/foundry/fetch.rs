//! Pinned files, kept in `target/foundry/files` by their digests.

use std::path::PathBuf;

use anyhow::Result;
use debian::{FetchOptions, MirrorSources, PinnedFile, Pins, Silent};

use super::unavailable::Unavailable;

/// The files that are here, and where the others are.
pub(crate) struct Cache {
    directory: PathBuf,
    pins: Pins<'static>,
}

impl Cache {
    pub(crate) fn new(directory: PathBuf, mirrors: &MirrorSources, snapshot: &str) -> Self {
        Self { directory, pins: Pins::new(mirrors, snapshot, FetchOptions::default(), &Silent) }
    }

    /// The path of a file with exactly the pinned bytes.
    pub(crate) fn fetch(&self, file: &PinnedFile) -> Result<PathBuf> {
        let dest = self.directory.join(file.sha256.to_string());
        match self.pins.fetch(file, &dest) {
            Ok(()) => Ok(dest),
            Err(failures) => {
                let reasons: Vec<String> = failures.iter().map(|failure| format!("\n  {failure}")).collect();
                Err(Unavailable {
                    what: format!("no mirror has the pinned `{}`:{}", file.path, reasons.concat()),
                    hint: "the archive may have moved on: name another mirror with `--mirror`, or pin what \
                           it has now with `cargo xtask foundry --update` and build anew",
                }
                .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_with_other_bytes_is_refused_by_name_whether_the_mirror_or_the_cache_has_it() {
        let here = tempfile::tempdir().expect("a directory");
        let pool = here.path().join("mirror/pool");
        fs::create_dir_all(&pool).expect("a directory");
        let mirrors = MirrorSources {
            arguments: vec![here.path().join("mirror").display().to_string()],
            ..MirrorSources::default()
        };
        let cache = Cache::new(here.path().join("files"), &mirrors, "20261130T235959Z");
        let whole = b"a package";
        let file = PinnedFile {
            path: "pool/a_1_amd64.deb".into(),
            size: whole.len() as u64,
            sha256: debian::digest::of(whole),
        };
        fs::write(pool.join("a_1_amd64.deb"), b"a packagE").expect("a file");
        let refused = cache.fetch(&file).expect_err("tampered");
        assert!(refused.downcast_ref::<Unavailable>().is_some(), "{refused:#}");
        assert!(refused.to_string().contains("pool/a_1_amd64.deb"), "{refused:#}");
        fs::write(pool.join("a_1_amd64.deb"), whole).expect("a file");
        let kept = cache.fetch(&file).expect("whole");
        // Somebody writes to the cache: the file is fetched anew.
        fs::write(&kept, b"a packagE").expect("a file");
        assert_eq!(fs::read(cache.fetch(&file).expect("whole")).expect("readable"), whole);
    }
}
