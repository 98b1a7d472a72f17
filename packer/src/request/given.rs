//! The INPUT of `pack`: a program, a directory, an archive of one, an AppImage, a package. It is recognised
//! by its contents, never by its name; the app's name comes from its name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use bundle::Arch;
use debian::{Deb, Package};
use inputs::Form;

use crate::error::{Error, kind_of};
use crate::hash::Hashing;

/// Endings that are not part of an app's name, longest first.
const ENDINGS: [&str; 18] = [
    ".tar.zst",
    ".tar.bz2",
    ".AppImage",
    ".appimage",
    ".tar.gz",
    ".tar.xz",
    ".tzst",
    ".tbz2",
    ".tar",
    ".tgz",
    ".txz",
    ".tbz",
    ".tzs",
    ".zip",
    ".whl",
    ".rpm",
    ".deb",
    ".run",
];

/// What a tree is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeForm {
    Directory,
    Archive(Form),
}

/// Where the app comes from.
#[derive(Debug)]
pub(crate) enum AppSource {
    /// One program.
    Program {
        /// The open file.
        file: File,
        /// The path as the user gave it.
        path: PathBuf,
        /// Its file name.
        name: Vec<u8>,
    },
    /// Debian packages for an architecture.
    Packages {
        /// Those of an archive.
        names: Vec<String>,
        /// Files of the user's.
        local: Vec<LocalDeb>,
        target: Arch,
    },
    /// A directory, or an archive of one: all of it is taken.
    Tree {
        /// The open directory or archive.
        file: File,
        /// The path as the user gave it.
        path: PathBuf,
        /// The app's name.
        name: Vec<u8>,
        form: TreeForm,
    },
    /// A root file system; the entries say what to take from it.
    Sysroot,
}

impl AppSource {
    /// What `INPUT` or `--deb` names; a root file system if there is neither. `target` is the architecture
    /// that was asked for.
    pub(crate) fn of(input: Option<PathBuf>, debs: Vec<String>, target: Option<Arch>) -> Result<Self, Error> {
        if let Some(path) = input {
            return open(path, target);
        }
        if debs.is_empty() {
            return Ok(Self::Sysroot);
        }
        let (local, names): (Vec<_>, _) = debs.into_iter().partition(|name| is_file_name(name));
        let local = local.into_iter().map(|path| LocalDeb::open(path.into())).collect::<Result<_, _>>()?;
        Self::packages(names, local, target.ok_or(Error::NoTarget)?)
    }

    /// Packages for `target`.
    pub(crate) fn packages(names: Vec<String>, local: Vec<LocalDeb>, target: Arch) -> Result<Self, Error> {
        for LocalDeb { path, package } in &local {
            if package.architecture != "all" && Some(package.architecture.as_str()) != target.debian_name() {
                let (path, found) = (path.clone(), package.architecture.clone());
                return Err(Error::OtherPackage { path, found, wanted: target });
            }
        }
        Ok(Self::Packages { names, local, target })
    }
}

/// Whether `--deb` means a file. A package's name has no slash (Policy 5.6.1), and none ends like this.
fn is_file_name(name: &str) -> bool {
    name.contains('/') || name.strip_suffix(".deb").is_some()
}

/// What a Debian package begins with (deb(5)).
const DEB: &[u8] = b"!<arch>\ndebian-binary";

/// A Debian package that is a file of the user's. Nobody vouches for it, so it has no signature to check.
#[derive(Clone, Debug)]
pub(crate) struct LocalDeb {
    pub(crate) path: PathBuf,
    /// What its control file says.
    pub(crate) package: Package,
}

impl LocalDeb {
    /// Reads the package's control file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let failed = |source| Error::io("open", &path, source);
        let mut hashing = Hashing::new(File::open(&path).map_err(failed)?);
        io::copy(&mut hashing, &mut io::sink()).map_err(|source| Error::io("read", &path, source))?;
        let (_, size, digest) = hashing.finish();
        let package = Deb::open(&path)?.package(size, digest)?;
        Ok(Self { path, package })
    }

    /// The architecture that it is built for, if for one.
    pub(crate) fn target(&self) -> Option<Arch> {
        Arch::ALL.iter().find(|arch| arch.debian_name() == Some(&self.package.architecture)).copied()
    }
}

/// Opens what is at `path`; `target` is the architecture that was asked for.
pub(super) fn open(path: PathBuf, target: Option<Arch>) -> Result<AppSource, Error> {
    let failed = |source| Error::io("open", &path, source);
    // Checked before it is opened: opening a FIFO would wait for its other end.
    let found = fs::metadata(&path).map_err(failed)?.file_type();
    if !found.is_file() && !found.is_dir() {
        return Err(Error::NotAFile { path, found: kind_of(found) });
    }
    // `.` and `..` have names of their own.
    let named = if path.file_name().is_none() { path.canonicalize().map_err(failed)? } else { path.clone() };
    let Some(name) = named.file_name().map(|name| name.as_bytes().to_vec()) else {
        return Err(Error::NoFileName { path });
    };
    let mut file = File::open(&path).map_err(failed)?;
    if found.is_dir() {
        return Ok(AppSource::Tree { file, path, name, form: TreeForm::Directory });
    }
    let mut head = Vec::new();
    (&file)
        .take(DEB.len() as u64)
        .read_to_end(&mut head)
        .map_err(|source| Error::io("read", &path, source))?;
    if head == DEB {
        let package = LocalDeb::open(path)?;
        let target = target.or(package.target()).ok_or(Error::NoTarget)?;
        return AppSource::packages(Vec::new(), vec![package], target);
    }
    match Form::of(&mut file).map_err(|source| Error::io("read", &path, source))? {
        None => Ok(AppSource::Program { file, path, name }),
        Some(form) => {
            let name = without_ending(&name).to_vec();
            Ok(AppSource::Tree { file, path, name, form: TreeForm::Archive(form) })
        }
    }
}

pub(crate) fn without_ending(name: &[u8]) -> &[u8] {
    let shorter = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()));
    shorter.filter(|name| !name.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_name_is_that_of_its_app_and_an_ending() {
        for (name, app) in [
            ("a-1.2.tar.gz", "a-1.2"),
            ("a.tgz", "a"),
            ("A-x86_64.AppImage", "A-x86_64"),
            (".zip", ".zip"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(without_ending(name.as_bytes()), app.as_bytes());
        }
    }
}
