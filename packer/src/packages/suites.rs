//! Debian archives for whoever needs one: which are asked, which suite is opened, where what comes of it is kept, and what
//! their errors mean for an exit code.

use std::path::PathBuf;

use debian::{Archive, ArchiveError, ArchiveOptions, DebError, FetchError, FetchOptions, MirrorSources};
use emulator::Store;

use crate::cli::ArchiveArgs;
use crate::error::{Code, Error};

/// Where `--deb` looks unless `--suite` is given: Debian 13, and for architectures that it has not, unstable.
const SUITES: [&str; 2] = ["trixie", "sid"];

/// The directory that emulators and packages are kept in.
pub(crate) fn store_root() -> Result<PathBuf, Error> {
    Store::default_root(|name| std::env::var_os(name)).map_err(|error| {
        let error = emulator::EmulatorError::from(error);
        Error::told(&error, error.hint(), Code::Failure)
    })
}

/// The archives to ask and how.
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
    Archive::open(options, suite).map_err(|error| failed(&error))
}

/// Opens the suite that `--suite` names, or the first of Debian's that has packages for `architecture`.
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

/// Whether an archive's error says that a signature or a digest did not match.
pub(crate) fn is_forged(error: &(dyn std::error::Error + 'static)) -> bool {
    let mismatch =
        |error: &FetchError| matches!(error, FetchError::Mismatch { .. } | FetchError::TooLong { .. });
    error.downcast_ref().is_some_and(|error| code(error) == Code::Verification)
        || error.downcast_ref().is_some_and(mismatch)
}

fn code(error: &ArchiveError) -> Code {
    match error {
        ArchiveError::Signature { .. }
        | ArchiveError::Member(_)
        | ArchiveError::Fetch(debian::FetchError::Mismatch { .. }) => Code::Verification,
        ArchiveError::NoArchitecture { .. } | ArchiveError::BadSuite(_) => Code::Input,
        ArchiveError::AllMirrorsFailed { failures, .. } => {
            let refused = failures.iter().any(|(_, error)| code(error) == Code::Verification);
            if refused { Code::Verification } else { Code::Failure }
        }
        _ => Code::Failure,
    }
}

/// An archive's failure, with what would have worked.
pub(crate) fn failed(error: &ArchiveError) -> Error {
    let stale = matches!(error, ArchiveError::AllMirrorsFailed { failures, .. }
        if failures.iter().any(|(_, error)| matches!(error, ArchiveError::Release { source: debian::release::ReleaseError::StaleIndex { .. }, .. })));
    let stale =
        stale.then(|| "check this machine's clock, or accept the old index with `--allow-stale`".to_owned());
    let hint = stale.or_else(|| error.hint());
    Error::told(error, hint, code(error))
}

/// A package that cannot be read.
pub(crate) fn refused(error: &DebError) -> Error {
    Error::told(error, Some(error.hint().to_owned()), Code::Input)
}
