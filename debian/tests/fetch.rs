//! Fetching from a server on 127.0.0.1 that misbehaves in every way a mirror or a proxy may.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use debian::{FetchError, FetchOptions, Fetcher, FileDigest, Silent, digest};

/// Serves one prepared answer per connection, in order, then refuses connections. Gives its URL and the
/// requests.
fn serve(answers: Vec<Vec<u8>>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/file.deb", listener.local_addr().expect("an address"));
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let _ = sender.send(String::from_utf8_lossy(&request).to_lowercase());
            let _ = stream.write_all(&answer);
        }
    });
    (url, requests)
}

fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body.len(), body)
}

fn fetcher(retries: u32) -> Fetcher<'static> {
    let pause = Duration::from_millis(1);
    let patience = Duration::from_secs(10);
    Fetcher::new(FetchOptions { offline: false, retries, pause, patience }, &Silent)
}

const BODY: &[u8] = b"0123456789abcdef";

fn expected() -> FileDigest {
    FileDigest { size: BODY.len() as u64, sha256: digest::of(BODY) }
}

fn part(dest: &Path) -> std::path::PathBuf {
    dest.with_file_name("dest.part")
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().expect("directory");
    let dest = directory.path().join("dest");
    let short = answer("200 OK", "", BODY.len(), &BODY[..6]);
    let rest = answer("206 Partial Content", "Content-Range: bytes 6-15/16\r\n", 10, &BODY[6..]);
    let (url, requests) = serve(vec![short, rest]);
    assert!(fetcher(0).fetch_to_file(&url, &dest, Some(expected())).is_err());
    assert!(!dest.exists());
    assert_eq!(fs::read(part(&dest)).expect("what arrived"), &BODY[..6]);
    assert_eq!(fetcher(0).fetch_to_file(&url, &dest, Some(expected())).ok(), Some(expected()));
    assert_eq!(fs::read(&dest).expect("file"), BODY);
    assert!(!part(&dest).exists());
    let first = requests.recv().expect("a request");
    assert!(first.contains("accept-encoding: identity") && !first.contains("range:"), "{first}");
    assert!(requests.recv().expect("a request").contains("range: bytes=6-\r\n"));
}

#[test]
fn servers_that_answer_a_range_with_something_else_still_give_the_right_file() {
    let other = answer("206 Partial Content", "Content-Range: bytes 0-15/16\r\n", 16, BODY);
    let unsatisfiable = answer("416 Range Not Satisfiable", "Content-Range: bytes */16\r\n", 0, b"");
    for answers in [vec![ok(BODY)], vec![other, ok(BODY)], vec![unsatisfiable, ok(BODY)]] {
        let directory = tempfile::tempdir().expect("directory");
        let dest = directory.path().join("dest");
        fs::write(part(&dest), &BODY[..6]).expect("write");
        let (url, _requests) = serve(answers);
        fetcher(1).fetch_to_file(&url, &dest, Some(expected())).expect("fetched");
        assert_eq!(fs::read(&dest).expect("file"), BODY);
    }
}

#[test]
fn a_part_of_another_file_is_thrown_away_once() {
    let directory = tempfile::tempdir().expect("directory");
    let dest = directory.path().join("dest");
    fs::write(part(&dest), b"xxxxxx").expect("write");
    let rest = answer("206 Partial Content", "Content-Range: bytes 6-15/16\r\n", 10, &BODY[6..]);
    let (url, _requests) = serve(vec![rest, ok(BODY)]);
    fetcher(0).fetch_to_file(&url, &dest, Some(expected())).expect("fetched");
    assert_eq!(fs::read(&dest).expect("file"), BODY);
}

#[test]
fn a_file_that_is_not_the_pinned_one_never_gets_its_name() {
    let directory = tempfile::tempdir().expect("directory");
    let dest = directory.path().join("dest");
    let (url, _requests) = serve(vec![ok(b"0123456789abcdeX"), ok(b"0123456789abcdefg"), ok(b"0123")]);
    let error = fetcher(0).fetch_to_file(&url, &dest, Some(expected())).expect_err("wrong bytes");
    let (wanted, computed) = (digest::of(BODY), digest::of(b"0123456789abcdeX"));
    let text = error.to_string();
    let lines = format!("\n  expected sha256 {wanted}\n  computed sha256 {computed}");
    assert!(text.ends_with(&lines) && error.hint().is_some(), "{text}");
    let error = fetcher(0).fetch_to_file(&url, &dest, Some(expected())).expect_err("too long");
    assert!(matches!(error, FetchError::TooLong { limit: 16, .. }), "{error}");
    let error = fetcher(0).fetch_to_file(&url, &dest, Some(expected())).expect_err("too short");
    assert!(matches!(error, FetchError::ShortBody { expected: 16, received: 4, .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("another mirror")), "{error}");
    assert!(!dest.exists());
}

#[test]
fn passing_failures_are_tried_again_and_lasting_ones_are_not() {
    let busy = || answer("503 Service Unavailable", "", 0, b"");
    let (url, requests) = serve(vec![busy(), ok(BODY)]);
    assert_eq!(fetcher(1).fetch_bytes(&url, 16).expect("the second answer"), BODY);
    assert_eq!(requests.iter().take(2).count(), 2);

    let (url, _requests) = serve(vec![busy(), busy()]);
    let error = fetcher(1).fetch_bytes(&url, 16).expect_err("busy");
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");

    // A second request would be answered, so that only the first one's answer can end in an error.
    let (url, _requests) = serve(vec![answer("404 Not Found", "", 0, b""), ok(BODY)]);
    let error = fetcher(1).fetch_bytes(&url, 16).expect_err("missing");
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("another mirror")), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_asked_once_more_and_no_third_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/file.deb", listener.local_addr().expect("an address"));
    let pause = Duration::from_millis(1);
    let patience = Duration::from_millis(100);
    let fetcher = Fetcher::new(FetchOptions { offline: false, retries: 3, pause, patience }, &Silent);
    let error = fetcher.fetch_bytes(&url, 16).expect_err("silence");
    assert!(matches!(error, FetchError::Unreachable { .. }) && error.hint().is_some(), "{error}");
    listener.set_nonblocking(true).expect("a listener");
    assert_eq!(std::iter::from_fn(|| listener.accept().ok()).count(), 2);

    // The same for one that falls silent in the middle of a body.
    let half = answer("200 OK", "", BODY.len(), &BODY[..6]);
    listener.set_nonblocking(false).expect("a listener");
    let (sender, requests) = channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.write_all(&half);
            let _ = sender.send(());
            open.push(stream);
        }
    });
    let error = fetcher.fetch_bytes(&url, 16).expect_err("half a body");
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
    assert!(requests.recv().is_ok() && requests.recv().is_ok() && requests.try_recv().is_err());
}

#[test]
fn a_server_that_is_not_there_and_a_network_that_is_off_are_told_apart() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let url = format!("http://127.0.0.1:{port}/x");
    let error = fetcher(1).fetch_bytes(&url, 16).expect_err("nobody listens");
    assert!(
        matches!(error, FetchError::Unreachable { .. }) && error.to_string().contains("refused"),
        "{error}"
    );
    let options = FetchOptions { offline: true, ..FetchOptions::default() };
    let error = Fetcher::new(options, &Silent).fetch_bytes(&url, 16).expect_err("offline");
    assert!(matches!(error, FetchError::Offline { .. }) && error.hint().is_some(), "{error}");
}

#[test]
fn a_server_that_ignores_ranges_is_named_as_such() {
    let (url, _requests) = serve(vec![
        ok(BODY),
        answer("206 Partial Content", "Content-Range: bytes 4-7/16\r\n", 4, &BODY[4..8]),
    ]);
    let error = fetcher(0).parts(&url).fetch(4..8).expect_err("the whole file");
    assert!(matches!(error, FetchError::RangesIgnored { .. }), "{error}");
    assert_eq!(fetcher(0).parts(&url).fetch(4..8).expect("a part"), &BODY[4..8]);
}

#[test]
fn a_part_that_a_server_has_not_now_is_asked_for_again_and_one_that_is_gone_is_not() {
    let part = answer("206 Partial Content", "Content-Range: bytes 4-7/16\r\n", 4, &BODY[4..8]);
    let (busy, gone) = (answer("503 Busy", "", 0, b""), answer("404 Not Found", "", 0, b""));
    let (url, requests) = serve(vec![busy.clone(), busy, part, gone]);
    let error = fetcher(0).parts(&url).fetch(4..8).expect_err("busy");
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");
    assert_eq!(fetcher(1).parts(&url).fetch(4..8).expect("the second answer"), &BODY[4..8]);
    let error = fetcher(1).parts(&url).fetch(4..8).expect_err("gone");
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    assert_eq!(requests.iter().count(), 4);
}

#[test]
fn a_body_beyond_the_limit_is_refused_whether_announced_or_not() {
    let unannounced = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", BODY].concat();
    let (url, _requests) = serve(vec![ok(BODY), unannounced]);
    for _ in 0..2 {
        let error = fetcher(0).fetch_bytes(&url, 15).expect_err("too long");
        assert!(matches!(error, FetchError::TooLong { limit: 15, .. }), "{error}");
    }
}

#[test]
fn local_files_obey_the_same_rules() {
    let directory = tempfile::tempdir().expect("directory");
    let (source, dest) = (directory.path().join("source"), directory.path().join("dest"));
    let url = format!("file://{}", source.display());
    let offline = Fetcher::new(FetchOptions { offline: true, ..FetchOptions::default() }, &Silent);
    let error = offline.fetch_to_file(&url, &dest, Some(expected())).expect_err("no file");
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    fs::write(&source, b"0123456789abcdeX").expect("write");
    let error = offline.fetch_to_file(&url, &dest, Some(expected())).expect_err("another file");
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error}");
    fs::write(&source, BODY).expect("write");
    offline.fetch_to_file(&url, &dest, Some(expected())).expect("the file");
    assert_eq!(fs::read(&dest).expect("file"), BODY);
    assert_eq!(offline.parts(&source.display().to_string()).fetch(4..8).expect("a part"), &BODY[4..8]);
    let error = offline.parts(&url).fetch(8..17).expect_err("past the end");
    assert!(matches!(error, FetchError::ShortBody { expected: 17, received: 16, .. }), "{error}");
}
