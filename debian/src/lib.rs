//! Debian archives as a verified source of packages. The files follow the trust: a mirror is only a place to ask,
//! the signature on `InRelease` vouches for the indexes, an index for each package, and a package for its files.
//! Refuses whatever that chain does not reach, except that the caller may pin a member's digest itself.

mod ar;
pub mod archive;
mod clearsign;
pub mod contents;
pub mod deb;
pub mod depends;
pub mod digest;
pub mod fetch;
mod fetch_error;
mod gpgv;
mod location;
pub mod mirror;
mod openpgp;
pub mod packages;
pub mod progress;
pub mod ranged;
pub mod release;
pub mod signature;
pub mod sources;
mod stanza;
mod xz;
pub mod xz_index;

pub use archive::{Archive, ArchiveError, ArchiveOptions, Provenance};
pub use bundle::Digest;
pub use contents::{Contents, Holder};
pub use deb::{Deb, DebEntry, DebError, DebKind};
pub use depends::{Alternative, Unsatisfied};
pub use fetch::{FetchOptions, Fetcher};
pub use fetch_error::FetchError;
pub use mirror::MirrorSources;
pub use packages::{Package, PackageIndex};
pub use progress::{Progress, Silent};
pub use ranged::{Member, MemberBytes, RangedError};
pub use signature::{Keyring, SignatureError, Verifier};
pub use sources::{Source, SourceFile};
