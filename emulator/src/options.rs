//! How emulators are asked for: from where, under which conditions, and who is told what happens.

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
    /// What is known.
    pub catalogue: &'a Catalogue,
    /// Where they are kept.
    pub store: &'a Store,
    /// Files to use for hosts, before everything else.
    pub given: BTreeMap<EmulatorKey, PathBuf>,
    /// A directory in the store's layout, or the URL of one, asked before a Debian archive.
    pub served: Option<String>,
    /// What is locked: for these pairs nothing else will do.
    pub lock: Option<&'a Lock>,
    /// Whether a pair that is not locked is refused.
    pub only_locked: bool,
    /// The Debian archives to ask.
    pub mirrors: MirrorSources,
    /// How to fetch; `offline` in it means that nothing here connects.
    pub fetch: FetchOptions,
    /// Take an index past its `Valid-Until`.
    pub allow_stale: bool,
    /// Who is told what happens.
    pub watch: &'a dyn Watch,
}

impl<'a> Options<'a> {
    /// The defaults: this machine's mirrors, nothing given, told to nobody.
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

/// Is told what happens while emulators are fetched, from several threads.
pub trait Watch: Sync {
    /// Who follows the transfers for `key`.
    fn progress(&self, key: EmulatorKey) -> Box<dyn Progress + '_>;
    /// Something that the user should know and that is no failure.
    fn remark(&self, remark: &Remark);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn progress(&self, _key: EmulatorKey) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn remark(&self, _remark: &Remark) {}
}

/// What happened on the way to an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// An entry of the store or of a directory could not be used and is fetched anew.
    BadEntry {
        /// The pair.
        key: EmulatorKey,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive no longer has the pinned version.
    NotThePinned {
        /// The pair.
        key: EmulatorKey,
        /// The package's version in the catalogue.
        pinned: String,
        /// The package's version in the archive.
        found: String,
    },
    /// The store has an emulator that the catalogue has left behind, and nothing newer can be had.
    Outdated {
        /// The pair.
        key: EmulatorKey,
        /// Its version.
        version: String,
    },
    /// An emulator has been fetched.
    Fetched {
        /// The pair.
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
            Self::Fetched { key, bytes } => write!(f, "{key}: {bytes} bytes fetched"),
        }
    }
}
