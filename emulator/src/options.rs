//! How to get emulators: from where, under which conditions, and who receives the events.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use bundle::EmulatorKey;
use debian::{FetchOptions, MirrorSources, Progress, Silent};

use crate::catalogue::Catalogue;
use crate::lock::Lock;
use crate::store::Store;

/// How to get emulators.
pub struct Options<'a> {
    /// The catalogue of known emulators.
    pub catalogue: &'a Catalogue,
    /// The store that keeps them.
    pub store: &'a Store,
    /// The user's files for certain pairs; they come first.
    pub given: BTreeMap<EmulatorKey, PathBuf>,
    /// A directory in the store's layout, or the URL of one, asked before a Debian archive.
    pub served: Option<String>,
    /// The lock file: for its pairs nothing else is accepted.
    pub lock: Option<&'a Lock>,
    /// Whether a pair that is not locked is refused.
    pub only_locked: bool,
    /// The Debian archives to ask.
    pub mirrors: MirrorSources,
    /// How to fetch. With `offline` nothing here connects to the network.
    pub fetch: FetchOptions,
    /// Accept an index past its `Valid-Until`.
    pub allow_stale: bool,
    /// Receives events.
    pub watch: &'a dyn Watch,
}

impl<'a> Options<'a> {
    /// The defaults: this machine's mirrors, no files of the user's, no reporting.
    pub fn new(catalogue: &'a Catalogue, store: &'a Store) -> Self {
        Self {
            catalogue,
            store,
            given: BTreeMap::new(),
            served: None,
            lock: None,
            only_locked: false,
            mirrors: MirrorSources::default(),
            fetch: FetchOptions::default(),
            allow_stale: false,
            watch: &Quiet,
        }
    }
}

/// Receives events while emulators are fetched, from several threads.
pub trait Watch: Sync {
    /// The receiver of the transfers' progress for `key`.
    fn progress(&self, key: EmulatorKey) -> Box<dyn Progress + '_>;
    /// Something that the user should know, but no failure.
    fn remark(&self, remark: &Remark);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn progress(&self, _key: EmulatorKey) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn remark(&self, _remark: &Remark) {}
}

/// An event while an emulator is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// An entry of the store or of a directory is unusable and is fetched again.
    BadEntry {
        /// The host and target.
        key: EmulatorKey,
        /// What is wrong.
        reason: String,
    },
    /// The archive no longer has the pinned version.
    NotThePinned {
        /// The host and target.
        key: EmulatorKey,
        /// The package's version in the catalogue.
        pinned: String,
        /// The package's version in the archive.
        found: String,
    },
    /// The store has an older emulator than the catalogue, and nothing newer is available.
    Outdated {
        /// The host and target.
        key: EmulatorKey,
        /// Its version.
        version: String,
    },
    /// Neither the catalogue nor a signed index has the program that the lock file names.
    OnlyLocked {
        /// The host and target.
        key: EmulatorKey,
        /// The version that the lock file gives it.
        version: String,
    },
    /// An emulator has been fetched.
    Fetched {
        /// The host and target.
        key: EmulatorKey,
        /// Bytes that were transferred for it.
        bytes: u64,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEntry { key, reason } => write!(f, "{key}: {reason}; it is fetched anew"),
            Self::NotThePinned { key, pinned, found } => {
                write!(f, "{key}: the archive has no version {pinned} any more; version {found} is used")
            }
            Self::Outdated { key, version } => {
                write!(f, "{key}: the store's version {version} is used; the catalogue names another one")
            }
            Self::OnlyLocked { key, version } => {
                write!(f, "{key}: nothing but the lock file says that this program is version {version}")
            }
            Self::Fetched { key, bytes } => write!(f, "{key}: {bytes} bytes fetched"),
        }
    }
}
