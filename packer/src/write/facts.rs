//! The facts about components as blobs: of what a bundle will have, and out of one that exists.

use std::io::Read as _;

use bundle::{Arch, Blob, Manifest};

use crate::components::{Component, FACTS_MAX, Facts, path};
use crate::error::Error;
use crate::hash;
use crate::tree::content::Content;
use crate::write::bundle_file::{BundleFile, blob_name};
use crate::write::compress::{self, Frame};

/// Facts, compressed.
pub(crate) fn frame(facts: &Facts, level: i32) -> Result<Frame, Error> {
    compress::frame(&Content::from(facts.bytes()), level, None).map_err(Error::Temporary)
}

/// The facts about each host's launcher and broker: they are this version's.
pub(crate) fn of_hosts(hosts: &[Arch], level: i32) -> Result<Vec<(Arch, Frame)>, Error> {
    let mut facts = Facts::default();
    facts.add(Component::of_unibin("unibin-launcher"));
    let frame = frame(&facts, level)?;
    Ok(hosts.iter().map(|host| (*host, frame.clone())).collect())
}

/// The facts about the emulators of one frame: of each an emulator with what is linked into it, and its
/// path in the frame, empty if that is one file.
pub(crate) fn of_emulators<'e>(all: impl Iterator<Item = (&'e [Component], &'e [u8])>) -> Facts {
    let mut facts = Facts::default();
    for (components, member) in all {
        let Some((emulator, linked)) = components.split_first() else { continue };
        let depends = linked.iter().map(|source| facts.add(source.clone())).collect();
        let mut emulator = Component { depends, ..emulator.clone() };
        let files: Vec<_> = Some(member).filter(|member| !member.is_empty()).map(path).into_iter().collect();
        // One that serves several targets is one component with several files.
        let same = facts.components.iter_mut().find(|other| {
            emulator.files.clone_from(&other.files);
            **other == emulator
        });
        if let Some(other) = same {
            other.files.extend(files);
        } else {
            emulator.files = files;
            facts.components.push(emulator);
        }
    }
    for component in &mut facts.components {
        component.files.sort();
        component.files.dedup();
    }
    facts
}

/// What `bundle` says about `subject`; `None` if it says nothing.
pub(crate) fn of(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    subject: &Blob<'_>,
) -> Result<Option<Facts>, Error> {
    let Some(row) = manifest.components().find(|row| row.subject == *subject) else { return Ok(None) };
    let part = blob_name(manifest, &row.facts);
    let damaged = |why: &str| Error::damaged(bundle.path(), &part, &why);
    if row.facts.length() > FACTS_MAX {
        return Err(damaged("it is too long"));
    }
    let mut bytes = Vec::new();
    let read = bundle.unpacked(&row.facts);
    // One byte more shows that there is more.
    let read = read.and_then(|from| from.take(row.facts.length() + 1).read_to_end(&mut bytes));
    read.map_err(|source| damaged(&source.to_string()))?;
    let found = hash::of(&bytes);
    if found != row.facts.digest() {
        return Err(Error::digest(bundle.path(), &part, row.facts.digest(), found));
    }
    Facts::read(&bytes).map(Some).map_err(|why| damaged(&why))
}
