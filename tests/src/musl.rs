//! musl and GCC's support library as Debian has built them. To compile musl's thirteen hundred files takes a
//! minute of processor time for each CPU, and zig's own support library six seconds, which the tests have no
//! need of.

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

/// The suite whose they are.
const SUITE: &str = "trixie";
/// The package with what compilers call for what a CPU lacks, of the suite's GCC.
const SUPPORT: &str = "libgcc-14-dev";
/// Its library.
const SUPPORT_LIBRARY: &str = "libgcc.a";

/// What a static program is linked with.
pub(crate) struct Musl {
    /// The headers.
    pub(crate) include: PathBuf,
    /// `crt1.o`, `crti.o`, `libc.a`, `crtn.o`.
    pub(crate) lib: PathBuf,
    /// `libgcc.a`.
    pub(crate) support: PathBuf,
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
            for package in ["musl-dev", SUPPORT] {
                deb(&fetched, SUITE, architecture, package).and_then(|deb| unpack(&deb, &new)).ok()?;
            }
            fs::rename(&new, &root).expect("renamed");
        }
        let found = Self {
            include: only_entry(&root.join("include"))?,
            lib: only_entry(&root.join("lib"))?,
            support: root.join(SUPPORT_LIBRARY),
        };
        (found.lib.join("libc.a").exists() && found.support.exists()).then_some(found)
    }
}

/// The files below `usr/include` and those of musl below `usr/lib`; `libgcc.a` beside them.
fn unpack(deb: &debian::Deb, to: &Path) -> Result<(), String> {
    let visited = deb.entries(|entry| -> Result<_, DebError> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path)).strip_prefix("usr");
        if let Ok(path) = path
            && entry.kind == DebKind::File
            && let Some(path) = kept_as(path)
        {
            let file = to.join(path);
            fs::create_dir_all(file.parent().expect("a directory")).expect("directory");
            io::copy(entry.reader, &mut File::create(file).expect("a file")).expect("written");
        }
        Ok(ControlFlow::<()>::Continue(()))
    });
    visited.map_err(|error| error.to_string())
}

/// Where the file of this path below `usr` goes, if it is wanted.
fn kept_as(path: &Path) -> Option<&Path> {
    if path.starts_with("lib/gcc") {
        return path.ends_with(SUPPORT_LIBRARY).then_some(Path::new(SUPPORT_LIBRARY));
    }
    (path.starts_with("include") || path.starts_with("lib")).then_some(path)
}

/// The entry that stands for the CPU: `s390x-linux-musl`.
fn only_entry(directory: &Path) -> Option<PathBuf> {
    let mut found = fs::read_dir(directory).ok()?.map(|entry| entry.expect("an entry").path());
    found.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-musl")))
}
