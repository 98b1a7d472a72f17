//! A build root: the pinned packages, unpacked one over the other. No maintainer script runs, and nothing is
//! owned by anybody else, so any user can make one. Kept as `target/foundry/root-DIGEST` for later builds,
//! which do not change it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use debian::{Deb, DebEntry, DebKind, Digest, digest};

use super::fetch::Cache;
use super::pins::PackagePin;

/// Raised when something else is made of the same packages.
const FORM: u32 = 1;
/// The package with the links that join `/bin` and its like with `/usr`; unpacked first.
const BASE: &str = "base-files";
/// Directories of the root that are links into `usr` (`file-hierarchy(7)`).
const JOINED: [&[u8]; 4] = [b"bin", b"lib", b"lib64", b"sbin"];
/// Architectures of packages that run on the machine that builds.
const BUILDER: [&str; 2] = ["amd64", "all"];
/// What no build reads: a third of all files.
const LEFT_OUT: [&[u8]; 6] = [
    b"usr/share/bug/",
    b"usr/share/doc/",
    b"usr/share/info/",
    b"usr/share/lintian/",
    b"usr/share/locale/",
    b"usr/share/man/",
];
/// Directories that a build mounts something on.
const MOUNT_POINTS: [&str; 4] = ["build", "dev", "proc", "tmp"];
/// How many packages are fetched and unpacked at a time.
const AT_A_TIME: usize = 4;

/// A complete root.
pub(crate) struct Root {
    /// Its tree.
    pub(crate) tree: PathBuf,
    /// The package that each static library came from.
    libraries: BTreeMap<String, String>,
}

impl Root {
    /// The root of these packages: the one that is here, or a new one.
    pub(crate) fn make(work: &Path, packages: &[&PackagePin], cache: &Cache) -> Result<Self> {
        let home = work.join(format!("root-{}", name_of(packages)));
        if !home.is_dir() {
            let scratch = tempfile::Builder::new().prefix("root-").tempdir_in(work)?;
            unpack(packages, cache, scratch.path())?;
            match fs::rename(scratch.path(), &home) {
                Ok(()) => drop(scratch.keep()),
                // Somebody else has made the same one.
                Err(_) if home.is_dir() => {}
                Err(error) => return Err(error).context("cannot name the build root"),
            }
        }
        let list = fs::read_to_string(home.join("libraries"))?;
        let libraries = list.lines().filter_map(|line| line.split_once(' '));
        let libraries = libraries.map(|(path, package)| (path.to_owned(), package.to_owned())).collect();
        Ok(Self { tree: home.join("tree"), libraries })
    }

    /// The package that the file at `path` came from, if that is a static library. The compiler writes paths
    /// such as `/usr/lib/gcc/x86_64-linux-gnu/14/../../../x86_64-linux-gnu/libc.a`.
    pub(crate) fn package_of(&self, path: &str) -> Option<&str> {
        self.libraries.get(&plain(path)).map(String::as_str)
    }
}

/// A path below the root, each `..` taken with the name before it.
fn plain(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A name for what the packages give.
fn name_of(packages: &[&PackagePin]) -> Digest {
    let text = packages.iter().fold(format!("{FORM}\n"), |mut text, package| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}", package.name, package.sha256);
        text
    });
    digest::of(text.as_bytes())
}

/// Makes `tree` and `libraries` in `home`.
fn unpack(packages: &[&PackagePin], cache: &Cache, home: &Path) -> Result<()> {
    let tree = home.join("tree");
    fs::create_dir(&tree)?;
    let libraries = Mutex::new(BTreeMap::new());
    let one = |package: &PackagePin| {
        let path = cache.fetch(&package.pinned())?;
        let found = unpack_one(&path, &tree).with_context(|| format!("package `{}`", package.name))?;
        let mut libraries = libraries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        libraries.extend(found.into_iter().map(|path| (path, package.name.clone())));
        Ok::<_, anyhow::Error>(())
    };
    let is_base = |package: &&&PackagePin| package.name == BASE;
    let base = packages.iter().find(is_base);
    one(base.with_context(|| format!("`{BASE}` is not among the packages of the root"))?)?;
    let rest = || packages.iter().filter(|package| !is_base(package));
    let is_own = |package: &&&PackagePin| BUILDER.contains(&package.architecture.as_str());
    let left = Mutex::new(rest().filter(is_own));
    let next = || left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some(package) = next() {
            one(package)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => bail!("a thread that unpacks packages has panicked"),
        })
    })?;
    // Libraries of other architectures share files, such as headers, with those that are there now.
    rest().filter(|package| !is_own(package)).try_for_each(|package| one(package))?;
    for name in MOUNT_POINTS {
        fs::create_dir_all(tree.join(name))?;
    }
    let list = libraries.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut text = String::new();
    for (path, package) in &list {
        writeln!(text, "{path} {package}")?;
    }
    fs::write(home.join("libraries"), text)?;
    Ok(())
}

/// Unpacks a package into `tree`; gives the paths of its static libraries.
fn unpack_one(deb: &Path, tree: &Path) -> Result<Vec<String>> {
    let mut libraries = Vec::new();
    Deb::open(deb)?.entries(|entry| {
        let path = joined(&entry.path);
        let shown = String::from_utf8_lossy(&path).into_owned();
        if !LEFT_OUT.iter().any(|prefix| path.starts_with(prefix)) {
            place(entry, &path, tree).with_context(|| format!("cannot unpack `{shown}`"))?;
            if path.ends_with(b".a") {
                libraries.push(shown);
            }
        }
        Ok::<_, anyhow::Error>(ControlFlow::Continue(()))
    })?;
    Ok(libraries)
}

fn place(entry: DebEntry<'_>, path: &[u8], tree: &Path) -> Result<()> {
    let at = inside(tree, path)?;
    match entry.kind {
        DebKind::Dir => make_directory(&at)?,
        DebKind::File => {
            let mut file = match File::create_new(&at) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return same(entry.reader, &at),
                other => other?,
            };
            io::copy(entry.reader, &mut file)?;
            file.set_permissions(Permissions::from_mode(entry.mode & 0o755 | 0o600))?;
        }
        DebKind::Symlink { target } => {
            let target = OsStr::from_bytes(&target);
            if let Err(error) = symlink(target, &at) {
                ensure!(fs::read_link(&at).is_ok_and(|there| there == target), error);
            }
        }
        DebKind::Hardlink { target } => fs::hard_link(inside(tree, &joined(&target))?, &at)?,
    }
    Ok(())
}

/// Whether two packages have the same file at a path, as only those of several architectures may.
fn same(bytes: &mut dyn io::Read, at: &Path) -> Result<()> {
    ensure!(fs::symlink_metadata(at)?.is_file(), "another package has no file there");
    let here = digest::copy(bytes, &mut io::sink())?;
    ensure!(digest::of_file(at)? == here, "another package has a different file there");
    Ok(())
}

/// Where `path` is in `tree`; its directory is made. No link is followed on the way, since it could lead out.
fn inside(tree: &Path, path: &[u8]) -> Result<PathBuf> {
    let at = tree.join(OsStr::from_bytes(path));
    let parent = at.parent().context("a file lies in a directory")?;
    let mut directory = tree.to_owned();
    for part in parent.strip_prefix(tree)? {
        directory.push(part);
        make_directory(&directory)?;
    }
    Ok(at)
}

/// Makes a directory, unless it is there; a link to one is not one.
fn make_directory(at: &Path) -> Result<()> {
    match fs::create_dir(at) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(at)?;
            ensure!(found.is_dir(), "`{}` is not a directory", at.display());
            Ok(())
        }
        other => Ok(other?),
    }
}

/// A package's path with `usr/` before the names that are links into it; the links themselves are left alone.
fn joined(path: &[u8]) -> Vec<u8> {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    if first.len() < path.len() && JOINED.contains(&first) { [b"usr/", path].concat() } else { path.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_through_a_link_of_another_package() {
        let tree = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        symlink(elsewhere.path(), tree.path().join("etc")).expect("a link");
        assert!(inside(tree.path(), b"etc/passwd").is_err());
        assert!(inside(tree.path(), b"etc/deep/passwd").is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).expect("readable").count(), 0);
        assert!(inside(tree.path(), b"usr/bin/sh").is_ok());
    }

    #[test]
    fn two_packages_may_have_the_same_file_and_no_different_one() {
        let tree = tempfile::tempdir().expect("a directory");
        let file = |bytes: &[u8]| {
            let mut reader = bytes;
            let (path, size) = (b"usr/a".to_vec(), bytes.len() as u64);
            let entry = DebEntry {
                path,
                kind: DebKind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                size,
                reader: &mut reader,
            };
            place(entry, b"usr/a", tree.path())
        };
        file(b"one").expect("a new file");
        file(b"one").expect("the same file");
        assert!(file(b"two").expect_err("another file").to_string().contains("different"));
        assert_eq!(fs::read(tree.path().join("usr/a")).expect("the file"), b"one");
    }

    #[test]
    fn a_library_is_found_by_the_path_that_the_compiler_writes() {
        assert_eq!(plain("/usr/lib/gcc/x/14/../../../x/libc.a"), "usr/lib/x/libc.a");
    }

    #[test]
    fn only_paths_below_the_joined_directories_go_to_usr() {
        assert_eq!(joined(b"bin/sh"), b"usr/bin/sh");
        assert_eq!(joined(b"bin"), b"bin");
        assert_eq!(joined(b"binary/a"), b"binary/a");
        assert_eq!(joined(b"lib64/ld.so"), b"usr/lib64/ld.so");
    }
}
