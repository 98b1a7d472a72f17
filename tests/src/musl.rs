//! musl as Debian has built it. To compile its thirteen hundred files takes a minute of processor time for
//! each CPU, which the tests have no need of.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bundle::Arch;
use debian::{DebError, DebKind};

use crate::fetched::deb;
use crate::needs::has;
use crate::unibin::kept;

/// The suite whose musl it is.
const SUITE: &str = "trixie";

/// What a static program is linked with.
pub(crate) struct Musl {
    /// The headers.
    pub(crate) include: PathBuf,
    /// `crt1.o`, `crti.o`, `libc.a`, `crtn.o`.
    pub(crate) lib: PathBuf,
}

impl Musl {
    /// For programs of `target`; `None` where Debian or the mirror does not have it, and the compiler's own
    /// serves.
    pub(crate) fn of(target: Arch) -> Option<Self> {
        let architecture = target.debian_name().filter(|_| has("network"))?;
        let directory = kept().join("musl");
        fs::create_dir_all(&directory).expect("directory");
        let lock = File::create(directory.join(format!("{architecture}.lock"))).expect("lock");
        lock.lock().expect("locked");
        let root = directory.join(architecture);
        if !root.exists() {
            let new = directory.join(format!("{architecture}.new"));
            let fetched = directory.join(format!("{architecture}.fetched"));
            deb(&fetched, SUITE, architecture, "musl-dev").and_then(|deb| unpack(&deb, &new)).ok()?;
            fs::rename(&new, &root).expect("renamed");
        }
        let found = Self { include: only_entry(&root.join("include"))?, lib: only_entry(&root.join("lib"))? };
        found.lib.join("libc.a").exists().then_some(found)
    }
}

/// The files below `usr/include` and `usr/lib`.
fn unpack(deb: &debian::Deb, to: &Path) -> Result<(), String> {
    let visited = deb.entries(|entry| -> Result<_, DebError> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path)).strip_prefix("usr");
        if let Ok(path) = path
            && (path.starts_with("include") || path.starts_with("lib"))
            && entry.kind == DebKind::File
        {
            let file = to.join(path);
            fs::create_dir_all(file.parent().expect("a directory")).expect("directory");
            io::copy(entry.reader, &mut File::create(file).expect("a file")).expect("written");
        }
        Ok(ControlFlow::<()>::Continue(()))
    });
    visited.map_err(|error| error.to_string())
}

/// The entry that stands for the CPU: `s390x-linux-musl`.
fn only_entry(directory: &Path) -> Option<PathBuf> {
    let mut found = fs::read_dir(directory).ok()?.map(|entry| entry.expect("an entry").path());
    found.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-musl")))
}
