//! What can be started by name.

use bundle::OwnedRule as Rule;

/// A program of the app that can be started by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) path: Vec<u8>,
    /// Its own arguments, before all others.
    pub(crate) rules: Vec<Rule>,
}

impl Entry {
    /// The program at `path`, without arguments of its own.
    pub(crate) fn new(name: &[u8], path: &[u8]) -> Self {
        Self { name: name.to_vec(), path: path.to_vec(), rules: Vec::new() }
    }
}
