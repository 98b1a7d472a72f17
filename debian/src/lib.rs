//! Debian archives as a verified source of packages. The files follow the trust: a mirror is only a place to ask,
//! the signature on `InRelease` vouches for the indexes, an index for each package, and a package for its files.
//! Refuses whatever that chain does not reach, except that the caller may pin a member's digest itself.

mod ar;
mod clearsign;
pub mod deb;
pub mod digest;
pub mod fetch;
mod fetch_error;
mod gpgv;
mod location;
pub mod mirror;
mod openpgp;
pub mod packages;
pub mod progress;
pub mod release;
pub mod signature;
mod stanza;
mod xz;
mod xz_index;

pub use digest::Sha256;
pub use fetch_error::FetchError;
