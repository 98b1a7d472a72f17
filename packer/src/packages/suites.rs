//! Opens Debian archives: which mirrors are asked, which suite is opened, where downloads are kept, and what
//! errors mean for the exit code.

use std::path::PathBuf;

use debian::{Archive, ArchiveOptions, FetchOptions, MirrorSources};
use emulator::Store;

use crate::cli::ArchiveArgs;
use crate::error::Error;

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
