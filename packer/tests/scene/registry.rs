//! A registry on 127.0.0.1, as far as pulling an image goes, and in every bad mood that one may have.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::image::{Blob, Image};
use super::server::{Server, bounds, header, request};

/// How it behaves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// It wants the token that `/token` gives.
    pub(crate) token: bool,
    /// Whoever asks for a token, or for anything where there are none, says this (`user:password` in base64).
    pub(crate) login: Option<&'static str>,
    /// So many requests fail with status 503 first.
    pub(crate) failing: u32,
    /// So many answers end in the middle first.
    pub(crate) cut: u32,
    /// Parts that are asked for are sent from the start instead.
    pub(crate) ignores_ranges: bool,
    /// Blobs are there.
    pub(crate) blobs_at: Option<SocketAddr>,
}

/// What a registry answers with, by path: media type and bytes.
pub(crate) type Files = BTreeMap<String, (String, Vec<u8>)>;

/// A registry with these images as `team/app`, each root under a tag.
pub(crate) fn registry(tags: &[(&str, &Blob)], images: &[Image], manner: Manner) -> Server {
    serving(files(tags, images), manner)
}

/// What such a registry has.
pub(crate) fn files(tags: &[(&str, &Blob)], images: &[Image]) -> Files {
    let mut files = Files::new();
    let mut manifest = |name: &str, blob: &Blob| {
        let file = (blob.media_type.to_owned(), blob.bytes.clone());
        files.insert(format!("/v2/team/app/manifests/{name}"), file);
    };
    for (tag, root) in tags {
        manifest(tag, root);
        manifest(&root.digest(), root);
    }
    for image in images {
        manifest(&image.manifest.digest(), &image.manifest);
    }
    for blob in images.iter().flat_map(Image::blobs) {
        let name = format!("/v2/team/app/blobs/{}", blob.digest());
        files.insert(name, ("application/octet-stream".to_owned(), blob.bytes));
    }
    files
}

/// A registry that answers with these files.
pub(crate) fn serving(files: Files, manner: Manner) -> Server {
    let (failing, cut) = (AtomicU32::new(manner.failing), AtomicU32::new(manner.cut));
    let takes = |left: &AtomicU32| {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    };
    Server::start(move |stream, asked| {
        let here = stream.local_addr()?;
        one(stream, asked, |path, login, range| {
            if takes(&failing) {
                return Answer::status("503 Service Unavailable", "");
            }
            let basic = manner.login.map(|login| format!("Basic {login}"));
            if path.starts_with("/token?") {
                if basic.is_some() && basic.as_deref() != login {
                    return Answer::status("401 Unauthorized", "");
                }
                return Answer::ok("application/json", br#"{"token":"the.token"}"#.to_vec());
            }
            let wanted = if manner.token { Some("Bearer the.token".to_owned()) } else { basic };
            if wanted.is_some() && wanted.as_deref() != login {
                let challenge = if manner.token {
                    format!(
                        "Bearer realm=\"http://{here}/token\",service=\"it\",scope=\"repository:team/app:pull\""
                    )
                } else {
                    "Basic realm=\"it\"".to_owned()
                };
                return Answer::status("401 Unauthorized", &format!("WWW-Authenticate: {challenge}\r\n"));
            }
            if let Some(other) = manner.blobs_at.filter(|_| path.contains("/blobs/")) {
                return Answer::status(
                    "307 Temporary Redirect",
                    &format!("Location: http://{other}{path}\r\n"),
                );
            }
            let Some((kind, bytes)) = files.get(path) else { return Answer::status("404 Not Found", "") };
            let mut answer = Answer::ok(kind, bytes.clone());
            if let Some((first, _)) = range.and_then(bounds).filter(|_| !manner.ignores_ranges) {
                let whole = bytes.len();
                answer.head =
                    format!("206 Partial Content\r\nContent-Range: bytes {first}-{}/{whole}", whole - 1);
                answer.body = bytes[first..].to_vec();
            }
            answer.sent =
                if path.contains("/blobs/") && takes(&cut) { answer.body.len() / 2 } else { usize::MAX };
            answer
        })
    })
}

/// An answer, of which `sent` bytes arrive.
struct Answer {
    head: String,
    body: Vec<u8>,
    sent: usize,
}

impl Answer {
    fn status(status: &str, headers: &str) -> Self {
        Self {
            head: format!("{status}\r\n{headers}").trim_end().to_owned(),
            body: Vec::new(),
            sent: usize::MAX,
        }
    }

    fn ok(kind: &str, body: Vec<u8>) -> Self {
        Self { head: format!("200 OK\r\nContent-Type: {kind}"), body, sent: usize::MAX }
    }
}

/// Answers one request after another; notes each with what was said along.
fn one(
    stream: TcpStream,
    asked: &Mutex<Vec<String>>,
    answer: impl Fn(&str, Option<&str>, Option<&str>) -> Answer,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some((words, headers)) = request(&mut reader)? {
        let (login, range) = (header(&headers, "authorization"), header(&headers, "range"));
        let noted = [Some(words.as_str()), login, range].into_iter().flatten().collect::<Vec<_>>().join(" ");
        asked.lock().expect("no panic before").push(noted);
        let Answer { head, body, sent } = answer(words.split(' ').nth(1).unwrap_or_default(), login, range);
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
        let cut = sent < body.len();
        let body = &body[..sent.min(body.len())];
        reader.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        if cut {
            return Ok(());
        }
    }
    Ok(())
}
