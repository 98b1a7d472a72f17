//! What is made of files: kept in the store, so that it is made once.

use bundle::Digest;
use emulator::Store;

use crate::error::Error;
use crate::packages::suites;
use crate::say;
use crate::tree::content::Content;

/// A file that is made of another one.
pub(super) struct Made {
    pub(super) path: Vec<u8>,
    pub(super) of: Vec<u8>,
    pub(super) content: Content,
}

/// What was made of something with this digest before, or is made now.
pub(super) fn kept(key: Digest, make: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
    let store = Store::open(&suites::store_root()?)?;
    if let Some(made) = store.made(key) {
        return Ok(made);
    }
    let made = make()?;
    if let Err(error) = store.put_made(key, &made) {
        say::warning(&format!("cannot keep what was made for the next time: {error}"));
    }
    Ok(made)
}
