//! The parts of a bundle that exists, as they were before they were assembled. Every byte is compared with
//! its digest first, so that damage is not handed on.

use std::sync::Arc;

use bundle::{Attends, Blob, BlobKind, Manifest, Notice, Rule, Rules};

use crate::cli::values::Head;
use crate::error::{Error, shown};
use crate::notices::Owed;
use crate::request::Entry;
use crate::say;
use crate::write::assemble::{Notices, PackedEmulator, PackedEmulators, PackedVariant, Parts};
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;
use crate::write::compress::Frame;
use crate::write::header;

/// The parts of `bundle`, whose bytes stay in its file.
pub(super) fn of(bundle: &BundleFile) -> Result<Parts, Error> {
    check_bundle::check_stored(bundle)?;
    if bundle.footer.signatures_length != 0 {
        let path = shown(bundle.path());
        say::warning(&format!("the signatures of `{path}` are not taken over: sign the new bundle"));
    }
    let manifest = bundle.manifest()?;
    let mut head = Head::Sh;
    let mut launchers = Vec::new();
    for row in manifest.launchers() {
        let failed = |source| Error::io("read", bundle.path(), source);
        let bytes = bundle.content(&row.blob).bytes().map_err(failed)?;
        if row.head {
            head = Head::Elf(row.host);
            launchers.push((row.host, header::as_behind_stub(row.host, &bytes)?));
        } else {
            launchers.push((row.host, bytes));
        }
    }
    let brokers = launchers.iter().filter_map(|(host, _)| {
        let broker = manifest.broker(*host)?;
        Some((*host, frame(bundle, &broker.blob)))
    });
    let attends = |broker: bundle::Launcher<'_>| broker.attends != Attends::Never;
    let variant = |row: bundle::Variant<'_>| {
        let entry = |row: bundle::Entry<'_>| Entry {
            name: row.name.to_vec(),
            path: row.path.to_vec(),
            rules: rules(&manifest, row.rules),
        };
        Ok(PackedVariant {
            target: row.target,
            level: row.level,
            encoding: row.app.encoding,
            app: frame(bundle, &row.app),
            shared: row.shared.map(|shared| Arc::new(frame(bundle, &shared))),
            loader: row.loader.to_vec(),
            rules: rules(&manifest, row.rules),
            entries: manifest.entries(&row).map(entry).collect(),
            notices: notices(bundle, &manifest, &row.app)?,
            components: components(bundle, &manifest, &row.app),
        })
    };
    let of_hosts = manifest.launchers().filter_map(|row| {
        let facts = components(bundle, &manifest, &row.blob);
        Some((row.host, facts?))
    });
    Ok(Parts {
        head,
        components: of_hosts.collect(),
        brokers: brokers.collect(),
        attends: launchers.iter().filter_map(|(host, _)| manifest.broker(*host)).any(attends),
        launchers,
        variants: manifest.variants().map(variant).collect::<Result<_, Error>>()?,
        emulators: emulators(bundle, &manifest)?,
    })
}

/// Whether emulators among these parts lay trees over the root.
pub(super) fn have_view(parts: &Parts) -> bool {
    let mut rows = parts.emulators.iter().flat_map(|packed| &packed.emulators);
    rows.any(|row| row.rules.iter().any(Rule::is_view))
}

/// The rules of a variant without the mounts that it gets only where an emulator runs it. Those of a native
/// one follow its kind of view, and stay.
pub(super) fn without_mounts_of_emulators(rules: &[crate::request::Rule]) -> Vec<crate::request::Rule> {
    let is_native = rules.iter().any(Rule::is_view);
    rules.iter().filter(|rule| is_native || !matches!(rule, Rule::Seen { .. })).cloned().collect()
}

fn emulators(bundle: &BundleFile, manifest: &Manifest<'_>) -> Result<Vec<PackedEmulators>, Error> {
    let of_blob = |blob: Blob<'_>| {
        let emulator = |row: bundle::Translator<'_>| PackedEmulator {
            key: row.key,
            translator: row.name.to_vec(),
            version: row.version.to_vec(),
            rules: rules(manifest, row.rules),
            member: row.member.to_vec(),
        };
        Ok(PackedEmulators {
            emulators: manifest.translators().filter(|row| row.blob == blob).map(emulator).collect(),
            encoding: blob.encoding,
            frame: frame(bundle, &blob),
            notices: notices(bundle, manifest, &blob)?,
            components: components(bundle, manifest, &blob),
        })
    };
    manifest.blobs().filter(|blob| blob.kind == BlobKind::Emulator).map(of_blob).collect()
}

fn frame(bundle: &BundleFile, blob: &Blob<'_>) -> Frame {
    Frame {
        stored: bundle.content(blob),
        stored_digest: blob.stored_digest(),
        length: blob.length(),
        digest: blob.digest(),
        remembered: None,
    }
}

fn rules(manifest: &Manifest<'_>, rules: Rules) -> Vec<crate::request::Rule> {
    manifest.rules(rules).map(|rule: Rule<&[u8]>| rule.owned()).collect()
}

/// The facts about the components of `blob`.
fn components(bundle: &BundleFile, manifest: &Manifest<'_>, blob: &Blob<'_>) -> Option<Frame> {
    let row = manifest.components().find(|row| row.subject == *blob);
    row.map(|row| frame(bundle, &row.facts))
}

/// What is owed for `blob`. The texts stay in the file.
fn notices(bundle: &BundleFile, manifest: &Manifest<'_>, blob: &Blob<'_>) -> Result<Vec<Notices>, Error> {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|error| Error::damaged(bundle.path(), "notices", &error))
    };
    let notice = |row: Notice<'_>| {
        let owed = Owed {
            licence: text(row.licence)?,
            source: text(row.source)?,
            origin: text(row.origin)?,
            text: String::new(),
        };
        Ok(Notices { owed, frame: frame(bundle, &row.text) })
    };
    manifest.notices().filter(|row| row.subject == *blob).map(notice).collect()
}
