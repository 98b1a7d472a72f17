//! Whatever a mirror could send in place of a Debian archive: indexes, their signature, packages.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Component, Path};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use debian::depends::closure;
use debian::release::Release;
use debian::signature::verify;
use debian::{Contents, Deb, DebEntry, DebError, DebKind, Keyring, PackageIndex, digest, relations};

use crate::scratch;

/// `Packages`, and the relations between what it lists.
pub(crate) fn packages(input: &[u8]) {
    let Ok(index) = PackageIndex::read(Cursor::new(input), digest::of(b"")) else { return };
    let Ok(text) = str::from_utf8(input) else { return };
    for name in text.split_ascii_whitespace().take(4) {
        let _ = index.did_you_mean(name);
        index.providers(name).for_each(drop);
        if let Some(package) = index.find(name) {
            let is_below = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
            assert!(is_below(Path::new(&package.filename)), "{}", package.filename);
            relations(&package.depends);
            relations(&package.built_using);
            let _ = closure(&index, &[name]);
        }
    }
}

/// `Release`, and `Contents`, whose lines are simpler still.
pub(crate) fn release(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input)
        && let Ok(release) = Release::parse(text)
    {
        let _ = release.check_suite("trixie");
        let _ = release.check_fresh(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000));
        let _ = release.file("main/binary-amd64/Packages.xz");
    }
    let contents = Contents::read(Cursor::new(input), |path| path.len() > 3).expect("memory can be read");
    contents.holders(b"bash");
}

/// `InRelease`: a text is returned only together with a valid signer.
pub(crate) fn inrelease(input: &[u8]) {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../debian/tests/data/signatures/keyring.gpg");
        Keyring::from_file(Path::new(path)).expect("the tests' keyring")
    });
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    match verify(input, keyring, now) {
        Ok(signed) => assert!(!signed.fingerprints.is_empty()),
        Err(error) => drop((error.to_string(), error.hint())),
    }
}

/// A package: every entry that it yields is inside the tree.
pub(crate) fn deb(input: &[u8]) {
    let Ok(package) = Deb::open(&scratch::file(input)) else { return };
    let _ = package.control();
    let visit = |entry: DebEntry<'_>| {
        let inside = |path: &[u8]| {
            path.first() != Some(&b'/') && path.split(|byte| *byte == b'/').all(|part| part != b"..")
        };
        assert!(inside(&entry.path), "{:?}", entry.path);
        if let DebKind::Hardlink { target } = &entry.kind {
            assert!(inside(target), "{target:?}");
        }
        Ok::<_, DebError>(ControlFlow::Continue(()))
    };
    let _ = package.entries(visit);
    let _ = package.read("usr/bin/app", 1 << 16);
}

/// The index of an xz file, which tells how to fetch single blocks of a package.
pub(crate) fn xz(input: &[u8]) {
    let (length, rest) = crate::format::number(input);
    let Some((header, rest)) = rest.split_at_checked(12) else { return };
    if let Some((index, footer)) = rest.split_at_checked(rest.len().saturating_sub(12)) {
        let _ = debian::xz_index::index_length(footer);
        if let Ok(blocks) = debian::xz_index::blocks(header, index, length) {
            for pair in blocks.windows(2) {
                assert!(pair[0].stored.end <= pair[1].stored.start, "blocks overlap");
                assert_eq!(pair[0].decoded.end, pair[1].decoded.start);
            }
            assert!(blocks.iter().all(|block| block.stored.end <= length));
        }
    }
}
