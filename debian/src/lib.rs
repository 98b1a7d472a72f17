//! Debian archives as a verified source of packages. The modules follow the chain of trust: a mirror is only
//! a place to ask; the signature of `InRelease` covers the indexes, an index covers each package, and a
//! package covers its files. Refuses everything outside that chain, except that a caller may pin a member's
//! digest itself.

mod ar;
pub mod archive;
mod archive_error;
mod bound;
mod clearsign;
pub mod contents;
pub mod deb;
pub mod depends;
pub mod digest;
pub mod fetch;
mod fetch_error;
mod finding;
mod indexes;
pub mod installed;
mod keyring;
mod location;
pub mod mirror;
mod openpgp;
pub mod packages;
mod pinned;
pub mod progress;
pub mod ranged;
mod relation;
pub mod release;
pub mod signature;
pub mod sources;
mod stanza;
mod version;
mod xz;
pub mod xz_index;
mod zst;

pub use archive::{Archive, ArchiveOptions, Provenance};
pub use archive_error::{ArchiveError, MirrorFailure};
pub use bundle::Digest;
pub use contents::{Contents, Holder};
pub use deb::{ControlFile, Deb, DebEntry, DebError, DebKind};
pub use depends::Unsatisfied;
pub use digest::FileDigest;
pub use fetch::{FetchOptions, Fetcher};
pub use fetch_error::FetchError;
pub use installed::{Installation, Selected, SelectionError, SystemVariant};
pub use keyring::{Keyring, KeyringError};
pub use mirror::MirrorSources;
pub use packages::{Package, PackageIndex};
pub use pinned::{PinnedFile, Pins};
pub use progress::{Progress, Silent};
pub use ranged::{Member, MemberBytes, RangedError};
pub use relation::{Alternative, relations};
pub use signature::SignatureError;
pub use sources::{Source, SourceFile};
pub use version::compare_versions;
