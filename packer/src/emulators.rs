//! Emulators for a request: which hosts need one, which there is, and its bytes.

pub(crate) mod builtin_catalogue;
pub(crate) mod lock_file;
pub(crate) mod started;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bundle::{Arch, Digest, EmulatorKey, Encoding, OwnedRule};
use emulator::calling::{self, Calling};
use emulator::{
    Catalogue, EmulatorError, LockError, NoEmulator, Options, Provenance, Record, Remark, SourcePackage,
    Store, StoreError, Translators, TranslatorsError, Watch,
};

use crate::cli::{ArchiveArgs, SupplyArgs};
use crate::emulators::lock_file::LockFile;
use crate::error::{Code, Error};
use crate::hash;
use crate::notices::Owed;
use crate::packages::suites;
use crate::progress::Bars;
use crate::request::Request;
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::compress::{self, Frame};
use crate::write::tarball;

/// An emulator that is here, checked, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) key: EmulatorKey,
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) translator: String,
    pub(crate) version: String,
    /// How it is called.
    pub(crate) rules: Vec<OwnedRule>,
    /// Whether these are QEMU's default rules, to be made anew for an app that wants to be called in another way.
    by_default_rules: bool,
    pub(crate) owed: Owed,
    pub(crate) source: SourcePackage,
}

/// A pair that needs an emulator.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) key: EmulatorKey,
    /// What will be taken, as far as it is known before it is here.
    pub(crate) emulator: String,
}

/// Which hosts a bundle will start on, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) hosts: Vec<Arch>,
    /// What an emulator is needed for: the hosts among them that are not the target itself, and on each the targets besides. Those of
    /// a host stand together.
    pub(crate) cells: Vec<Cell>,
    /// Hosts that were left out, and why.
    pub(crate) skipped: Vec<(Arch, String)>,
    given: BTreeMap<EmulatorKey, PathBuf>,
}

/// Catalogue, translators of the user's, lock file and store.
pub(crate) struct Emulators {
    catalogue: Catalogue,
    translators: Translators,
    lock: Option<LockFile>,
    store: Store,
    archive: ArchiveArgs,
    /// The lines of all long work.
    pub(crate) bars: Bars,
    /// Bytes that were transferred for a pair.
    transferred: Mutex<BTreeMap<EmulatorKey, u64>>,
}

impl Emulators {
    /// Opens catalogue and store; connects to nothing yet.
    pub(crate) fn open(archive: &ArchiveArgs) -> Result<Self, Error> {
        let catalogue = Catalogue::embedded().map_err(|error| failed(&error.into()))?;
        let translators = translators(&archive.supply).map_err(|error| failed(&error.into()))?;
        Ok(Self {
            catalogue: translators.beside(catalogue),
            translators,
            lock: LockFile::open(&archive.supply).map_err(|error| failed(&error.into()))?,
            store: Store::open(suites::store_root()?).map_err(store_failed)?,
            archive: archive.clone(),
            bars: Bars::default(),
            transferred: Mutex::default(),
        })
    }

    /// As [`Self::open`], whatever is locked.
    pub(crate) fn without_lock(archive: &ArchiveArgs) -> Result<Self, Error> {
        Ok(Self { lock: None, ..Self::open(archive)? })
    }

    /// Name and version of each source package that the emulators for these pairs were built from, without those of what
    /// is linked into them if it is `only_own`. The emulators are fetched where they are not here yet.
    pub(crate) fn sources(
        &self,
        keys: &[EmulatorKey],
        only_own: bool,
    ) -> Result<BTreeSet<(String, String)>, Error> {
        let found = self.fetch(keys)?;
        let sources =
            found.into_iter().map(|emulator| emulator.source).filter(|source| !source.name.is_empty());
        Ok(sources
            .flat_map(|source| {
                // `name (= version), name (= version)`: deb-src-control(5), "Built-Using".
                let linked = source.built_using.split(',').filter_map(|one| {
                    let (name, version) = one.trim().split_once(" (= ")?;
                    Some((name.to_owned(), version.trim_end_matches(')').to_owned()))
                });
                let linked: Vec<_> = if only_own { Vec::new() } else { linked.collect() };
                linked.into_iter().chain([(source.name, source.version)])
            })
            .collect())
    }

    /// How many bytes were transferred for a pair by this process; `None` when it was here already.
    pub(crate) fn transferred(&self, key: EmulatorKey) -> Option<u64> {
        self.transferred.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// How many bytes were transferred by this process.
    pub(crate) fn transferred_in_all(&self) -> u64 {
        self.transferred.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Copies all emulators of the store into `directory`, in the store's layout; says which.
    pub(crate) fn export(&self, directory: &Path) -> Result<Vec<String>, Error> {
        Ok(self.store.export_to(directory).map_err(store_failed)?.iter().map(line).collect())
    }

    /// Copies all emulators of `directory` into the store; says which.
    pub(crate) fn import(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let lock = self.lock.as_ref().map(|file| &file.lock);
        let imported = emulator::import(&self.store, directory, lock).map_err(|error| failed(&error))?;
        Ok(imported.iter().map(line).collect())
    }

    /// Decides for each wanted host: native, emulated, left out, or an error.
    pub(crate) fn plan(&self, request: &Request, target: Arch) -> Result<Plan, Error> {
        let mut plan =
            Plan { hosts: Vec::new(), cells: Vec::new(), skipped: Vec::new(), given: BTreeMap::new() };
        for host in request.hosts.iter().copied() {
            let key = EmulatorKey { host, target };
            let given = request.emulators.iter().find(|(other, _)| *other == host);
            if let Some((_, path)) = given {
                emulator::elf_check::check(path, host)
                    .map_err(|fault| failed(&EmulatorError::Given { key, path: path.clone(), fault }))?;
                plan.given.insert(key, path.clone());
            }
            let emulator = match self.known(key)? {
                _ if given.is_some() => Some("given file".to_owned()),
                _ if host == target && !request.is_emulator_only() => None,
                Ok(emulator) => Some(emulator),
                Err(nothing) if request.skip_hosts => {
                    say::warning(&format!("{nothing}: skipped"));
                    plan.skipped.push((host, nothing.to_string()));
                    continue;
                }
                Err(nothing) => return Err(failed(&nothing.into())),
            };
            plan.hosts.push(host);
            plan.cells.extend(emulator.map(|emulator| Cell { key, emulator }));
            for also in request.also_targets.iter().filter(|also| ![host, target].contains(also)) {
                let key = EmulatorKey { host, target: *also };
                match self.known(key)? {
                    Ok(emulator) => plan.cells.push(Cell { key, emulator }),
                    Err(nothing) => say::warning(&format!("{nothing}: skipped")),
                }
            }
        }
        if plan.hosts.is_empty() { Err(Error::NoHostLeft { target }) } else { Ok(plan) }
    }

    /// Name and version of the emulator that there is for a pair, as far as that is known before it is here; or why there is none.
    fn known(&self, key: EmulatorKey) -> Result<Result<String, NoEmulator>, Error> {
        if let Some(own) = self.translators.of(key).first() {
            return Ok(Ok(format!("{} {}", own.name, own.version)));
        }
        Ok(match self.catalogue.find(key) {
            Ok((row, _)) => Ok(format!("{} {}", row.translator, row.version)),
            Err(_) if self.store.path(key).map_err(store_failed)?.is_some() => {
                Ok("from the store".to_owned())
            }
            Err(nothing) => Err(self.translators.besides(nothing)),
        })
    }

    /// Why there is no emulator for a pair, neither known nor in the store; `None` where there is one.
    pub(crate) fn lacks(&self, key: EmulatorKey) -> Result<Option<String>, Error> {
        match self.catalogue.find(key) {
            Err(nothing) if self.store.path(key).map_err(store_failed)?.is_none() => {
                Ok(Some(nothing.to_string()))
            }
            _ => Ok(None),
        }
    }

    /// The emulators of a plan, in its order, fetched where they are not here yet.
    pub(crate) fn obtain(&self, plan: &Plan, target: Arch, calling: Calling) -> Result<Vec<Emulator>, Error> {
        let keys: Vec<_> = plan.cells.iter().map(|cell| cell.key).collect();
        let mut found = self.all(&keys, &plan.given)?;
        // Whoever gave rules of their own has said where the tree goes.
        for emulator in found.iter_mut().filter(|emulator| emulator.by_default_rules) {
            // Of the programs of other CPUs it is not known whether they bring a loader: a tree is harmless for those that do not.
            let calling = if emulator.key.target == target { calling } else { Calling::Tree };
            emulator.rules = calling::qemu(emulator.key, calling);
            emulator.rules.extend(calling::pages(emulator.key, &emulator.translator, &emulator.version));
        }
        Ok(found)
    }

    /// The emulators for one pair, in the order in which they are tried; one at least.
    pub(crate) fn of(&self, key: EmulatorKey) -> Result<Vec<Emulator>, Error> {
        self.all(&[key], &BTreeMap::new())
    }

    /// The emulators for these pairs, fetched where they are not here yet.
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
        // Before anything is fetched: whether the user's own may be taken.
        let named = self.archive.supply.translators.is_some();
        let programs = keys.iter().flat_map(own).map(|own| {
            let found = own.obtain(&options, named).map_err(|error| failed(&error))?;
            Ok((found, Some(own.rules.clone())))
        });
        let mut programs = programs.collect::<Result<Vec<_>, Error>>()?.into_iter().peekable();
        let needs_more = |key: &&EmulatorKey| match self.catalogue.find(**key) {
            _ if own(key).is_empty() => true,
            Ok(_) => self.translators.need_more(**key),
            Err(_) => false,
        };
        let needed: Vec<EmulatorKey> = keys.iter().filter(needs_more).copied().collect();
        let found = emulator::obtain_all(&needed, &options).map_err(|error| failed(&error))?;
        if let Some(file) = &self.lock {
            file.add(&found, &self.catalogue).map_err(|error| failed(&error))?;
        }

        let mut found = found.into_iter().peekable();
        let mut all: Vec<(emulator::Emulator, Option<Vec<OwnedRule>>)> = Vec::new();
        for key in keys {
            while let Some(own) = programs.next_if(|(own, _)| own.key == *key) {
                all.push(own);
            }
            all.extend(found.next_if(|found| found.key == *key).map(|found| (found, None)));
        }
        // One text for all of them, so that each licence is in the bundle once.
        let programs: Vec<_> = all.iter().map(|(program, _)| program.clone()).collect();
        let text = emulator::notices::notices(&programs);
        Ok(all.into_iter().map(|(found, rules)| described(found, rules, &text)).collect())
    }

    /// Locks the emulators for these pairs as they are now, in the lock file at `path`.
    pub(crate) fn lock(&self, keys: &[EmulatorKey], path: Option<&Path>) -> Result<(), Error> {
        let file = LockFile::open_or_new(path).map_err(|error| failed(&error.into()))?;
        let found = emulator::obtain_all(keys, &self.options()).map_err(|error| failed(&error))?;
        file.add(&found, &self.catalogue).map_err(|error| failed(&error))
    }

    /// The emulators of one host as one frame, from the store when that was done before, and the place of each in it:
    /// a frame of one file has none.
    pub(crate) fn frame(
        &self,
        emulators: &[Emulator],
        level: i32,
    ) -> Result<(Frame, Encoding, Vec<Vec<u8>>), Error> {
        let content = |emulator: &Emulator| {
            let content = File::open(&emulator.path).and_then(Content::whole);
            content.map_err(|source| Error::io("read", &emulator.path, source))
        };
        let bar = self.bars.bar(&emulators.first().map_or_else(String::new, |one| one.key.to_string()));
        if let [only] = emulators {
            let frame = self.kept_frame(only.digest, &compress::compressor(), level, || {
                let made = compress::shown_frame(&content(only)?, level, &bar);
                made.map_err(|source| Error::io("read", &only.path, source))
            })?;
            if frame.digest != only.digest {
                return Err(Error::digest(&only.path, "emulator", only.digest, frame.digest));
            }
            return Ok((frame, Encoding::Zstd, vec![Vec::new()]));
        }
        let mut tree = App::default();
        let mut members = Vec::new();
        for emulator in emulators {
            let name = format!("{}-{}-{}-", emulator.translator, emulator.version, emulator.key.target);
            let mut name = name.replace('/', "_").into_bytes();
            // The same name for other bytes would be in the tree twice; the same bytes are stored once.
            name.extend(emulator.digest.to_hex().iter().take(8));
            if !members.contains(&name) {
                tree.add(&name, Node::File { executable: true, content: content(emulator)? })?;
            }
            members.push(name);
        }
        let tar = compress::spool(|to| tarball::write(&tree, to)).map_err(Error::Temporary)?;
        let digest = hash::of_content(&tar).map_err(Error::Temporary)?;
        let by = format!("{}-wide", compress::compressor());
        let frame = self.kept_frame(digest, &by, level, || {
            compress::wide_frame(&tar, level, &bar).map_err(Error::Temporary)
        })?;
        Ok((frame, Encoding::TarZstd, members))
    }

    /// The frame of a content of this digest, out of the store or made now and kept there.
    fn kept_frame(
        &self,
        digest: Digest,
        by: &str,
        level: i32,
        make: impl FnOnce() -> Result<Frame, Error>,
    ) -> Result<Frame, Error> {
        let kept = self.store.compressed(digest, by, level).map_err(store_failed)?;
        if let Some(bytes) = kept
            && let Some(frame) = compress::known_frame(bytes, digest)
        {
            return Ok(frame);
        }
        let frame = make()?;
        if frame.digest != digest {
            return Ok(frame);
        }
        let mut bytes = Vec::new();
        frame.stored.reader().read_to_end(&mut bytes).map_err(Error::Temporary)?;
        if let Err(error) = self.store.put_compressed(digest, by, level, &bytes) {
            // A store that cannot be written to costs time at the next pack, nothing else.
            say::warning(&format!("cannot cache the compressed emulator: {error}"));
        }
        Ok(frame)
    }

    /// What is in the store: pair, name and version, file.
    pub(crate) fn list(&self) -> Result<Vec<(EmulatorKey, String, PathBuf)>, Error> {
        let found = self.store.list().map_err(store_failed)?;
        let row = |found: emulator::Emulator| {
            (found.key, format!("{} {}", found.record.translator, found.record.version), found.file)
        };
        Ok(found.into_iter().map(row).collect())
    }

    /// Takes a file into the store.
    pub(crate) fn add(&self, key: EmulatorKey, path: &Path) -> Result<PathBuf, Error> {
        let mut file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        let describe = |digest, size| Record {
            digest,
            size,
            translator: "qemu-user".to_owned(),
            version: emulator::qemu_version::of_file(path, key.target),
            source: emulator::SourcePackage::default(),
            licence: "NOASSERTION".to_owned(),
            provenance: Provenance::Given { path: path.display().to_string() },
            pin: None,
        };
        Ok(self.store.add(key, &mut file, None, &describe).map_err(store_failed)?.file)
    }

    /// Removes a pair's emulator; whether there was one.
    pub(crate) fn remove(&self, key: EmulatorKey) -> Result<bool, Error> {
        self.store.remove(key).map_err(store_failed)
    }

    /// Where a pair's emulator lies in the store.
    pub(crate) fn path(&self, key: EmulatorKey) -> Result<Option<PathBuf>, Error> {
        self.store.path(key).map_err(store_failed)
    }
}

impl Watch for Emulators {
    fn progress(&self, key: EmulatorKey) -> Box<dyn debian::Progress + '_> {
        Box::new(self.bars.bar(&key.to_string()))
    }

    fn remark(&self, remark: &Remark) {
        match remark {
            Remark::Fetched { key, bytes } => {
                self.transferred.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, *bytes);
            }
            other => say::warning(&other.to_string()),
        }
    }
}

fn line(emulator: &emulator::Emulator) -> String {
    format!("{} {} {}", emulator.key, emulator.record.translator, emulator.record.version)
}

/// The file that `--translators` names, or the user's own where there is one.
fn translators(args: &SupplyArgs) -> Result<Translators, TranslatorsError> {
    let directory = |name: &str, below: &str| {
        let directory = std::env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute());
        directory.map(|directory| directory.join(below))
    };
    let usual = || {
        let config = directory("XDG_CONFIG_HOME", "unibin").or_else(|| directory("HOME", ".config/unibin"));
        config.map(|config| config.join("emulators.toml")).filter(|file| file.exists())
    };
    match args.translators.clone().or_else(usual) {
        Some(path) => Translators::read(&path),
        None => Ok(Translators::default()),
    }
}

/// `rules` are the user's own.
fn described(found: emulator::Emulator, rules: Option<Vec<OwnedRule>>, text: &str) -> Emulator {
    let record = found.record;
    let source = match &record.source.name[..] {
        "" => "not known".to_owned(),
        name => format!("{name} {}", record.source.version),
    };
    // Nothing of this machine may get into a bundle: not the path of a given file, not the mirror.
    let origin = match &record.provenance {
        Provenance::Given { .. } => "given as a file".to_owned(),
        Provenance::Debian { deb, deb_sha256, member, .. } => {
            format!("Debian archive: {deb}, sha256 {deb_sha256}, file {member}")
        }
    };
    Emulator {
        source: record.source.clone(),
        key: found.key,
        path: found.file,
        digest: record.digest,
        translator: record.translator,
        version: record.version,
        by_default_rules: rules.is_none(),
        rules: rules.unwrap_or_else(|| calling::qemu(found.key, Calling::Static)),
        owed: Owed { licence: record.licence, source, origin, text: text.to_owned() },
    }
}

fn store_failed(error: StoreError) -> Error {
    failed(&error.into())
}

fn failed(error: &EmulatorError) -> Error {
    let code = match error {
        EmulatorError::None(_) => Code::NoEmulator,
        EmulatorError::Store(StoreError::Corrupt { .. } | StoreError::Unexpected { .. })
        | EmulatorError::NotLocked { .. }
        | EmulatorError::OwnNotLocked { .. }
        | EmulatorError::OtherThanLocked { .. }
        | EmulatorError::Lock(LockError::Downgrade { .. })
        | EmulatorError::Translators(TranslatorsError::Digest { .. }) => Code::Verification,
        EmulatorError::Given { .. }
        | EmulatorError::Store(StoreError::Refused { .. })
        | EmulatorError::Translators(_)
        | EmulatorError::Lock(LockError::Form { .. }) => Code::Input,
        EmulatorError::Fetch { failures, .. }
            if failures.iter().any(|failure| suites::is_forged(&*failure.source)) =>
        {
            Code::Verification
        }
        _ => Code::Failure,
    };
    Error::told(error, error.hint(), code)
}
