//! Emulators for a request: which hosts need one, which there is, and its bytes. Crate `emulator` is touched here only.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey, RuleKind};
use emulator::{Catalogue, EmulatorError, Options, Provenance, Record, Remark, Store, StoreError, Watch};

use crate::archives;
use crate::cli::ArchiveArgs;
use crate::compress::{self, Frame};
use crate::content::Content;
use crate::error::{Code, Error};
use crate::notices::Owed;
use crate::progress::Bars;
use crate::request::Request;
use crate::say;

/// An emulator that is here, checked, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) key: EmulatorKey,
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) translator: String,
    pub(crate) version: String,
    /// Kind, name and value of each rule.
    pub(crate) rules: Vec<(RuleKind, Vec<u8>, Vec<u8>)>,
    pub(crate) owed: Owed,
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
    /// The hosts among them that are not the target itself.
    pub(crate) cells: Vec<Cell>,
    /// Hosts that were left out, and why.
    pub(crate) skipped: Vec<(Arch, String)>,
    given: Vec<(Arch, PathBuf)>,
}

/// Catalogue and store.
pub(crate) struct Emulators {
    catalogue: Catalogue,
    store: Store,
    archive: ArchiveArgs,
    bars: Bars,
}

/// Name and version of the emulator that the catalogue has for a pair.
pub(crate) fn known(key: EmulatorKey) -> Option<String> {
    let catalogue = Catalogue::embedded().ok()?;
    in_catalogue(&catalogue, key)
}

fn in_catalogue(catalogue: &Catalogue, key: EmulatorKey) -> Option<String> {
    catalogue.find(key).ok().map(|(row, _)| format!("{} {}", row.translator, row.version))
}

impl Emulators {
    /// Opens catalogue and store; connects to nothing yet.
    pub(crate) fn open(archive: &ArchiveArgs) -> Result<Self, Error> {
        Ok(Self {
            catalogue: Catalogue::embedded().map_err(|error| failed(&error.into()))?,
            store: Store::open(archives::store_root()?).map_err(store_failed)?,
            archive: archive.clone(),
            bars: Bars::default(),
        })
    }

    /// Decides for each wanted host: native, emulated, left out, or an error.
    pub(crate) fn plan(&self, request: &Request, target: Arch) -> Result<Plan, Error> {
        let mut plan = Plan {
            hosts: Vec::new(),
            cells: Vec::new(),
            skipped: Vec::new(),
            given: request.emulators.clone(),
        };
        for host in request.hosts.iter().copied() {
            let key = EmulatorKey { host, target };
            let given = plan.given.iter().find(|(other, _)| *other == host).cloned();
            if let Some((_, path)) = &given {
                emulator::elf_check::check(path, host)
                    .map_err(|fault| failed(&EmulatorError::Given { key, path: path.clone(), fault }))?;
            }
            let emulator = match self.catalogue.find(key) {
                _ if given.is_some() => Some("given file".to_owned()),
                _ if host == target => None,
                Ok(_) => in_catalogue(&self.catalogue, key),
                Err(_) if self.store.path(key).map_err(store_failed)?.is_some() => {
                    Some("from the store".to_owned())
                }
                Err(nothing) if request.skip_hosts => {
                    say::warning(&format!("{nothing}: left out"));
                    plan.skipped.push((host, nothing.to_string()));
                    continue;
                }
                Err(nothing) => return Err(failed(&nothing.into())),
            };
            plan.hosts.push(host);
            plan.cells.extend(emulator.map(|emulator| Cell { key, emulator }));
        }
        if plan.hosts.is_empty() { Err(Error::NoHostLeft { target }) } else { Ok(plan) }
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
    pub(crate) fn obtain(&self, plan: &Plan) -> Result<Vec<Emulator>, Error> {
        let keys: Vec<_> = plan.cells.iter().map(|cell| cell.key).collect();
        self.all(&keys, &plan.given)
    }

    /// The emulator for one pair.
    pub(crate) fn one(&self, key: EmulatorKey) -> Result<Emulator, Error> {
        let mut all = self.all(&[key], &[])?;
        all.pop().ok_or(Error::NoHostLeft { target: key.target })
    }

    /// The emulators for these pairs, fetched where they are not here yet.
    pub(crate) fn fetch(&self, keys: &[EmulatorKey]) -> Result<Vec<Emulator>, Error> {
        self.all(keys, &[])
    }

    fn all(&self, keys: &[EmulatorKey], given: &[(Arch, PathBuf)]) -> Result<Vec<Emulator>, Error> {
        let (mirrors, fetch) = archives::sources(&self.archive);
        let options = Options {
            given: given.iter().cloned().collect(),
            mirrors,
            fetch,
            allow_stale: self.archive.allow_stale,
            watch: self,
            ..Options::new(&self.catalogue, &self.store)
        };
        let found = emulator::obtain_all(keys, &options).map_err(|error| failed(&error))?;
        // One text for all of them, so that each licence is in the bundle once.
        let text = emulator::notices::notices(&found);
        Ok(found.into_iter().map(|found| described(found, &text)).collect())
    }

    /// An emulator's bytes compressed, from the store when that was done before.
    pub(crate) fn frame(&self, emulator: &Emulator, level: i32) -> Result<Frame, Error> {
        let by = compress::compressor();
        let kept = self.store.compressed(emulator.digest, &by, level).map_err(store_failed)?;
        if let Some(bytes) = kept
            && let Some(frame) = compress::known_frame(bytes, emulator.digest)
        {
            return Ok(frame);
        }
        let failed = |source| Error::io("read", &emulator.path, source);
        let content = File::open(&emulator.path).and_then(Content::whole).map_err(failed)?;
        let frame = compress::frame(&content, level).map_err(failed)?;
        if frame.digest != emulator.digest {
            return Err(Error::digest(&emulator.path, "emulator", emulator.digest, frame.digest));
        }
        let mut bytes = Vec::new();
        frame.stored.reader().read_to_end(&mut bytes).map_err(Error::Temporary)?;
        if let Err(error) = self.store.put_compressed(emulator.digest, &by, level, &bytes) {
            // A store that cannot be written to costs time at the next pack, nothing else.
            say::warning(&format!("the compressed emulator cannot be kept: {error}"));
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
            version: "unknown".to_owned(),
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
        if !matches!(remark, Remark::Fetched { .. }) {
            say::warning(&remark.to_string());
        }
    }
}

fn described(found: emulator::Emulator, text: &str) -> Emulator {
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
    let rules = emulator::calling::qemu(false);
    Emulator {
        key: found.key,
        path: found.file,
        digest: record.digest,
        translator: record.translator,
        version: record.version,
        rules: rules.iter().map(|rule| (rule.kind, rule.name.to_vec(), rule.value.to_vec())).collect(),
        owed: Owed { licence: record.licence, source, origin, text: text.to_owned() },
    }
}

fn store_failed(error: StoreError) -> Error {
    failed(&error.into())
}

fn failed(error: &EmulatorError) -> Error {
    let code = match error {
        EmulatorError::None(_) => Code::NoEmulator,
        EmulatorError::Given { .. } | EmulatorError::Store(StoreError::Refused { .. }) => Code::Input,
        EmulatorError::Store(StoreError::Corrupt { .. } | StoreError::Unexpected { .. }) => {
            Code::Verification
        }
        EmulatorError::Fetch { failures, .. }
            if failures.iter().any(|failure| archives::is_forged(&*failure.source)) =>
        {
            Code::Verification
        }
        _ => Code::Failure,
    };
    Error::told(error, error.hint(), code)
}
