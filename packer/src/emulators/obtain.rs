//! The emulators themselves: checked, fetched if they are not here yet, with the way to call each for an app.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey, OwnedRule};
use emulator::calling::{self, Calling};
use emulator::notices::{licences, statement};
use emulator::{EmulatorError, Options, Provenance, Record, Trust};

use crate::components::{Component, Kind};
use crate::emulators::lock_file::LockFile;
use crate::emulators::plan::Plan;
use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::notices::Owed;
use crate::packages::suites;

/// What emulators were built from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Name and version of each source package.
    pub(crate) packages: BTreeSet<(String, String)>,
    /// SHA-256 of each recipe by which unibin's own were built.
    pub(crate) recipes: BTreeSet<Digest>,
}

impl Emulators {
    /// The emulators of a plan, in its order, fetched if they are not here yet.
    pub(crate) fn obtain(
        &self,
        plan: &Plan,
        target: Arch,
        calling: Calling,
        cpu: Option<&[u8]>,
    ) -> Result<Vec<Emulator>, Error> {
        let keys: Vec<_> = plan.pairs.iter().map(|pair| pair.key).collect();
        let mut found = self.all(&keys, &plan.given)?;
        // Rules of the user's own already say where the tree goes.
        for emulator in found.iter_mut().filter(|emulator| emulator.by_default_rules) {
            // It is unknown whether programs of other architectures have a loader: a tree is harmless for
            // those without.
            // The same goes for its CPU: the model is for the app.
            let (calling, cpu) =
                if emulator.key.target == target { (calling, cpu) } else { (Calling::Tree, None) };
            let own = emulator.is_own.then_some(&emulator.version[..]);
            emulator.rules = calling::qemu(emulator.key, calling, cpu, own);
            emulator.rules.extend(calling::pages(emulator.key, &emulator.translator, &emulator.version));
        }
        Ok(found)
    }

    /// The emulators for one pair, in the order in which they are tried; at least one.
    pub(crate) fn of(&self, key: EmulatorKey) -> Result<Vec<Emulator>, Error> {
        self.all(&[key], &BTreeMap::new())
    }

    /// The emulators for these pairs, fetched if they are not here yet.
    pub(crate) fn fetch(&self, keys: &[EmulatorKey]) -> Result<Vec<Emulator>, Error> {
        self.all(keys, &BTreeMap::new())
    }

    /// Where emulators are looked for, whatever is given or locked.
    fn options(&self) -> Options<'_> {
        let (mirrors, fetch) = suites::sources(&self.archive);
        Options {
            mirrors,
            fetch,
            allow_stale: self.archive.allow_stale,
            served: self.archive.supply.emulators.clone(),
            watch: self,
            ..Options::new(&self.catalogue, &self.store)
        }
    }

    fn all(
        &self,
        keys: &[EmulatorKey],
        given: &BTreeMap<EmulatorKey, PathBuf>,
    ) -> Result<Vec<Emulator>, Error> {
        let options = Options {
            given: given.clone(),
            lock: self.lock.as_ref().map(|file| &file.lock),
            only_locked: self.archive.supply.locked,
            ..self.options()
        };
        let own =
            |key: &EmulatorKey| if given.contains_key(key) { Vec::new() } else { self.translators.of(*key) };
        // Checked before anything is fetched: whether the user's own may be used.
        let named = self.archive.supply.translators.is_some();
        let programs = keys
            .iter()
            .flat_map(own)
            .map(|own| Ok((emulator::obtain_own(own, &options, named)?, Some(own.rules.clone()))));
        let mut programs = programs.collect::<Result<Vec<_>, Error>>()?.into_iter().peekable();
        let needs_more = |key: &&EmulatorKey| match self.catalogue.find(**key) {
            _ if own(key).is_empty() => true,
            Ok(_) => self.translators.need_more(**key),
            Err(_) => false,
        };
        let needed: Vec<EmulatorKey> = keys.iter().filter(needs_more).copied().collect();
        let found = emulator::obtain_all(&needed, &options)?;
        if let Some(file) = &self.lock {
            file.add(&found, &self.catalogue)?;
        }

        let mut found = found.into_iter().peekable();
        let mut all: Vec<(emulator::Emulator, Option<Vec<OwnedRule>>)> = Vec::new();
        for key in keys {
            while let Some(own) = programs.next_if(|(own, _)| own.key == *key) {
                all.push(own);
            }
            all.extend(found.next_if(|found| found.key == *key).map(|found| (found, None)));
        }
        Ok(all.into_iter().map(|(found, rules)| described(found, rules)).collect())
    }

    /// Locks the emulators for these pairs as they are now, in the lock file at `path`.
    pub(crate) fn lock(&self, keys: &[EmulatorKey], path: Option<&Path>) -> Result<(), Error> {
        let file = LockFile::open_or_new(path).map_err(EmulatorError::from)?;
        let found = emulator::obtain_all(keys, &self.options())?;
        Ok(file.add(&found, &self.catalogue)?)
    }

    /// What the emulators for these pairs were built from; with `only_own`, without the source packages of
    /// what is linked into them. The emulators are fetched if they are not here yet.
    pub(crate) fn sources(&self, keys: &[EmulatorKey], only_own: bool) -> Result<Sources, Error> {
        let mut sources = Sources::default();
        for emulator in self.fetch(keys)? {
            let source = emulator.source;
            if source.name.is_empty() {
                continue;
            }
            sources.recipes.extend(source.recipe);
            // `name (= version), name (= version)`: deb-src-control(5), "Built-Using".
            let linked = source.built_using.split(',').filter(|_| !only_own).filter_map(|one| {
                let (name, version) = one.trim().split_once(" (= ")?;
                Some((name.to_owned(), version.trim_end_matches(')').to_owned()))
            });
            sources.packages.extend(linked.chain([(source.name, source.version)]));
        }
        Ok(sources)
    }
}

/// An emulator as a component, and what is linked into it.
fn components(record: &Record) -> Vec<Component> {
    let mut emulator = Component::new(Kind::Emulator, &record.translator, &record.version);
    if !record.source.name.is_empty() {
        emulator.source = Some(record.source.name.clone());
        emulator.source_version = Some(record.source.version.clone());
        emulator.licence = Some(record.licence.clone());
    }
    if let Provenance::Debian { deb_sha256, .. } = &record.provenance {
        emulator.sha256 = Some(deb_sha256.to_string());
    }
    [vec![emulator], Component::linked(&record.source.built_using, None)].concat()
}

/// `rules` are the user's own.
fn described(found: emulator::Emulator, rules: Option<Vec<OwnedRule>>) -> Emulator {
    let text = statement(&found);
    // In a blob of their own, which all emulators of a release share.
    let licences = licences(&found);
    let record = found.record;
    let is_own = record.provenance == Provenance::Built;
    let default_rules =
        || calling::qemu(found.key, Calling::Static, None, is_own.then_some(&record.version[..]));
    let by_default_rules = rules.is_none();
    let rules = rules.unwrap_or_else(default_rules);
    let source = match &record.source.name[..] {
        "" => "not known".to_owned(),
        name => format!("{name} {}", record.source.version),
    };
    // Nothing of this machine may get into a bundle: not the path of a given file, not the mirror.
    let origin = match &record.provenance {
        Provenance::Given { .. } => "given as a file".to_owned(),
        Provenance::Built => {
            let recipe = record.source.recipe.map_or_else(String::new, |recipe| recipe.to_string());
            format!("built by unibin from that source, recipe sha256 {recipe}")
        }
        Provenance::Debian { deb, deb_sha256, member, trust, .. } => {
            let who = if *trust == Trust::Lock { "according to the lock file" } else { "Debian archive" };
            format!("{who}: {deb}, sha256 {deb_sha256}, file {member}")
        }
    };
    Emulator {
        components: components(&record),
        source: record.source.clone(),
        key: found.key,
        path: found.file,
        digest: record.digest,
        translator: record.translator,
        version: record.version,
        by_default_rules,
        is_own,
        rules,
        owed: [
            licences.map(|text| Owed {
                licence: record.licence.clone(),
                source: source.clone(),
                origin: "the texts of these licences".to_owned(),
                text,
            }),
            Some(Owed { licence: record.licence, source, origin, text }),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}
