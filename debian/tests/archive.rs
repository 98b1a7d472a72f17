//! The whole way against the machine's real Debian mirror: suites, indexes, packages, members.
//! Where none can be reached, they say that they did not run.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use debian::release::ReleaseError;
use debian::{
    Archive, ArchiveError, ArchiveOptions, Deb, DebEntry, DebError, DebKind, FetchOptions, Fetcher, Member,
    MirrorSources, PackageIndex, Provenance, RangedError, Silent, digest,
};
use end_to_end::{needs, there};

const NEEDS_MIRROR: &str = "this test needs the Debian mirror of the machine's apt sources";

fn options(cache: &Path) -> ArchiveOptions<'static> {
    let mut options = ArchiveOptions::new(cache.to_owned(), &Silent);
    options.mirrors.snapshot = false;
    options
}

/// Some tests share this cache, so that the large package is fetched once per run.
fn shared_cache() -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

#[test]
fn a_static_busybox_for_riscv64_comes_out_whole_and_runs_the_chain_of_trust() {
    needs!("apt-mirror");
    let cache = shared_cache();
    let archive = Archive::open(options(&cache), "trixie").expect(NEEDS_MIRROR);
    let index = archive.packages("riscv64").expect("index");
    assert!(index.len() > 50_000, "{}", index.len());
    assert!(index.find("busybox-statik").is_none());
    assert!(index.did_you_mean("busybox-statik").contains(&"busybox-static"));
    let package = index.find("busybox-static").expect("package");
    assert_eq!((package.source.as_str(), package.architecture.as_str()), ("busybox", "riscv64"));
    assert!(package.built_using.contains("glibc"));

    let Some(path) = there(archive.download(package)) else { return };
    let deb = Deb::open(&path).expect("package");
    assert!(deb.control().expect("control").contains("Package: busybox-static\n"));
    let busybox = deb.read("usr/bin/busybox", 1 << 24).expect("readable").expect("present");
    // ELF, 64-bit, little-endian, machine 243 = RISC-V (System V ABI, e_machine).
    assert_eq!((&busybox[..6], &busybox[18..20]), (&b"\x7fELF\x02\x01"[..], &[243, 0][..]));
    assert!(deb.read("usr/bin/none", 1 << 24).expect("readable").is_none());
    assert!(matches!(deb.read("usr/bin/busybox", 10), Err(DebError::Entry { .. })));
    let mut kinds = (0, 0, 0);
    deb.entries(|entry: DebEntry<'_>| {
        match entry.kind {
            DebKind::File => kinds.0 += 1,
            DebKind::Dir => kinds.1 += 1,
            _ => kinds.2 += 1,
        }
        Ok::<_, DebError>(ControlFlow::Continue(()))
    })
    .expect("entries");
    assert!(kinds.0 > 3 && kinds.1 > 3, "{kinds:?}");

    let provenance = archive.provenance(&index, package);
    let json = serde_json::to_string(&provenance).expect("json");
    assert_eq!(serde_json::from_str::<Provenance>(&json).expect("json"), provenance);
    assert_eq!(provenance.deb_sha256, digest::of(&fs::read(&path).expect("file")));
    assert!(!provenance.signed_by.is_empty());

    // A damaged cache entry is not believed but fetched again.
    let mut damaged = fs::read(&path).expect("file");
    damaged[1000] ^= 1;
    fs::write(&path, damaged).expect("write");
    archive.download(package).expect("download");
    assert_eq!(provenance.deb_sha256, digest::of(&fs::read(&path).expect("file")));
}

#[test]
fn an_index_that_was_read_before_is_the_same_and_a_damaged_copy_of_it_is_not_taken() {
    needs!("apt-mirror");
    let cache = tempfile::tempdir().expect("a directory");
    let all = || {
        let archive = Archive::open(options(cache.path()), "trixie").expect(NEEDS_MIRROR);
        let index = archive.packages("riscv64").expect("index");
        let providers: Vec<_> = index.providers("awk").map(|package| package.name.clone()).collect();
        assert!(providers.iter().any(|name| name == "mawk"), "{providers:?}");
        (index.sha256, index.len(), providers, index.newest().cloned().collect::<Vec<_>>())
    };
    let copy = || {
        let indexes = fs::read_dir(cache.path().join("indexes")).expect("indexes");
        let mut copies = indexes.map(|index| index.expect("an index").path());
        copies.find(|path| path.extension().is_some_and(|extension| extension == "zst")).expect("a copy")
    };
    let first = all();
    assert!(first.1 > 50_000 && first.3.len() <= first.1);
    let whole = fs::read(copy()).expect("the copy");
    assert!(all() == first, "by the copy");
    fs::write(copy(), &whole[..whole.len() / 2]).expect("written");
    assert!(all() == first, "half of it was not taken");
    assert_eq!(fs::read(copy()).expect("the copy"), whole, "and it was made anew");
}

#[test]
fn a_member_read_in_parts_is_the_member_of_the_whole_package() {
    needs!("apt-mirror");
    let cache = shared_cache();
    let archive = Archive::open(options(&cache), "trixie").expect(NEEDS_MIRROR);
    let index = archive.packages("amd64").expect("index");
    let package = index.find("qemu-user").expect("package");
    let Some(whole) = there(archive.download(package)) else { return };
    let whole = Deb::open(&whole).expect("package");
    let mut digests = Vec::new();
    let visit = |mut entry: DebEntry<'_>| {
        let found = digest::copy(&mut entry.reader, &mut io::sink()).expect("a file of the package");
        digests.push((entry.path, found.size, found.sha256));
        Ok::<_, DebError>(ControlFlow::Continue(()))
    };
    whole.entries(visit).expect("entries");
    let url = archive.mirror().join(&package.filename);
    let fetcher = Fetcher::new(FetchOptions::default(), &Silent);
    let read = |member: &Member| debian::ranged::read_member(&fetcher, &url, package.size, member);

    for name in ["usr/bin/qemu-riscv64", "usr/bin/qemu-aarch64", "usr/bin/qemu-xtensaeb"] {
        let (_, size, sha256) = digests.iter().find(|(path, ..)| path == name.as_bytes()).expect(name);
        let mut member = Member { path: name.into(), size: *size, sha256: *sha256, tar_offset: None };
        let found = read(&member).expect(name);
        assert_eq!(digest::of(&found.bytes), *sha256);
        assert!(found.fetched < package.size / 2, "{name}: {} of {} bytes", found.fetched, package.size);
        member.tar_offset = found.tar_offset;
        let again = read(&member).expect(name);
        assert_eq!(again.bytes, found.bytes);
        assert!(again.fetched < found.fetched, "{name}: {} and {} bytes", again.fetched, found.fetched);
        let report = format!(
            "{name}: {} bytes; fetched {} of {} by search, {} by offset",
            size, found.fetched, package.size, again.fetched
        );
        std::io::Write::write_all(&mut std::io::stderr(), format!("{report}\n").as_bytes()).expect("stderr");
        if name != "usr/bin/qemu-riscv64" {
            continue;
        }
        member.tar_offset = Some(512 * 1001);
        assert_eq!(read(&member).expect("a wrong offset only costs a read").bytes, found.bytes);
        member.sha256 = digest::of(b"");
        assert!(matches!(read(&member), Err(RangedError::Mismatch { .. })));
        member.size += 1;
        assert!(matches!(read(&member), Err(RangedError::Size { .. })));
    }
    let (path, size) = ("usr/bin/qemu-none".to_owned(), 1);
    let none = Member { path, size, sha256: digest::of(b""), tar_offset: None };
    assert!(matches!(read(&none), Err(RangedError::RangesUnsupported { .. })));
    assert!(matches!(archive.member(package, &none), Err(ArchiveError::NoMember { .. })));
}

#[test]
fn an_index_that_ends_too_early_is_refused_with_what_to_do() {
    // The header of an xz stream, and nothing after it.
    let cut = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46";
    let source = PackageIndex::read_xz(&cut[..], digest::of(cut)).expect_err("half an index was taken");
    let error = ArchiveError::Packages { architecture: "riscv64".into(), source };
    assert!(error.hint().is_some_and(|hint| hint.contains("another suite")), "{error}");
}

#[test]
fn a_stale_suite_is_refused_unless_it_is_allowed() {
    needs!("apt-mirror");
    let cache = tempfile::tempdir().expect("directory");
    // Debian's sid is valid for a week; a month after its date it is stale by any clock.
    let mut later = options(cache.path());
    later.now += Duration::from_hours(24 * 60);
    let Err(ArchiveError::AllMirrorsFailed { failures, .. }) = Archive::open(later, "sid") else {
        panic!("a stale index was accepted");
    };
    let stale = |error: &ArchiveError| {
        matches!(error, ArchiveError::Release { source: ReleaseError::StaleIndex { .. }, .. })
    };
    assert!(failures.iter().any(|failure| stale(&failure.error)), "{NEEDS_MIRROR}: {failures:?}");

    let mut allowed = options(cache.path());
    allowed.now += Duration::from_hours(24 * 60);
    allowed.allow_stale = true;
    let archive = Archive::open(allowed, "sid").expect(NEEDS_MIRROR);
    assert!(archive.release().architectures.iter().any(|name| name == "loong64"));
    let missing = archive.packages("vax").expect_err("no such CPU");
    assert!(missing.to_string().contains("loong64"), "{missing}");
}

#[test]
fn without_network_only_what_was_fetched_is_there() {
    needs!("apt-mirror");
    let cache = tempfile::tempdir().expect("directory");
    let offline = || {
        let mut options = options(cache.path());
        options.fetch.offline = true;
        options
    };
    let Err(error) = Archive::open(offline(), "trixie") else { panic!("opened an archive from nowhere") };
    assert!(error.to_string().contains("network access is disabled"), "{error}");
    assert!(error.hint().is_some());

    let online = Archive::open(options(cache.path()), "trixie").expect(NEEDS_MIRROR);
    let package = online.packages("riscv64").expect("index").find("busybox-static").expect("package").clone();
    if there(online.download(&package)).is_none() {
        return;
    }
    let archive = Archive::open(offline(), "trixie").expect("from the cache");
    assert_eq!(archive.packages("riscv64").expect("index").find("busybox-static"), Some(&package));
    archive.download(&package).expect("from the cache");
    assert!(archive.packages("s390x").is_err());
}

#[test]
fn every_mirror_that_fails_is_named_with_its_reason_and_a_directory_is_a_mirror_too() {
    needs!("apt-mirror");
    let work = tempfile::tempdir().expect("directory");
    let (empty, bad, good) = (work.path().join("empty"), work.path().join("bad"), work.path().join("good"));
    let online = Archive::open(options(&work.path().join("cache")), "trixie").expect(NEEDS_MIRROR);
    let fetcher = Fetcher::new(FetchOptions::default(), &Silent);
    let location = online.mirror().join("dists/trixie/InRelease");
    let mut document = fetcher.fetch_bytes(&location, 1 << 24).expect(NEEDS_MIRROR);
    fs::create_dir_all(good.join("dists/trixie")).expect("directory");
    fs::write(good.join("dists/trixie/InRelease"), &document).expect("file");
    // The same signed table under another suite's name: the keys are right, the suite is not.
    fs::create_dir_all(good.join("dists/bookworm")).expect("directory");
    fs::write(good.join("dists/bookworm/InRelease"), &document).expect("file");
    document[100] ^= 1;
    fs::create_dir_all(bad.join("dists/trixie")).expect("directory");
    fs::write(bad.join("dists/trixie/InRelease"), &document).expect("file");

    let from = |directories: &[&Path]| {
        let mut options = options(&work.path().join("cache2"));
        let arguments = directories.iter().map(|directory| directory.display().to_string()).collect();
        options.mirrors = MirrorSources { arguments, apt_root: None, snapshot: false, ..Default::default() };
        options.fetch.offline = true;
        options.now = SystemTime::now();
        options
    };
    let Err(error) = Archive::open(from(&[&empty, &bad]), "trixie") else { panic!("opened nothing") };
    let text = error.to_string();
    assert!(text.contains("does not exist") && text.contains("is bad"), "{text}");
    assert!(error.hint().is_some_and(|hint| hint.contains("proxy")), "the hint of the graver failure");
    let Err(error) = Archive::open(from(&[&good]), "bookworm") else { panic!("took trixie for bookworm") };
    assert!(error.to_string().contains("asked for suite `bookworm`"), "{error}");
    assert!(matches!(Archive::open(from(&[]), "trixie"), Err(ArchiveError::NoMirror(_))));
    assert!(matches!(Archive::open(from(&[&good]), "../trixie"), Err(ArchiveError::BadSuite(_))));
    let archive = Archive::open(from(&[&empty, &bad, &good]), "trixie").expect("the third directory");
    assert_eq!(archive.mirror().base, good.display().to_string());
}

#[test]
fn an_index_that_a_mirror_has_not_updated_yet_is_taken_by_the_table_of_the_suites_other_name() {
    needs!("apt-mirror");
    let work = tempfile::tempdir().expect("directory");
    let online = Archive::open(options(&work.path().join("cache")), "stable").expect(NEEDS_MIRROR);
    let codename = online.release().codename.clone();
    let fetcher = Fetcher::new(FetchOptions::default(), &Silent);
    let copy = |from: &str, to: &str| {
        let to = work.path().join("mirror").join(to);
        fs::create_dir_all(to.parent().expect("a directory")).expect("directory");
        fetcher.fetch_to_file(&online.mirror().join(from), &to, None).expect(NEEDS_MIRROR);
        to
    };
    copy(&format!("dists/{codename}/InRelease"), &format!("dists/{codename}/InRelease"));
    let index = "main/binary-s390x/Packages.xz";
    let half = copy(&format!("dists/stable/{index}"), &format!("dists/{codename}/{index}"));
    let length = fs::metadata(&half).expect("index").len();
    fs::File::options().write(true).open(&half).and_then(|file| file.set_len(length / 2)).expect("cut");

    let mut options = options(&work.path().join("cache2"));
    let mirror = work.path().join("mirror").display().to_string();
    options.mirrors =
        MirrorSources { arguments: vec![mirror], apt_root: None, snapshot: false, ..Default::default() };
    options.fetch.offline = true;
    let open = || Archive::open(options.clone(), &codename);
    let archive = open().expect("the table");
    let half = archive.packages("s390x").expect_err("half an index was taken");
    assert!(half.hint().is_some_and(|hint| hint.contains("another mirror")), "{half}");
    assert_eq!(archive.note(), None);

    copy("dists/stable/InRelease", "dists/stable/InRelease");
    copy(&format!("dists/stable/{index}"), &format!("dists/stable/{index}"));
    let archive = open().expect("the table");
    let index = archive.packages("s390x").expect("by the other table");
    assert!(archive.note().expect("a note").contains("in the middle of an update"));
    let package = index.find("hello").expect("package");
    let table = fs::read(work.path().join("mirror/dists/stable/InRelease")).expect("table");
    assert_eq!(archive.provenance(&index, package).inrelease_sha256, digest::of(&table));
}
