//! Bundles of container images, for this machine, by what they were made of. They are kept with the frames,
//! and removed like these when they were not used for long or all together take too much. A bundle has its
//! own digests, so its start reports damage.

use std::path::PathBuf;

use bundle::Digest;
use debian::digest;

use super::compressed::{DIRECTORY, opened, used};
use super::{Store, StoreError};

impl Store {
    /// The bundle that was made of `key`, if there is one; it counts as used now.
    pub fn image(&self, key: Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.root.join(DIRECTORY).join(image_name(key));
        let Some(file) = opened(&path)? else { return Ok(None) };
        used(&file);
        Ok(Some(path))
    }

    /// The path at which the bundle made of `key` should appear, by a rename.
    pub fn place_of_image(&self, key: Digest) -> Result<PathBuf, StoreError> {
        Ok(self.directory(DIRECTORY)?.join(image_name(key)))
    }

    /// The key of the bundle that was last started under `name`.
    pub fn last_image(&self, name: &[u8]) -> Option<Digest> {
        self.note(&note_name(name)).map(Digest)
    }

    /// Notes `key` as that of the bundle last started under `name`.
    pub fn put_last_image(&self, name: &[u8], key: Digest) -> Result<(), StoreError> {
        self.put_note(&note_name(name), &key.0)
    }
}

fn image_name(key: Digest) -> String {
    format!("{key}.image")
}

fn note_name(name: &[u8]) -> String {
    format!("{}.last-image", digest::of(name))
}
