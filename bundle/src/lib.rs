#![doc = include_str!("../FORMAT.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "encode")]
extern crate alloc;

mod arch;
mod binfmt;
mod blob;
mod bytes;
mod digest;
#[cfg(feature = "encode")]
mod encode;
mod error;
mod execution;
mod footer;
mod frames;
mod key;
mod manifest;
mod owner;
mod path;
mod rows;
mod rule;
mod shown;
mod signature;
mod source;
mod tree_path;

pub use arch::{Arch, Class, Endian};
pub use binfmt::Binfmt;
pub use blob::{Blob, BlobKind, Encoding};
pub use digest::{Digest, NotADigest};
#[cfg(feature = "encode")]
pub use encode::{EncodeError, ManifestBuilder, NewBlob, NewEntry, NewNotice, NewTranslator, NewVariant};
pub use error::{FormatError, Part};
pub use execution::{AppArguments, Environment, TranslatorArguments};
pub use footer::Footer;
pub use frames::{Frame, FrameTable};
pub use key::EmulatorKey;
pub use manifest::Manifest;
pub use owner::{OWNER_ATTRIBUTE, Owner};
pub use path::{cut, has};
pub use rows::{Attends, Components, Entry, Launcher, Notice, Translator, Variant};
#[cfg(feature = "encode")]
pub use rule::OwnedRule;
pub use rule::{QEMU_RULES, Root, Rule, Rules};
pub use shown::{Kind, Shown, is_printable, show};
pub use signature::{Algorithm, Signature, Signatures};
pub use source::Source;
pub use tree_path::{
    LINKS_MAX, MERGED, MTIME, PATH_MAX, TreePath, components_of, directory_of, file_name_of,
};
#[cfg(feature = "encode")]
pub use tree_path::{join, plain};

/// Every launcher starts at a multiple of this many bytes, so that the stub can cut it out with `dd bs=4096`.
pub const LAUNCHER_ALIGN: u64 = 4096;
