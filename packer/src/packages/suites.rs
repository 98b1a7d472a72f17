//! Opens Debian archives: which mirrors are asked, which suite is opened, where downloads are kept, and what
//! errors mean for the exit code.

use std::fmt;
use std::path::PathBuf;

use debian::{Archive, ArchiveOptions, FetchOptions, MirrorSources, Package};
use emulator::Store;

use crate::cli::ArchiveArgs;
use crate::error::Error;
use crate::units::size;

/// Where `--deb` looks without `--suite`: Debian 13, and for architectures that it lacks, unstable.
const SUITES: [&str; 2] = ["trixie", "sid"];

/// The directory for emulators and packages.
pub(crate) fn store_root() -> Result<PathBuf, Error> {
    Ok(Store::default_root(|name| std::env::var_os(name))?)
}

/// The archives to ask, and how.
pub(crate) fn sources(args: &ArchiveArgs) -> (MirrorSources, FetchOptions) {
    let environment = std::env::var("UNIBIN_MIRROR").ok().filter(|mirror| !mirror.is_empty());
    let mirrors = MirrorSources {
        arguments: args.mirror.iter().cloned().collect(),
        environment: environment.into_iter().collect(),
        ..MirrorSources::default()
    };
    (mirrors, FetchOptions { offline: args.offline, ..FetchOptions::default() })
}

/// Opens this suite.
pub(crate) fn open_suite<'a>(
    args: &ArchiveArgs,
    suite: &str,
    progress: &'a dyn debian::Progress,
) -> Result<Archive<'a>, Error> {
    let (mirrors, fetch) = sources(args);
    let options = ArchiveOptions {
        mirrors,
        fetch,
        allow_stale: args.allow_stale,
        ..ArchiveOptions::new(store_root()?.join("archives"), progress)
    };
    Ok(Archive::open(options, suite)?)
}

/// The distribution of an archive as scanners name it: `debian-13`, without the number of a point release.
pub(crate) fn distribution(archive: &Archive<'_>) -> String {
    let release = archive.release();
    let id = release.origin.to_lowercase();
    let id = id.split([' ', '-']).next().filter(|id| !id.is_empty()).unwrap_or("debian");
    let version = match release.version.as_str() {
        "" => &release.codename,
        version if id == "debian" => version.split('.').next().unwrap_or(version),
        version => version,
    };
    format!("{id}-{version}")
}

/// Packages of an archive, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) packages: usize,
    /// What the packages themselves take, in bytes.
    pub(crate) whole: u64,
    /// What is not in the store yet.
    pub(crate) left: u64,
    /// What their files take, as the packages estimate it.
    pub(crate) installed: u64,
}

impl Lengths {
    /// Those of `packages`.
    pub(crate) fn of(archive: &Archive<'_>, packages: &[&Package]) -> Self {
        let sum = |length: fn(&Package) -> u64| {
            packages.iter().map(|package| length(package)).fold(0, u64::saturating_add)
        };
        Self {
            packages: packages.len(),
            whole: sum(|package| package.size),
            left: archive.left_to_fetch(packages.iter().copied()),
            installed: sum(|package| package.installed_size),
        }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packages, whole, left, .. } = *self;
        write!(f, "{packages} packages, {}, {} of these to fetch", size(whole), size(left))
    }
}

/// Opens the suite that `--suite` names, or else the first of Debian's that has packages for `architecture`.
pub(crate) fn open<'a>(
    args: &ArchiveArgs,
    architecture: &str,
    progress: &'a dyn debian::Progress,
) -> Result<(Archive<'a>, String), Error> {
    let open = |suite: &str| open_suite(args, suite, progress);
    let wanted = args.suite.as_deref();
    let first = wanted.unwrap_or(SUITES[0]);
    let archive = open(first)?;
    if wanted.is_some() || archive.release().architectures.iter().any(|has| has == architecture) {
        return Ok((archive, first.to_owned()));
    }
    Ok((open(SUITES[1])?, SUITES[1].to_owned()))
}
