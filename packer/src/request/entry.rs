//! What can be started by name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use bundle::{OwnedRule as Rule, file_name_of};

use crate::error::{Error, readable};
use crate::tree::app_tree;

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

    /// The entries that `--entry` asks for, each `[NAME=]PATH`.
    pub(super) fn all(texts: &[OsString]) -> Result<Vec<Self>, Error> {
        let mut entries = Vec::new();
        for text in texts {
            let entry = Self::parse(text)?;
            if entries.iter().any(|other: &Self| other.name == entry.name) {
                return Err(Error::SameEntry { name: readable(&entry.name) });
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Reads `[NAME=]PATH`; the name is the last part of the path unless given.
    fn parse(text: &OsStr) -> Result<Self, Error> {
        let text = text.as_bytes();
        let (name, path) = match text.iter().position(|byte| *byte == b'=') {
            Some(at) => (Some(&text[..at]), &text[at + 1..]),
            None => (None, text),
        };
        let path = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")).unwrap_or(path);
        app_tree::tree_path(path)?;
        let name = name.unwrap_or_else(|| file_name_of(path));
        if name.is_empty() || name.contains(&b'/') {
            return Err(Error::EntryName { name: readable(name) });
        }
        Ok(Self::new(name, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_after_its_file_unless_it_says_otherwise() {
        let entry = |text: &str| Entry::parse(OsStr::new(text)).map(|entry| (entry.name, entry.path)).ok();
        assert_eq!(entry("/usr/bin/sh"), Some((b"sh".to_vec(), b"usr/bin/sh".to_vec())));
        assert_eq!(entry("shell=usr/bin/sh"), Some((b"shell".to_vec(), b"usr/bin/sh".to_vec())));
        for refused in ["", "/", "a=", "=a", "a/b=c", "../a", "a/../b"] {
            assert_eq!(entry(refused), None, "{refused}");
        }
    }
}
