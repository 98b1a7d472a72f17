//! The store: emulators by content, shared by all packs of a user. `blobs/sha256/DIGEST` are the programs,
//! `emulators/HOST/TARGET.json` is the record of a pair, with the program's digest and origin, and
//! `compressed/` keeps the packer's compressed copies. Everything appears by rename, and is checked when
//! written and when opened. Refuses directories that another user could write to, and programs that are not
//! static ELF files for their host.

mod compressed;
mod fault;
mod images;
mod made;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey};
use tempfile::NamedTempFile;

pub use compressed::{Compressed, Kept};
pub use fault::StoreError;

use crate::elf_check;
use crate::record::{Emulator, Record};
use debian::{FileDigest, digest};

/// A store. Several processes may use the same one at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Makes the record of a program, once its size and digest are known.
pub type Describe<'a> = &'a dyn Fn(FileDigest) -> Record;

/// Locks out other processes that want to fetch the same emulator, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: Option<File>,
}

impl Store {
    /// The default path of the store: `$UNIBIN_STORE`, `$XDG_DATA_HOME/unibin`, `~/.local/share/unibin`.
    /// `variable` looks an environment variable up. Relative values of the latter two do not count (XDG Base
    /// Directory Specification).
    pub fn default_root(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, StoreError> {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        path("UNIBIN_STORE")
            .or_else(|| absolute("XDG_DATA_HOME").map(|data| data.join("unibin")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share/unibin")))
            .ok_or(StoreError::NoRoot)
    }

    /// Opens the store at `root`. It is made when something is first written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: root.into() };
        match fs::metadata(&store.root) {
            Ok(metadata) if !metadata.is_dir() => Err(StoreError::NotADirectory { path: store.root }),
            Ok(metadata) => {
                let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
                // Root can write to every directory anyway.
                if owner != us && owner != 0 {
                    return Err(StoreError::ForeignOwned { path: store.root, owner, us });
                }
                if metadata.mode() & 0o022 != 0 {
                    return Err(StoreError::WritableByOthers { path: store.root });
                }
                Ok(store)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(store),
            Err(error) => Err(StoreError::read(&store.root, error)),
        }
    }

    /// A directory in the store's layout, to read only. The user who names it is responsible for its owner.
    pub(crate) fn to_read(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the program with this digest, whether it exists or not.
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.root.join(blob_path(digest))
    }

    /// The path of the program for `key`, by its record; not checked.
    pub fn path(&self, key: EmulatorKey) -> Result<Option<PathBuf>, StoreError> {
        Ok(self.record(key)?.map(|record| self.blob(record.digest)))
    }

    /// The emulator for `key`, its bytes checked. A damaged entry is removed, and the error says so.
    pub fn get(&self, key: EmulatorKey) -> Result<Option<Emulator>, StoreError> {
        let found = self.look(key);
        if let Err(StoreError::Corrupt { path, .. }) = &found {
            remove_if_there(path)?;
            remove_if_there(&self.record_path(key))?;
        }
        found
    }

    /// The emulator for `key`, its bytes checked. Changes nothing.
    pub(crate) fn look(&self, key: EmulatorKey) -> Result<Option<Emulator>, StoreError> {
        let Some(record) = self.record(key)? else { return Ok(None) };
        let file = self.blob(record.digest);
        match digest::of_file(&file) {
            Ok(found) if found.sha256 == record.digest => Ok(Some(Emulator { key, file, record })),
            Ok(found) => {
                Err(StoreError::Corrupt { path: file, expected: record.digest, computed: found.sha256 })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::read(&file, error)),
        }
    }

    /// Adds a program for `key`: writes it to a temporary file, hashing it on the way, checks that it is a
    /// static program for the host and that it matches `expected`, if given, and renames it.
    pub fn add(
        &self,
        key: EmulatorKey,
        program: &mut dyn Read,
        expected: Option<Digest>,
        describe: Describe<'_>,
    ) -> Result<Emulator, StoreError> {
        let added = self.add_unnamed(key, program, expected, describe)?;
        self.write_record(key, &added.record)?;
        Ok(added)
    }

    /// As [`Self::add`], but the pair's record is left alone: only who knows the digest finds the program.
    pub(crate) fn add_unnamed(
        &self,
        key: EmulatorKey,
        program: &mut dyn Read,
        expected: Option<Digest>,
        describe: Describe<'_>,
    ) -> Result<Emulator, StoreError> {
        let blobs = self.directory("blobs/sha256")?;
        let mut temporary =
            NamedTempFile::new_in(&blobs).map_err(|error| StoreError::write(&blobs, error))?;
        let found = digest::copy(program, temporary.as_file_mut())
            .map_err(|error| StoreError::write(temporary.path(), error))?;
        if let Some(expected) = expected.filter(|expected| *expected != found.sha256) {
            return Err(StoreError::Unexpected { key, expected, computed: found.sha256 });
        }
        elf_check::check(temporary.path(), key.host).map_err(|fault| StoreError::Refused { key, fault })?;
        let file = self.blob(found.sha256);
        persist(temporary, &file, 0o555)?;
        Ok(Emulator { key, file, record: describe(found) })
    }

    /// All pairs in the store, in the order of [`Arch`], hosts first; not checked.
    pub fn list(&self) -> Result<Vec<Emulator>, StoreError> {
        let mut found = Vec::new();
        for &host in &Arch::HOSTS {
            for &target in Arch::ALL {
                let key = EmulatorKey { host, target };
                if let Some(record) = self.record(key)? {
                    found.push(Emulator { key, file: self.blob(record.digest), record });
                }
            }
        }
        Ok(found)
    }

    /// Copies every emulator, checked, into `directory` in the same layout, readable for everyone, so that it
    /// can be served. Existing files in `directory` stay.
    pub fn export_to(&self, directory: &Path) -> Result<Vec<Emulator>, StoreError> {
        let mut exported = Vec::new();
        for Emulator { key, .. } in self.list()? {
            let Some(found) = self.look(key)? else { continue };
            let place = |path: PathBuf| -> Result<(PathBuf, PathBuf), StoreError> {
                let path = directory.join(path);
                let parent = path.parent().unwrap_or(directory).to_owned();
                fs::create_dir_all(&parent).map_err(|error| StoreError::write(&parent, error))?;
                Ok((parent, path))
            };
            let (blobs, blob) = place(blob_path(found.record.digest))?;
            let mut program =
                File::open(&found.file).map_err(|error| StoreError::read(&found.file, error))?;
            let mut copy = NamedTempFile::new_in(&blobs).map_err(|error| StoreError::write(&blobs, error))?;
            io::copy(&mut program, copy.as_file_mut()).map_err(|error| StoreError::write(&blob, error))?;
            persist(copy, &blob, 0o644)?;
            let (records, record) = place(record_path(key))?;
            let json = found
                .record
                .to_json(key)
                .map_err(|reason| StoreError::BadRecord { path: record.clone(), reason })?;
            write_by_rename(&records, &record, &json, 0o644)?;
            exported.push(found);
        }
        Ok(exported)
    }

    /// Removes the emulator for `key`, and its program unless another pair uses it. Returns whether there was
    /// one.
    pub fn remove(&self, key: EmulatorKey) -> Result<bool, StoreError> {
        let digest = self.record(key).ok().flatten().map(|record| record.digest);
        let was_there = remove_if_there(&self.record_path(key))?;
        if let Some(digest) = digest
            && !self.list()?.iter().any(|other| other.record.digest == digest)
        {
            remove_if_there(&self.blob(digest))?;
        }
        Ok(was_there)
    }

    /// Waits until no other process fetches the emulator for `key`. Does not wait on file systems without
    /// locks: fetching twice is wasteful, but harmless.
    pub(crate) fn turn(&self, key: EmulatorKey) -> Result<Turn, StoreError> {
        let directory = self.directory("turns")?;
        let path = directory.join(key.to_string());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::write(&path, error))?;
        let locked = file.lock().is_ok();
        Ok(Turn { _lock: locked.then_some(file) })
    }

    /// A directory of the store, made where it is missing, for this user alone.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| StoreError::write(&path, error))?;
        Ok(path)
    }

    /// Uses a program that is already in the store, checked, for `key`; `None` if it is missing or damaged.
    pub(crate) fn adopt(&self, key: EmulatorKey, record: Record) -> Result<Option<Emulator>, StoreError> {
        let found = self.unnamed(key, record)?;
        if let Some(found) = &found {
            self.write_record(key, &found.record)?;
        }
        Ok(found)
    }

    /// The program that `record` describes, checked, whether or not the store has a record of it; `None` if
    /// it is missing or damaged.
    pub(crate) fn unnamed(&self, key: EmulatorKey, record: Record) -> Result<Option<Emulator>, StoreError> {
        let file = self.blob(record.digest);
        match digest::of_file(&file) {
            Ok(found) if found.sha256 == record.digest => {
                elf_check::check(&file, key.host).map_err(|fault| StoreError::Refused { key, fault })?;
                Ok(Some(Emulator { key, file, record }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::read(&file, error)),
        }
    }

    fn record_path(&self, key: EmulatorKey) -> PathBuf {
        self.root.join(record_path(key))
    }

    fn record(&self, key: EmulatorKey) -> Result<Option<Record>, StoreError> {
        let path = self.record_path(key);
        match fs::read(&path) {
            Ok(json) => match Record::from_json(&json, key) {
                Ok(record) => Ok(Some(record)),
                Err(reason) => Err(StoreError::BadRecord { path, reason }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::read(&path, error)),
        }
    }

    fn write_record(&self, key: EmulatorKey, record: &Record) -> Result<(), StoreError> {
        let directory = self.directory(&format!("emulators/{}", key.host))?;
        let path = self.record_path(key);
        let json =
            record.to_json(key).map_err(|reason| StoreError::BadRecord { path: path.clone(), reason })?;
        write_by_rename(&directory, &path, &json, 0o644)
    }
}

/// The path of a program, relative to the store.
pub(crate) fn blob_path(digest: Digest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.to_string())
}

/// The path of a pair's record, relative to the store.
pub(crate) fn record_path(key: EmulatorKey) -> PathBuf {
    Path::new("emulators").join(key.host.name()).join(format!("{}.json", key.target))
}

/// Writes `bytes` to a temporary file in `directory`, then renames it to `path`.
pub(crate) fn write_by_rename(
    directory: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), StoreError> {
    let mut temporary =
        NamedTempFile::new_in(directory).map_err(|error| StoreError::write(directory, error))?;
    io::Write::write_all(&mut temporary, bytes).map_err(|error| StoreError::write(path, error))?;
    persist(temporary, path, mode)
}

fn persist(temporary: NamedTempFile, path: &Path, mode: u32) -> Result<(), StoreError> {
    let file = temporary.as_file();
    file.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| file.sync_all())
        .map_err(|error| StoreError::write(path, error))?;
    temporary.persist(path).map_err(|error| StoreError::write(path, error.error))?;
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::write(path, error)),
    }
}
