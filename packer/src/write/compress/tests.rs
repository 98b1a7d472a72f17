//! Of compressing: the same bytes by any way, and what is kept.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::*;

/// Texts of a megabyte, each with numbers of its own.
fn input() -> Uncompressed {
    let text = |seed: u32| -> Vec<u8> {
        let line = |at: u32| (seed.wrapping_add(at).wrapping_mul(2_654_435_761)).to_string() + " of many\n";
        (0..60_000).flat_map(|at| line(at).into_bytes()).collect()
    };
    let frames = (0..5).map(|seed| text(seed * 7_000).into()).collect();
    Uncompressed { encoding: Encoding::TarZstd, frames, directories: 1, links: 1 }
}

fn of(frames: &[Content]) -> Digest {
    Content::of_parts(frames.iter().cloned()).digest().expect("memory is read")
}

fn bytes(input: &Uncompressed, store: Option<&Store>, threads: usize) -> Vec<u8> {
    let turns = Turns::new(threads, 1 << 30);
    let made = blob_by(input, How { level: 9, store, bar: None }, &turns).expect("it is compressed");
    assert_eq!(made.digest, of(&input.frames));
    made.stored.bytes().expect("a file is read")
}

#[test]
fn one_two_and_four_threads_make_the_same_bytes() {
    let input = input();
    let one = bytes(&input, None, 1);
    for threads in [2, 4] {
        assert!(bytes(&input, None, threads) == one, "{threads} threads");
    }
}

#[test]
fn what_is_remembered_is_what_would_be_made_and_what_is_damaged_is_made_again() {
    let input = input();
    let fresh = bytes(&input, None, 2);
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    assert!(bytes(&input, Some(&store), 2) == fresh);
    let files = || -> Vec<_> {
        let entries = fs::read_dir(directory.path().join("compressed")).expect("it was made");
        entries.map(|entry| entry.expect("it is read").path()).collect()
    };
    assert_eq!(files().len(), input.frames.len());
    let modified = |path| fs::metadata(path).and_then(|found| found.modified()).expect("it is there");
    let written: Vec<_> = files().into_iter().map(modified).collect();
    assert!(bytes(&input, Some(&store), 2) == fresh);
    assert!(files().into_iter().map(modified).ne(written), "each was used");
    for (number, path) in files().into_iter().enumerate() {
        let mut frame = fs::read(&path).expect("it is read");
        let at = frame.len() * number / input.frames.len();
        frame[at] ^= 1;
        fs::write(&path, &frame).expect("tampered");
        assert!(bytes(&input, Some(&store), 2) == fresh, "byte {at}");
        assert!(fs::read(&path).expect("it is there again") != frame);
    }
}

#[test]
fn what_was_read_back_is_known_the_next_time_as_the_same_blob_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let turns = Turns::new(2, 1 << 30);
    let known = |input: &Uncompressed, level| {
        let made = blob_by(input, How { level, store: Some(&store), bar: None }, &turns);
        let made = made.expect("it is compressed");
        assert_eq!(made.digest, of(&input.frames));
        made.remembered.expect("there is a store")
    };
    let (app, root) = (Encoding::TarZstd, Encoding::Root);
    let first = known(&input(), 9);
    assert!(!first.was_read_back(app));
    first.note(root);
    assert!(!known(&input(), 9).was_read_back(app), "it was read back as something else");
    first.note(app);
    let again = known(&input(), 9);
    assert!(again.was_read_back(app) && !again.was_read_back(root));
    let mut others = [0, 1, 2, 3].map(|_| input());
    others[0].encoding = root;
    others[1].links = 0;
    others[2].frames.swap(1, 2);
    others[3].frames[2] = Content::from(b"other".to_vec());
    for (number, other) in others.iter().enumerate() {
        let other = known(other, 9);
        assert!(!other.was_read_back(app) && !other.was_read_back(root), "{number}");
    }
    assert!(!known(&input(), 8).was_read_back(app));
    again.forget();
    let frames = || store.kept().expect("it is read").len();
    let before = frames();
    assert!(!known(&input(), 9).was_read_back(app), "what is made again is read back again");
    assert_eq!(frames(), before + input().frames.len());
    let other = [Digest([1; 32]), Digest([2; 32])];
    store.put_read_back(first.key, other).expect("it is noted");
    assert!(!known(&input(), 9).was_read_back(app), "of another table, with another digest");
}

#[test]
fn what_changes_while_it_is_read_is_kept_as_it_was_read() {
    // Whoever reads it twice finds something else.
    let file = Arc::new(File::open("/dev/urandom").expect("there is one"));
    let frames = vec![Content::File { file, offset: 0, length: KEPT_MIN }];
    let input = Uncompressed { frames, encoding: Encoding::Zstd, directories: 0, links: 0 };
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let made = blob(&input, How { level: 3, store: Some(&store), bar: None }).expect("it is compressed");
    let [kept] = &store.kept().expect("it is read")[..] else { panic!("one frame is kept") };
    let name = kept.path.file_name().and_then(|name| name.to_str()).expect("a name");
    let mut unpacked = Hashing::new(io::sink());
    let mut frame = zstd_frame::decoder(File::open(&kept.path).expect("it is there")).expect("a decoder");
    io::copy(&mut frame, &mut unpacked).expect("it is whole");
    assert_eq!(unpacked.finish().2, made.digest);
    assert!(name.starts_with(&made.digest.to_string()), "{name}");
}

#[test]
fn of_what_cannot_be_read_the_cause_is_told_and_nothing_is_done_after_it() {
    let file = |name: &str| Arc::new(File::open(name).expect("it is there"));
    let shorter = Content::File { file: file("/dev/null"), offset: 0, length: 1 };
    let long = || Content::File { file: file("/dev/zero"), offset: 0, length: 32 << 20 };
    let frames = vec![long(), shorter, long(), long()];
    let input = Uncompressed { frames, ..input() };
    for threads in [1, 4] {
        let turns = Turns::new(threads, 1 << 30);
        let error = blob_by(&input, How { level: 1, store: None, bar: None }, &turns);
        let kind = error.expect_err("it is shorter than it was").kind();
        assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{threads} threads");
    }
}

#[test]
fn a_thousand_frames_need_few_descriptors() {
    const INSIDE: &str = "UNIBIN_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(INSIDE).is_none() {
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", "ulimit -n 128; exec \"$0\" --exact \"$1\""]);
        limited.arg(std::env::current_exe().expect("this program"));
        limited.arg("write::compress::tests::a_thousand_frames_need_few_descriptors").env(INSIDE, "1");
        return assert!(limited.status().expect("it is run").success());
    }
    let file = Arc::new(atomic_file::nameless().expect("a file"));
    let frames = (0..1000u64).map(|number| {
        let (file, offset, length) = (Arc::clone(&file), number * KEPT_MIN, KEPT_MIN);
        file.write_all_at(&number.to_le_bytes(), offset + length - 8).expect("it grows");
        Content::File { file, offset, length }
    });
    let input = Uncompressed { frames: frames.collect(), ..input() };
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    // All are new; then all are there.
    let first = bytes(&input, Some(&store), 2);
    assert_eq!(store.kept().expect("it is read").len(), input.frames.len());
    assert!(bytes(&input, Some(&store), 2) == first);
}

#[test]
fn what_is_short_is_not_kept_and_what_is_empty_is_a_blob() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    for input in [Content::from(Vec::new()), Content::from(vec![1; 1000])] {
        let made = blob(&Uncompressed::file(&input), How { level: 3, store: Some(&store), bar: None });
        assert_eq!(made.expect("it is compressed").digest, input.digest().expect("memory is read"));
    }
    assert!(!directory.path().join("compressed").exists());
}
