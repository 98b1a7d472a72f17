//! The base URLs of a Debian archive, in the order in which they are asked: those given, those of the
//! environment, the machine's own apt sources, and last the Debian snapshot archive, the only host name in
//! this code. A mirror is only a place to ask, never a reason to trust. Ignores sources without component
//! `main`, and the security archives, which do not have all packages.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::release::Release;
use crate::stanza::stanzas;

/// The timestamp of the snapshot archive that is used if no mirror answers: after the release of Debian 13.7
/// (trixie). Renewed by hand, together with the catalogue of emulators.
pub const SNAPSHOT_TIMESTAMP: &str = "20261101T000000Z";

/// The snapshot archive's base, before the timestamp (<https://snapshot.debian.org/>).
const SNAPSHOT_BASE: &str = "https://snapshot.debian.org/archive/debian/";

/// Where a mirror's URL comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Named by the caller's argument.
    Argument,
    /// Named by the caller's environment or configuration.
    Environment,
    /// Found in this file of the machine's apt sources.
    AptSources(PathBuf),
    /// The Debian snapshot archive: at [`SNAPSHOT_TIMESTAMP`], or at the date of another mirror's table, to
    /// fill its gaps.
    Snapshot,
}

/// A mirror of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// URL (`http`, `https`, `file`) or directory, without a slash at its end; holds `dists/` and `pool/`.
    pub base: String,
    /// Where the URL comes from.
    pub origin: Origin,
}

impl Mirror {
    /// The URL or path of `path` (relative, as the indexes give it) on this mirror.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The mirrors to ask for files that the table of `release` lists: this one, then the snapshot archive,
    /// first as of the date of the table. At each timestamp the snapshot archive has only what some suite
    /// listed at that time.
    pub(crate) fn making_up_for(&self, release: &Release) -> impl Iterator<Item = Self> {
        let timestamp = release.end_of_its_day().filter(|_| self.origin == Origin::Snapshot);
        let of_its_day = timestamp.map(|moment| Self { base: snapshot_base(&moment), ..self.clone() });
        of_its_day.into_iter().chain([self.clone()])
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Argument => write!(f, "{}", self.base),
            Origin::Environment => write!(f, "{} (environment)", self.base),
            Origin::AptSources(file) => write!(f, "{} ({})", self.base, file.display()),
            Origin::Snapshot => write!(f, "{} (snapshot archive)", self.base),
        }
    }
}

/// The sources of the list of mirrors.
#[derive(Debug, Clone)]
pub struct MirrorSources {
    /// URLs or directories, asked in this order. If there are any, nothing else is asked.
    pub arguments: Vec<String>,
    /// From the caller's environment; used if there are no arguments, and then alone.
    pub environment: Vec<String>,
    /// The root directory whose `etc/apt` is read (`/` on a real machine); `None` reads no apt sources.
    pub apt_root: Option<PathBuf>,
    /// Whether the snapshot archive is asked last.
    pub snapshot: bool,
}

impl Default for MirrorSources {
    fn default() -> Self {
        Self { arguments: Vec::new(), environment: Vec::new(), apt_root: Some("/".into()), snapshot: true }
    }
}

impl MirrorSources {
    /// All mirrors in the order in which to try them, each once. A named mirror is used alone: arguments
    /// exclude everything else, and so does the environment; the machine's own sources are used only without
    /// both. A given mirror with an unknown scheme is kept, so that its user sees the error.
    pub fn mirrors(&self) -> Vec<Mirror> {
        let given = self.arguments.iter().map(|base| (base.clone(), Origin::Argument));
        let environment = self.environment.iter().map(|base| (base.clone(), Origin::Environment));
        let apt = self.apt_root.iter().flat_map(|root| apt_sources(root));
        let snapshot = self.snapshot.then(|| (snapshot_base(SNAPSHOT_TIMESTAMP), Origin::Snapshot));
        let mut seen = HashSet::new();
        let named: Vec<_> = match (&self.arguments[..], &self.environment[..]) {
            ([], []) => apt.chain(snapshot).collect(),
            ([], _) => environment.collect(),
            _ => given.collect(),
        };
        named
            .into_iter()
            .map(|(base, origin)| Mirror { base: trimmed(&base).to_owned(), origin })
            .filter(|mirror| !mirror.base.is_empty() && seen.insert(mirror.base.clone()))
            .collect()
    }

    /// The mirrors to ask for a pinned file: all, with the snapshot archive first as of `timestamp`, when
    /// some suite listed the file.
    pub(crate) fn mirrors_as_of(&self, timestamp: &str) -> Vec<Mirror> {
        let both = |mirror: Mirror| {
            let then = (mirror.origin == Origin::Snapshot)
                .then(|| Mirror { base: snapshot_base(timestamp), ..mirror.clone() });
            then.into_iter().chain([mirror])
        };
        self.mirrors().into_iter().flat_map(both).collect()
    }
}

/// The snapshot archive's base URL at a timestamp.
fn snapshot_base(timestamp: &str) -> String {
    format!("{SNAPSHOT_BASE}{timestamp}")
}

/// The base without trailing slashes; a lone `/` becomes empty, which the caller drops.
fn trimmed(base: &str) -> &str {
    base.trim().trim_end_matches('/')
}

/// One source in apt's files (sources.list(5)), in either of the two formats.
#[derive(Default)]
struct Source {
    types: Vec<String>,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Source {
    fn is_usable(&self) -> bool {
        self.types.iter().any(|kind| kind == "deb")
            && self.components.iter().any(|component| component == "main")
            && !self.suites.iter().all(|suite| is_security(suite))
    }

    fn usable_uris(self) -> Vec<String> {
        if !self.is_usable() {
            return Vec::new();
        }
        self.uris.into_iter().filter(|uri| is_fetchable(uri) && !is_security(trimmed(uri))).collect()
    }
}

/// The names of security archives: suite `trixie-security` (or `buster/updates`), path `debian-security`.
fn is_security(name: &str) -> bool {
    name.ends_with("-security") || name.ends_with("/updates")
}

fn is_fetchable(uri: &str) -> bool {
    ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme))
}

/// Reads `etc/apt/sources.list` and `etc/apt/sources.list.d/*.{list,sources}` under `root`, in apt's own
/// order. Unreadable files count as absent: the machine's apt configuration is a hint, not input of the
/// user's.
fn apt_sources(root: &Path) -> Vec<(String, Origin)> {
    let directory = root.join("etc/apt/sources.list.d");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, root.join("etc/apt/sources.list"));

    let mut found = Vec::new();
    for file in files {
        let Ok(bytes) = fs::read(&file) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let sources = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => text.lines().filter_map(one_line_source).collect(),
            Some("sources") => deb822_sources(&text),
            _ => continue,
        };
        let uris = sources.into_iter().flat_map(Source::usable_uris);
        found.extend(uris.map(|uri| (uri, Origin::AptSources(file.clone()))));
    }
    found
}

/// `deb [ options ] uri suite component…`, or `None` for comments and other lines.
fn one_line_source(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let (kind, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        types: vec![kind.to_owned()],
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
    })
}

fn deb822_sources(text: &str) -> Vec<Source> {
    // sources.list(5): a line that starts with `#` is a comment, also between the lines of a field.
    let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
    let words = |value: Option<&str>| -> Vec<String> {
        value.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    stanzas(text.as_bytes())
        .map_while(Result::ok)
        .filter(|stanza| !matches!(stanza.get("Enabled").map(str::trim), Some("no" | "false")))
        .map(|stanza| Source {
            types: words(stanza.get("Types")),
            uris: words(stanza.get("URIs")),
            suites: words(stanza.get("Suites")),
            components: words(stanza.get("Components")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).expect("directory");
        for (name, text) in files {
            fs::write(root.path().join("etc/apt").join(name), text).expect("file");
        }
        root
    }

    fn bases(root: &Path) -> Vec<String> {
        let sources =
            MirrorSources { apt_root: Some(root.to_owned()), snapshot: false, ..MirrorSources::default() };
        sources.mirrors().into_iter().map(|mirror| mirror.base).collect()
    }

    #[test]
    fn sources_that_hold_no_main_archive_are_skipped() {
        let root = root(&[(
            "sources.list",
            "deb http://a.example/debian trixie contrib\n\
             deb http://b.example/debian-security trixie-security main\n\
             deb http://c.example/debian-security/ trixie main\n\
             deb-src http://d.example/debian trixie main\n\
             deb cdrom:[Debian]/ trixie main\n\
             deb http://flat.example/ ./\n\
             # deb http://e.example/debian trixie main\n\
             deb [arch=amd64 signed-by=/x.gpg] http://f.example/debian/ trixie main # why\n",
        )]);
        assert_eq!(bases(root.path()), ["http://f.example/debian"]);
    }

    #[test]
    fn deb822_sources_give_every_uri_once_unless_disabled() {
        let root = root(&[
            ("sources.list", "deb http://a.example/debian trixie main\n"),
            (
                "sources.list.d/debian.sources",
                "Types: deb deb-src\n# a comment between fields\nURIs: http://a.example/debian/ file:///srv/debian\n \
                 https://b.example/debian\nSuites: trixie trixie-security\nComponents: main\n\n\
                 Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n\
                 Types: deb\nURIs: http://sec.example/debian\nSuites: trixie-security\nComponents: main\n",
            ),
            ("sources.list.d/left.sources.bak", "Types: deb\nURIs: http://bak.example/\nComponents: main\n"),
        ]);
        assert_eq!(
            bases(root.path()),
            ["http://a.example/debian", "file:///srv/debian", "https://b.example/debian"]
        );
    }

    #[test]
    fn a_named_mirror_stands_alone_and_the_snapshot_archive_comes_last() {
        let root = root(&[("sources.list", "deb http://apt.example/debian trixie main\n")]);
        let mut sources = MirrorSources {
            arguments: vec!["/srv/mirror/".into(), "/srv/mirror".into(), "/srv/other".into()],
            environment: vec!["http://env.example/debian".into()],
            apt_root: Some(root.path().to_owned()),
            snapshot: true,
        };
        let bases = |sources: &MirrorSources| {
            sources.mirrors().into_iter().map(|mirror| mirror.base).collect::<Vec<_>>()
        };
        assert_eq!(bases(&sources), ["/srv/mirror", "/srv/other"]);
        sources.arguments.clear();
        assert_eq!(bases(&sources), ["http://env.example/debian"]);
        sources.environment.clear();
        let snapshot = format!("https://snapshot.debian.org/archive/debian/{SNAPSHOT_TIMESTAMP}");
        assert_eq!(bases(&sources), ["http://apt.example/debian", snapshot.as_str()]);
    }

    #[test]
    fn the_snapshot_archive_makes_up_for_a_mirror_as_of_that_mirrors_table() {
        let text = "Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nArchitectures: s390x\n\
            SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/x\n";
        let release = Release::parse(text).expect("a release");
        let sources = MirrorSources { apt_root: None, ..MirrorSources::default() };
        let asked = |mirror: &Mirror| -> Vec<String> {
            mirror.making_up_for(&release).map(|mirror| mirror.base).collect()
        };
        let snapshot = |moment: &str| format!("https://snapshot.debian.org/archive/debian/{moment}");
        let of_its_day_first = [snapshot("20261121T235959Z"), snapshot(SNAPSHOT_TIMESTAMP)];
        assert_eq!(asked(&sources.mirrors()[0]), of_its_day_first);
        let other = Mirror { base: "http://a.example/debian".into(), origin: Origin::Argument };
        assert_eq!(asked(&other), ["http://a.example/debian"]);
    }
}
