//! `unibin merge`: one bundle out of several, and out of programs: what each machine of a build matrix has
//! made.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::{Arch, Digest, EmulatorKey, file_name_of};

use crate::cli::compose::MergeArgs;
use crate::cli::values::{Head, Level};
use crate::compose::{parts, program, require_same_kind, written};
use crate::error::{ComposeError, Error, readable};
use crate::notices::Owed;
use crate::request::Rule;
use crate::write::assemble::{Notices, PackedEmulators, PackedVariant, Parts};
use crate::write::bundle_file::BundleFile;
use crate::write::compress::Frame;
use crate::write::facts;
use crate::write::header;

/// Parts, and the file that they are from.
struct From {
    path: PathBuf,
    parts: Parts,
}

/// Writes one bundle that has all that is in `args.files`.
pub(crate) fn merge(args: &MergeArgs) -> Result<String, Error> {
    let name = file_name_of(args.output.as_os_str().as_bytes());
    let mut all = Vec::new();
    let mut programs = Vec::new();
    for path in &args.files {
        match BundleFile::open(path) {
            Ok(bundle) => all.push(From { path: path.clone(), parts: parts::of(&bundle)? }),
            Err(Error::NotABundle { .. }) => programs.push(path),
            Err(error) => return Err(error),
        }
    }
    // A program is started as the bundles' default entry is.
    let default = all.iter().find_map(|from| from.parts.variants.first()?.entries.first());
    let name = default.map_or(name, |default| &default.name).to_vec();
    let view = all.iter().any(|from| parts::have_view(&from.parts));
    for path in programs {
        let variant = program::variant(path, &name, view)?;
        if !variant.target.is_host() {
            return Err(Error::NoHostLeft { target: variant.target });
        }
        let parts = Parts {
            head: Head::Sh,
            launchers: header::launchers(&[variant.target])?,
            components: facts::of_hosts(&[variant.target], Level::DEFAULT.parts)?,
            emulators: Vec::new(),
            brokers: header::brokers(&[variant.target], Level::DEFAULT.parts, None)?,
            attends: false,
            variants: vec![variant],
        };
        all.push(From { path: path.clone(), parts });
    }
    let mut parts = together(all)?;
    parts.head = args.head.unwrap_or(Head::Sh);
    written(&parts, &args.output, args.list.json)
}

/// All parts as those of one bundle.
fn together(all: Vec<From>) -> Result<Parts, Error> {
    let mut launchers: Vec<(PathBuf, (Arch, Vec<u8>))> = Vec::new();
    let mut brokers: Vec<(PathBuf, (Arch, Frame))> = Vec::new();
    let mut variants: Vec<(PathBuf, PackedVariant)> = Vec::new();
    let mut emulators: Vec<(PathBuf, PackedEmulators)> = Vec::new();
    let mut components: Vec<(Arch, Option<Frame>)> = Vec::new();
    let attends = all.iter().any(|from| from.parts.attends);
    for From { path, parts } in all {
        for launcher in parts.launchers {
            match launchers.iter().find(|(_, other)| other.0 == launcher.0) {
                Some((_, other)) if other.1 == launcher.1 => {}
                Some((first, _)) => return Err(versions(launcher.0, first, &path)),
                None => launchers.push((path.clone(), launcher)),
            }
        }
        for (host, facts) in parts.components {
            match components.iter_mut().find(|(other, _)| *other == host) {
                Some((_, other)) => either(other, Some(facts)),
                None => components.push((host, Some(facts))),
            }
        }
        for broker in parts.brokers {
            match brokers.iter_mut().find(|(_, other)| other.0 == broker.0) {
                Some((_, other)) if other.1.digest == broker.1.digest => smaller(&mut other.1, broker.1),
                Some((first, _)) => return Err(versions(broker.0, first, &path)),
                None => brokers.push((path.clone(), broker)),
            }
        }
        for variant in parts.variants {
            let same = |other: &PackedVariant| (other.target, other.level) == (variant.target, variant.level);
            match variants.iter_mut().find(|(_, other)| same(other)) {
                Some((_, other)) if is_same_app(other, &variant) => {
                    // Packed for hosts that emulate it, it has more of them.
                    if variant.rules.len() > other.rules.len() {
                        other.rules = variant.rules;
                    }
                    smaller(&mut other.app, variant.app);
                    smaller_shared(&mut other.shared, variant.shared);
                    unite(&mut other.notices, variant.notices);
                    either(&mut other.components, variant.components);
                }
                Some((first, _)) => {
                    let (target, level, first) = (variant.target, variant.level, first.clone());
                    return Err(ComposeError::TwoVariants { target, level, first, second: path }.into());
                }
                None => {
                    if let Some((first, other)) = variants.first() {
                        require_same_kind((first, other), (&path, &variant))?;
                    }
                    variants.push((path.clone(), variant));
                }
            }
        }
        for packed in parts.emulators {
            add_emulators(&mut emulators, packed, &path)?;
        }
    }
    let mut parts = Parts {
        head: Head::Sh,
        launchers: launchers.into_iter().map(|(_, launcher)| launcher).collect(),
        brokers: brokers.into_iter().map(|(_, broker)| broker).collect(),
        attends,
        variants: variants.into_iter().map(|(_, variant)| variant).collect(),
        emulators: emulators.into_iter().map(|(_, packed)| packed).collect(),
        components: components.into_iter().filter_map(|(host, facts)| Some((host, facts?))).collect(),
    };
    unify_shared(&mut parts.variants);
    in_order(&mut parts);
    Ok(parts)
}

fn versions(host: Arch, first: &Path, second: &Path) -> Error {
    ComposeError::OtherVersion { host, first: first.to_owned(), second: second.to_owned() }.into()
}

fn is_same_app(one: &PackedVariant, other: &PackedVariant) -> bool {
    let shared = |variant: &PackedVariant| variant.shared.as_ref().map(|shared| shared.digest);
    (one.app.digest, shared(one), &one.loader) == (other.app.digest, shared(other), &other.loader)
        && one.encoding == other.encoding
        && is_same_rules(&one.rules, &other.rules)
        && one.entries == other.entries
}

/// The mounts of an emulated app follow from its tree: one that was packed for its own CPU alone has none.
fn is_same_rules(one: &[Rule], other: &[Rule]) -> bool {
    let without = [one, other].map(parts::without_mounts_of_emulators);
    one == other || without[0] == without[1] && without.iter().any(|rules| [one, other].contains(&&rules[..]))
}

/// By this, frames that hold the same are ordered: the smallest first, or the first by digest.
fn rank(frame: &Frame) -> (u64, [u8; 32]) {
    (frame.stored.len(), frame.stored_digest.0)
}

/// Of two frames that hold the same, the first by their rank, whichever came first.
fn smaller(kept: &mut Frame, other: Frame) {
    if rank(&other) < rank(kept) {
        *kept = other;
    }
}

/// The same of trees that several variants have in common.
fn smaller_shared(kept: &mut Option<Arc<Frame>>, other: Option<Arc<Frame>>) {
    if let (Some(kept), Some(other)) = (kept, other)
        && rank(&other) < rank(kept)
    {
        *kept = other;
    }
}

/// Whichever file a variant is from: what it has in common with others is stored once.
fn unify_shared(variants: &mut [PackedVariant]) {
    let mut smallest: BTreeMap<Digest, Arc<Frame>> = BTreeMap::new();
    for shared in variants.iter().filter_map(|variant| variant.shared.as_ref()) {
        let kept = smallest.entry(shared.digest).or_insert_with(|| shared.clone());
        if rank(shared) < rank(kept) {
            *kept = shared.clone();
        }
    }
    for shared in variants.iter_mut().filter_map(|variant| variant.shared.as_mut()) {
        if let Some(kept) = smallest.get(&shared.digest) {
            *shared = kept.clone();
        }
    }
}

/// What is owed according to both, whichever came first.
fn unite(kept: &mut Vec<Notices>, others: Vec<Notices>) {
    let key = |notices: &Notices| {
        let Owed { licence, source, origin, .. } = &notices.owed;
        (licence.clone(), source.clone(), origin.clone(), notices.frame.digest.0)
    };
    let mut both_alike = true;
    for other in others {
        if let Some(same) = kept.iter_mut().find(|same| key(same) == key(&other)) {
            smaller(&mut same.frame, other.frame);
        } else {
            both_alike = false;
            kept.push(other);
        }
    }
    if !both_alike {
        kept.sort_by_key(key);
    }
}

/// Of the facts about one part those that are there; of two those that say more, whichever came first.
fn either(kept: &mut Option<Frame>, other: Option<Frame>) {
    match (kept, other) {
        (Some(kept), Some(other)) if kept.digest == other.digest => smaller(kept, other),
        (Some(kept), Some(other)) => {
            let rank = |frame: &Frame| (frame.length, frame.digest.0);
            if rank(&other) > rank(kept) {
                *kept = other;
            }
        }
        (kept, other) => *kept = kept.take().or(other),
    }
}

/// Adds a host's emulators, unless those that are there can do the same; and replaces those that can do less.
fn add_emulators(
    all: &mut Vec<(PathBuf, PackedEmulators)>,
    packed: PackedEmulators,
    path: &Path,
) -> Result<(), Error> {
    let keys = |packed: &PackedEmulators| packed.emulators.iter().map(|row| row.key).collect::<Vec<_>>();
    let has = |keys: &[EmulatorKey], others: &[EmulatorKey]| others.iter().all(|key| keys.contains(key));
    for (first, other) in &mut *all {
        for row in &packed.emulators {
            let twin = other.emulators.iter().find(|twin| twin.key == row.key);
            if let Some(twin) = twin
                && (&twin.translator, &twin.version, &twin.rules)
                    != (&row.translator, &row.version, &row.rules)
            {
                return Err(ComposeError::TwoEmulators {
                    key: row.key,
                    first: (first.clone(), readable(&twin.version)),
                    second: (path.to_owned(), readable(&row.version)),
                }
                .into());
            }
        }
    }
    let own = keys(&packed);
    if let Some((first, same)) = all.iter_mut().find(|(_, other)| keys(other) == own) {
        if same.frame.digest == packed.frame.digest {
            smaller(&mut same.frame, packed.frame);
            unite(&mut same.notices, packed.notices);
            either(&mut same.components, packed.components);
            return Ok(());
        }
        let (host, first) = (packed.emulators.first().map(|row| row.key.host), first.clone());
        let (host, second) = (host.unwrap_or(Arch::X86_64), path.to_owned());
        return Err(ComposeError::OtherEmulators { host, first, second }.into());
    }
    if all.iter().any(|(_, other)| has(&keys(other), &own)) {
        return Ok(());
    }
    all.retain(|(_, other)| !has(&own, &keys(other)));
    all.push((path.to_owned(), packed));
    Ok(())
}

/// One order, whatever that of the inputs was: emulated variants first, since a host without one of its own
/// takes the first that it can emulate.
fn in_order(parts: &mut Parts) {
    parts.launchers.sort_by_key(|(host, _)| *host);
    parts.brokers.sort_by_key(|(host, _)| *host);
    parts.components.sort_by_key(|(host, _)| *host);
    parts.emulators.sort_by_key(|packed| {
        (packed.emulators.iter().map(|row| row.key).collect::<Vec<_>>(), packed.frame.stored_digest.0)
    });
    let emulated: Vec<Arch> =
        parts.emulators.iter().flat_map(|packed| &packed.emulators).map(|row| row.key.target).collect();
    parts
        .variants
        .sort_by_key(|variant| (!emulated.contains(&variant.target), variant.target, Reverse(variant.level)));
}
