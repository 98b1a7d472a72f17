//! An open suite of a Debian archive: the first mirror whose table of contents is signed, fresh and of that
//! suite; its indexes; its packages; and the record of why each is trusted. Refuses a mirror at the first
//! check that fails, and reports that check for every mirror.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use bundle::Digest;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::archive_error::{ArchiveError, MirrorFailure};
use crate::contents::Contents;
use crate::deb::Deb;
use crate::digest::{self, FileDigest};
use crate::fetch::{FetchOptions, Fetcher};
use crate::fetch_error::FetchError;
use crate::indexes;
use crate::keyring::Keyring;
use crate::location::Location;
use crate::mirror::{Mirror, MirrorSources, Origin, SNAPSHOT_TIMESTAMP};
use crate::packages::{Package, PackageIndex};
use crate::progress::Progress;
use crate::ranged::{self, Member, MemberBytes, RangedError};
use crate::release::{Release, parse_timestamp};
use crate::signature;
use crate::sources::{self, Source, SourceFile};

/// The largest accepted `InRelease`, in bytes; Debian's largest has 200 KB.
const MAX_INRELEASE: u64 = 16 << 20;

/// How to open an archive.
#[derive(Clone)]
pub struct ArchiveOptions<'a> {
    /// The mirrors to ask.
    pub mirrors: MirrorSources,
    /// Where fetched files are kept, by their digest.
    pub cache: PathBuf,
    /// The keys whose signatures are accepted.
    pub keyring: Keyring,
    /// Accept an index past its `Valid-Until`.
    pub allow_stale: bool,
    /// The time to check validity against.
    pub now: SystemTime,
    /// Options for fetching.
    pub fetch: FetchOptions,
    /// Receives the progress of transfers.
    pub progress: &'a dyn Progress,
}

impl<'a> ArchiveOptions<'a> {
    /// The defaults: this machine's mirrors, Debian's keys, the present time.
    pub fn new(cache: PathBuf, progress: &'a dyn Progress) -> Self {
        Self {
            mirrors: MirrorSources::default(),
            cache,
            keyring: Keyring::debian(),
            allow_stale: false,
            now: SystemTime::now(),
            fetch: FetchOptions::default(),
            progress,
        }
    }
}

/// Why a package is trusted, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The mirror's base; absent in records that must be the same on every machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror_url: Option<String>,
    /// The requested suite.
    pub suite: String,
    /// SHA-256 of the `InRelease` file, signature and all.
    #[serde(with = "digest::hex")]
    pub inrelease_sha256: Digest,
    /// Fingerprints of the primary keys that signed it.
    pub signed_by: Vec<String>,
    /// SHA-256 of the index, `Packages.xz`.
    #[serde(with = "digest::hex")]
    pub packages_sha256: Digest,
    /// Path of the `.deb` below the mirror's base.
    pub deb: String,
    /// SHA-256 of the `.deb`.
    #[serde(with = "digest::hex")]
    pub deb_sha256: Digest,
}

/// An open suite.
pub struct Archive<'a> {
    options: ArchiveOptions<'a>,
    fetcher: Fetcher<'a>,
    mirror: Mirror,
    /// The mirrors after the one in use: the next to ask for packages that it lacks.
    others: Vec<Mirror>,
    table: Table,
    /// The same suite's table under its other name, needed once an index does not match `table`.
    table_of_other_name: OnceLock<Option<Table>>,
}

/// A signed table of contents.
struct Table {
    /// The directory below `dists`: the suite's name, as requested.
    suite: String,
    release: Release,
    inrelease_sha256: Digest,
    signed_by: Vec<String>,
}

impl<'a> Archive<'a> {
    /// Opens `suite` (`trixie`, `sid`…) on the first mirror that passes every check.
    pub fn open(options: ArchiveOptions<'a>, suite: &str) -> Result<Self, ArchiveError> {
        if !is_suite(suite) {
            return Err(ArchiveError::BadSuite(suite.to_owned()));
        }
        let fetcher = Fetcher::new(options.fetch.clone(), options.progress);
        let mut mirrors = options.mirrors.mirrors().into_iter();
        let mut failures = Vec::new();
        while let Some(mirror) = mirrors.next() {
            match vouched(&options, &fetcher, &mirror, suite) {
                Ok(table) => {
                    let others = mirrors.collect();
                    let table_of_other_name = OnceLock::new();
                    return Ok(Self { options, fetcher, mirror, others, table, table_of_other_name });
                }
                Err(error) => failures.push(MirrorFailure { mirror, error }),
            }
        }
        if failures.is_empty() {
            return Err(ArchiveError::NoMirror(suite.to_owned()));
        }
        Err(ArchiveError::AllMirrorsFailed { suite: suite.to_owned(), failures })
    }

    /// The mirror in use.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The suite's signed table of contents.
    pub fn release(&self) -> &Release {
        &self.table.release
    }

    /// A remark for the user if the mirror is between two updates: an index was found through the suite's
    /// other name.
    pub fn note(&self) -> Option<String> {
        let other = self.table_of_other_name.get()?.as_ref()?;
        let (asked, date) = (&self.table.suite, &self.table.release.date);
        Some(format!(
            "the mirror is in the middle of an update: its `{asked}` of {date} lists indexes that it does not have; using those from `{}` of {} instead, which is also signed",
            other.suite, other.release.date
        ))
    }

    /// The packages of component `main` for a CPU by Debian's name: `amd64`, `riscv64`…
    pub fn packages(&self, architecture: &str) -> Result<PackageIndex, ArchiveError> {
        let directory = self.indexes();
        let name = format!("binary-{architecture}/Packages");
        let listed = |name: &str| self.table.release.file(&format!("main/{name}"));
        let compressed = format!("{name}.xz");
        if let (Some(text), Some(index)) = (listed(&name), listed(&compressed))
            && let Some(text) = indexes::copy(&directory, text)
        {
            return Ok(PackageIndex::checked(text, index.sha256));
        }
        let (file, sha256) = self.index(&compressed, architecture)?;
        let index = PackageIndex::read_xz(file, sha256)
            .map_err(|source| ArchiveError::Packages { architecture: architecture.to_owned(), source })?;
        if listed(&name).is_some() {
            // Without a copy the next reader takes longer.
            let _ = indexes::keep(&directory, index.text());
        }
        Ok(index)
    }

    /// Which packages of component `main` have the wanted files, for a CPU by Debian's name.
    pub fn contents(
        &self,
        architecture: &str,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Contents, ArchiveError> {
        let (file, _) = self.index(&format!("Contents-{architecture}.gz"), architecture)?;
        Contents::read_gz(file, wanted)
            .map_err(|source| ArchiveError::Contents { architecture: architecture.to_owned(), source })
    }

    /// The source packages of component `main` with a wanted name, every version that the suite has.
    pub fn sources(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Source>, ArchiveError> {
        let (file, _) = self.index("source/Sources.xz", "source")?;
        sources::read_xz(file, wanted)
            .map_err(|source| ArchiveError::Packages { architecture: "source".to_owned(), source })
    }

    /// Fetches one file of a source package to `dest` from the first mirror that has it, and checks it.
    pub fn download_source(
        &self,
        source: &Source,
        file: &SourceFile,
        dest: &Path,
    ) -> Result<(), ArchiveError> {
        let path = format!("{}/{}", source.directory, file.name);
        self.fetch_from_any(&path, dest, FileDigest { size: file.size, sha256: file.sha256 })
    }

    /// An index of component `main`, checked, by its path in that component's directory. A mirror between two
    /// updates can have a new table and old indexes. Then the table under the suite's other name (`stable`
    /// for `trixie`) may still be the one that they belong to.
    fn index(&self, name: &str, architecture: &str) -> Result<(File, Digest), ArchiveError> {
        match self.index_by(&self.table, name, architecture) {
            Err(ArchiveError::Fetch(error)) if error.is_the_mirrors_fault() => self
                .other_table()
                .and_then(|table| self.index_by(table, name, architecture).ok())
                .ok_or(error.into()),
            other => other,
        }
    }

    fn other_table(&self) -> Option<&Table> {
        let open = || {
            let Release { suite, codename, .. } = &self.table.release;
            let other = if self.table.suite == *codename { suite } else { codename };
            let usable = *other != self.table.suite && is_suite(other);
            let table = usable.then(|| vouched(&self.options, &self.fetcher, &self.mirror, other))?.ok()?;
            // After a release `stable` is a different suite.
            (table.release.codename == *codename).then_some(table)
        };
        self.table_of_other_name.get_or_init(open).as_ref()
    }

    /// Where indexes are kept.
    fn indexes(&self) -> PathBuf {
        self.options.cache.join("indexes")
    }

    fn index_by(
        &self,
        table: &Table,
        name: &str,
        architecture: &str,
    ) -> Result<(File, Digest), ArchiveError> {
        let Table { suite, release, .. } = table;
        let no_architecture = || ArchiveError::NoArchitecture {
            suite: suite.clone(),
            architecture: architecture.to_owned(),
            available: release.architectures.join(" "),
        };
        let expected = release.file(&format!("main/{name}")).ok_or_else(no_architecture)?;
        let sha256 = expected.sha256;
        let extension = name.rsplit('.').next().unwrap_or_default();
        let dest = self.indexes().join(format!("{sha256}.{extension}"));
        let directory = format!("dists/{suite}/main");
        let fetch =
            |path: String| self.fetcher.fetch_to_file(&self.mirror.join(&path), &dest, Some(expected));
        let by_name = || fetch(format!("{directory}/{name}"));
        if release.by_hash {
            let within = name.rsplit_once('/').map(|(within, _)| format!("/{within}")).unwrap_or_default();
            let by_hash = fetch(format!("{directory}{within}/by-hash/SHA256/{sha256}"));
            match by_hash {
                Err(FetchError::NotFound { .. }) => by_name()?, // partial mirrors leave these directories out
                other => other?,
            };
        } else {
            by_name()?;
        }
        let file = File::open(&dest).map_err(|source| FetchError::Io { path: dest.clone(), source })?;
        indexes::used(&file);
        Ok((file, sha256))
    }

    /// Fetches a whole package, unless it is in the cache, and checks it; returns its path in the cache.
    pub fn download(&self, package: &Package) -> Result<PathBuf, ArchiveError> {
        let dest = self.cached_deb(package);
        self.fetch_from_any(
            &package.filename,
            &dest,
            FileDigest { size: package.size, sha256: package.sha256 },
        )?;
        Ok(dest)
    }

    /// How much of `packages` is not in the cache, in bytes.
    pub fn left_to_fetch<'p>(&self, packages: impl IntoIterator<Item = &'p Package>) -> u64 {
        let left = packages.into_iter().filter(|package| !self.cached_deb(package).exists());
        left.map(|package| package.size).sum()
    }

    /// Fetches the file at `path` of the archive from the first mirror where it matches `expected`.
    fn fetch_from_any(&self, path: &str, dest: &Path, expected: FileDigest) -> Result<(), ArchiveError> {
        let mut first = None;
        // If the other table led to an index, packages belong to that table too.
        let table = self.table_of_other_name.get().and_then(Option::as_ref).unwrap_or(&self.table);
        let others = self.others.iter().flat_map(|other| other.making_up_for(&table.release));
        for mirror in std::iter::once(self.mirror.clone()).chain(others) {
            match self.fetcher.fetch_to_file(&mirror.join(path), dest, Some(expected)) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_the_mirrors_fault() => first = first.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
        let nowhere = || FetchError::NotFound { location: self.mirror.join(path) };
        Err(first.unwrap_or_else(nowhere).into())
    }

    /// Reads one pinned file of a package: from the cache, by a few ranged reads, or from the whole package.
    pub fn member(&self, package: &Package, member: &Member) -> Result<MemberBytes, ArchiveError> {
        let cached = self.cached_deb(package);
        if !cached.exists() {
            let url = self.mirror.join(&package.filename);
            match ranged::read_member(&self.fetcher, &url, package.size, member) {
                Err(RangedError::RangesUnsupported { .. } | RangedError::Fetch(_)) => {}
                other => return other.map_err(ArchiveError::Member),
            }
        }
        let fetched = if cached.exists() { 0 } else { package.size };
        let path = self.download(package)?;
        let bytes = Deb::open(&path)?.read(&member.path, member.size)?;
        let bytes = bytes.ok_or_else(|| ArchiveError::NoMember {
            package: package.name.clone(),
            version: package.version.clone(),
            path: member.path.clone(),
        })?;
        let computed = digest::of(&bytes);
        if computed != member.sha256 {
            return Err(ArchiveError::Member(RangedError::Mismatch {
                location: path.display().to_string(),
                member: member.path.clone(),
                expected: member.sha256,
                computed,
            }));
        }
        Ok(MemberBytes { bytes, tar_offset: None, fetched })
    }

    /// Why `package`, found in `index`, is trusted.
    pub fn provenance(&self, index: &PackageIndex, package: &Package) -> Provenance {
        let other = self.table_of_other_name.get().and_then(Option::as_ref);
        let table = other.filter(|table| table.release.lists(index.sha256)).unwrap_or(&self.table);
        Provenance {
            mirror_url: Some(self.mirror.base.clone()),
            suite: self.table.suite.clone(),
            inrelease_sha256: table.inrelease_sha256,
            signed_by: table.signed_by.clone(),
            packages_sha256: index.sha256,
            deb: package.filename.clone(),
            deb_sha256: package.sha256,
        }
    }

    fn cached_deb(&self, package: &Package) -> PathBuf {
        self.options.cache.join("debs").join(format!("{}.deb", package.sha256))
    }
}

/// Fetches and checks the table of contents of `suite` on one mirror.
fn vouched(
    options: &ArchiveOptions<'_>,
    fetcher: &Fetcher<'_>,
    mirror: &Mirror,
    suite: &str,
) -> Result<Table, ArchiveError> {
    let location = mirror.join(&format!("dists/{suite}/InRelease"));
    let kept = options.cache.join("releases").join(digest::of(location.as_bytes()).to_string());
    let is_local = Location::parse(&location)?.is_local();
    let document = match fs::read(&kept) {
        Ok(document) if fetcher.is_offline() && !is_local => document,
        _ => fetcher.fetch_bytes(&location, MAX_INRELEASE)?,
    };
    let signed = signature::verify(&document, &options.keyring, options.now)
        .map_err(|source| ArchiveError::Signature { location: location.clone(), source })?;
    let unusable = |source| ArchiveError::Release { location: location.clone(), source };
    let release = Release::parse(&signed.text).map_err(unusable)?;
    release.check_suite(suite).map_err(unusable)?;
    if !options.allow_stale {
        // A snapshot is as old as its timestamp, and must have been valid then.
        let snapshot = parse_timestamp(SNAPSHOT_TIMESTAMP).filter(|_| mirror.origin == Origin::Snapshot);
        release.check_fresh(snapshot.unwrap_or(options.now)).map_err(unusable)?;
    }
    if !fetcher.is_offline() && !is_local {
        keep(&kept, &document)?;
    }
    Ok(Table {
        suite: suite.to_owned(),
        release,
        inrelease_sha256: digest::of(&document),
        signed_by: signed.fingerprints,
    })
}

/// Keeps a checked `InRelease` for offline runs, which check it again.
fn keep(path: &Path, document: &[u8]) -> Result<(), FetchError> {
    let wrap = |error| FetchError::from_io(path, error);
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(wrap)?;
    // Each writer uses its own temporary name: two threads may open the same suite.
    let mut temporary = NamedTempFile::new_in(directory).map_err(wrap)?;
    temporary.write_all(document).map_err(wrap)?;
    temporary.persist(path).map(drop).map_err(|error| wrap(error.error))
}

/// Whether a suite's name is a single directory below `dists`, as the names of Debian's suites are.
fn is_suite(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '+'))
}
