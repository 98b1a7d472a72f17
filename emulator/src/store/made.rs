//! What a packer has made of files by running a program, such as byte code: it is kept as frames are, and
//! found by the digest of all that decides about it.

use std::io::Read as _;

use bundle::Digest;
use debian::digest;

use super::compressed::{DIRECTORY, TRAILER, opened, trailer_of, used};
use super::{Store, StoreError};

impl Store {
    /// What was made of something with this digest. Something damaged counts as missing.
    pub fn made(&self, key: Digest) -> Option<Vec<u8>> {
        let name = name(key);
        let mut file = opened(&self.root.join(DIRECTORY).join(&name)).ok()??;
        let mut made = Vec::new();
        file.read_to_end(&mut made).ok()?;
        used(&file);
        let trailer = made.split_off(made.len().checked_sub(TRAILER)?);
        (trailer == trailer_of(&name, &digest::of(&made).0)).then_some(made)
    }

    /// Keeps what was made of something with this digest.
    pub fn put_made(&self, key: Digest, made: &[u8]) -> Result<(), StoreError> {
        let name = name(key);
        let trailer = trailer_of(&name, &digest::of(made).0);
        self.keep(&name, &mut made.chain(&trailer[..]))?;
        self.prune()
    }
}

fn name(key: Digest) -> String {
    format!("{key}.made")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_made_is_found_by_its_key_alone_and_not_if_it_is_damaged() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let [key, other] = [1, 2].map(|byte| Digest([byte; 32]));
        assert_eq!(store.made(key), None);
        store.put_made(key, b"made").expect("it is written");
        assert_eq!(store.made(key).as_deref(), Some(&b"made"[..]));
        let path = |key| directory.path().join(DIRECTORY).join(name(key));
        fs::copy(path(key), path(other)).expect("it is copied");
        assert_eq!(store.made(other), None, "it is in another's place");
        let whole = fs::read(path(key)).expect("it is read");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(path(key), damaged).expect("it is written");
            assert_eq!(store.made(key), None, "byte {at}");
        }
        for length in 0..whole.len() {
            fs::write(path(key), &whole[..length]).expect("it is written");
            assert_eq!(store.made(key), None, "{length} bytes");
        }
    }
}
