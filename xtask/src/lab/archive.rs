//! Kernels, their modules, busybox and firmware out of Debian's archive, by the project's own provider:
//! signature, index, digest. What a machine needs of a package is kept below `target/lab/debian`; the package
//! itself, of 100 MB, is not.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::compare_versions;
use debian::{
    Archive, ArchiveError, ArchiveOptions, Deb, DebKind, FetchError, Package, PackageIndex, Silent,
};

use super::machines::Machine;
use super::modules;

/// What a machine boots.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The image.
    pub(crate) image: PathBuf,
    /// The modules, in the order to load them.
    pub(crate) modules: Vec<PathBuf>,
}

/// The opened suites, so that each is asked once.
pub(crate) struct Suites {
    directory: PathBuf,
    indexes: BTreeMap<(String, String), PackageIndex>,
}

impl Suites {
    /// Keeps what it gets in `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, indexes: BTreeMap::new() }
    }

    fn archive(&self, suite: &str) -> Result<Archive<'static>> {
        let mut options = ArchiveOptions::new(self.directory.join("fetched"), &Silent);
        // A mirror's `sid` may be weeks behind; a kernel of last month serves here as well as today's.
        options.allow_stale = true;
        Archive::open(options, suite).map_err(|error| {
            let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            anyhow::Error::new(error).context(format!("suite `{suite}` cannot be had{hint}"))
        })
    }

    fn index(&mut self, suite: &str, architecture: &str) -> Result<&PackageIndex> {
        let key = (suite.to_owned(), architecture.to_owned());
        if !self.indexes.contains_key(&key) {
            let index = self.archive(suite)?.packages(architecture)?;
            self.indexes.insert(key.clone(), index);
        }
        Ok(&self.indexes[&key])
    }

    /// The file `path` of the package `name`: what is kept, else the newest.
    pub(crate) fn file(&mut self, suite: &str, host: Arch, name: &str, path: &str) -> Result<PathBuf> {
        let kept = self.directory.join(format!("{suite}-{}-{name}", host.name()));
        if !kept.exists() {
            let package = self.package(suite, host, name)?;
            let deb = self.download(suite, &package)?;
            // Merged `/usr` came in between.
            let bytes = match Deb::open(&deb)?.read(path, 64 << 20)? {
                None => Deb::open(&deb)?.read(path.trim_start_matches("usr/"), 64 << 20)?,
                found => found,
            };
            let bytes = bytes.with_context(|| format!("`{name}` of {suite} holds no `{path}`"))?;
            appear(&kept, |new| Ok(fs::write(new, bytes)?))?;
            fs::remove_file(deb)?;
        }
        Ok(kept)
    }

    /// The kernel of a machine, with the modules that the lab wants of it: what is kept, else the newest.
    pub(crate) fn kernel(&mut self, machine: &Machine) -> Result<Kernel> {
        let mut kept = self.directory.join(format!("{}-{}", machine.name, machine.kernel));
        if !kept.exists() {
            let newest = self.package(machine.suite, machine.host, machine.kernel)?;
            let image = self.needed(machine, &newest, "linux-image-")?.context("it depends on no kernel")?;
            let mut made = self.keep_kernel(machine, &image, &kept);
            // A mirror may lack the newest for a while after a point release. The older one is kept under its
            // own name.
            for older in self.older_kernels(machine, &image)? {
                let Err(error) = &made else { break };
                if !lacks_a_file(error) {
                    break;
                }
                println!("lab: NOT RUN as it should be, with {} instead: {error:#}", older.name);
                kept = self.directory.join(format!("{}-{}", machine.name, older.name));
                made = if kept.exists() { Ok(()) } else { self.keep_kernel(machine, &older, &kept) };
            }
            made?;
        }
        let order = fs::read_to_string(kept.join("order"))?;
        let modules = order.lines().map(|name| kept.join(name)).collect();
        Ok(Kernel { image: kept.join("vmlinuz"), modules })
    }

    /// Fetches a kernel and keeps at `kept` what the lab wants of it.
    fn keep_kernel(&mut self, machine: &Machine, image: &Package, kept: &Path) -> Result<()> {
        // Image and modules are one package, or since 2026 one each.
        let mut packages = vec![image.clone()];
        for part in ["linux-binary-", "linux-modules-"] {
            packages.extend(self.needed(machine, image, part)?);
        }
        let mut debs = Vec::new();
        for package in &packages {
            debs.push(self.download(machine.suite, package)?);
        }
        appear(kept, |new| {
            fs::create_dir(new)?;
            unpack_kernel(&debs, new)
        })?;
        debs.iter().try_for_each(|deb| Ok(fs::remove_file(deb)?))
    }

    /// The kernels of a machine's kind that its suite lists besides `image`, newest first.
    fn older_kernels(&mut self, machine: &Machine, image: &Package) -> Result<Vec<Package>> {
        let architecture = machine.host.debian_name().context("Debian does not have this CPU")?;
        let kind = machine.kernel.trim_start_matches("linux-image");
        let parts = |name: &str| name.split('-').count();
        let index = self.index(machine.suite, architecture)?;
        let all = index.beginning_with("linux-image-").filter(|package| {
            package.name.ends_with(kind)
                && parts(&package.name) == parts(&image.name)
                && package.name != image.name
        });
        let mut older: Vec<Package> = all.cloned().collect();
        older.sort_by(|one, other| compare_versions(&other.version, &one.version));
        Ok(older)
    }

    /// The package that `package` depends on whose name begins with `prefix`.
    fn needed(&mut self, machine: &Machine, package: &Package, prefix: &str) -> Result<Option<Package>> {
        let groups = debian::relations(&package.depends);
        let name = groups.iter().flatten().map(|one| &one.name).find(|name| name.starts_with(prefix));
        name.map(|name| self.package(machine.suite, machine.host, name)).transpose()
    }

    fn package(&mut self, suite: &str, host: Arch, name: &str) -> Result<Package> {
        let architecture = host.debian_name().context("Debian does not have this CPU")?;
        let found = self.index(suite, architecture)?.find(name).cloned();
        found.with_context(|| format!("{suite} has no package `{name}` for {architecture}"))
    }

    fn download(&self, suite: &str, package: &Package) -> Result<PathBuf> {
        println!("lab: fetching {} {} ({} MB)", package.name, package.version, package.size / 1_000_000);
        Ok(self.archive(suite)?.download(package)?)
    }
}

/// Whether a mirror does not have what its own index lists.
fn lacks_a_file(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ArchiveError::Fetch(FetchError::NotFound { .. })))
}

/// The image and the wanted modules out of the packages; `order` names the latter.
fn unpack_kernel(debs: &[PathBuf], to: &Path) -> Result<()> {
    let mut found = modules::Found::default();
    // What a module depends on may have come before it: once more, until nothing is missing.
    loop {
        let before = found.len();
        for deb in debs {
            Deb::open(deb)?.entries(|entry| {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                let name = path.rsplit('/').next().unwrap_or_default();
                if entry.kind != DebKind::File {
                    return Ok(ControlFlow::Continue(()));
                }
                if name.starts_with("vmlinu") && !to.join("vmlinuz").exists() {
                    std::io::copy(entry.reader, &mut fs::File::create(to.join("vmlinuz"))?)?;
                } else if found.wants(name) {
                    found.take(name, entry.reader)?;
                }
                Ok::<_, anyhow::Error>(ControlFlow::Continue(()))
            })?;
        }
        if found.len() == before || !found.lacks() {
            break;
        }
    }
    ensure!(to.join("vmlinuz").exists(), "the packages hold no kernel");
    let order = found.in_order();
    for (name, bytes) in &order {
        fs::write(to.join(format!("{name}.ko")), bytes)?;
    }
    let names: Vec<String> = order.iter().map(|(name, _)| format!("{name}.ko\n")).collect();
    Ok(fs::write(to.join("order"), names.concat())?)
}

/// `path`, made whole or not at all.
pub(crate) fn appear(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let directory = path.parent().context("a path in a directory")?;
    fs::create_dir_all(directory)?;
    let scratch = tempfile::tempdir_in(directory)?;
    let new = scratch.path().join("new");
    make(&new).with_context(|| format!("cannot make `{}`", path.display()))?;
    match fs::rename(&new, path) {
        // Another lab was as fast.
        Err(_) if path.is_dir() => Ok(()),
        renamed => Ok(renamed?),
    }
}
