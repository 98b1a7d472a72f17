//! Servers on 127.0.0.1, each in threads that end with the test: one for the files of a directory, one that
//! is a proxy. Both remember what they were asked.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a server is, and what it was asked: methods, paths and the headers that a test looks at.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What is done for a request for a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// The part is sent.
    Given,
    /// The whole file is sent, as a server may that does not know the header (RFC 9110, 14.2).
    Ignored,
}

impl Server {
    /// Serves the files of `root`.
    pub(crate) fn files(root: PathBuf, ranges: Ranges) -> Self {
        Self::start(move |stream, asked| serve(stream, &root, ranges, asked))
    }

    /// A proxy that leads every `CONNECT` to `behind`, whatever host it names; to none it refuses all.
    pub(crate) fn proxy(behind: Option<SocketAddr>) -> Self {
        Self::start(move |stream, asked| connect(stream, behind, asked))
    }

    pub(crate) fn start(
        answer: impl Fn(TcpStream, &Mutex<Vec<String>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                // A client that goes away is none of the server's business.
                thread::spawn(move || answer(stream, &seen).unwrap_or_default());
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no panic before"))
    }
}

/// An address where nobody listens: its port was free a moment ago.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

/// Names in lower case, and values.
pub(crate) type Headers = Vec<(String, String)>;

/// The request line without the version, and the headers; `None` at the end of the connection.
pub(crate) fn request(reader: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let words = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut headers = Headers::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { return Ok(Some((words, headers))) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

pub(crate) fn header<'a>(headers: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| &value[..])
}

fn serve(stream: TcpStream, root: &Path, ranges: Ranges, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some((words, headers)) = request(&mut reader)? {
        let path = words.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let range = header(&headers, "range");
        let noted = range.map_or_else(|| words.clone(), |range| format!("{words} {range}"));
        asked.lock().expect("no panic before").push(noted);
        let (head, body) = match (fs::read(root.join(path)), range.and_then(bounds)) {
            (Err(_), _) => ("404 Not Found".to_owned(), Vec::new()),
            (Ok(file), Some((first, last))) if ranges == Ranges::Given => {
                let end = last.map_or(file.len(), |last| file.len().min(last + 1));
                let part = file.get(first..end).unwrap_or_default().to_vec();
                let whole = file.len();
                (format!("206 Partial Content\r\nContent-Range: bytes {first}-{}/{whole}", end - 1), part)
            }
            (Ok(file), _) => ("200 OK".to_owned(), file),
        };
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
        reader.get_mut().write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// `bytes=5-9`, and `bytes=5-` without an end.
pub(crate) fn bounds(range: &str) -> Option<(usize, Option<usize>)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()))
}

fn connect(stream: TcpStream, behind: Option<SocketAddr>, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some((words, headers)) = request(&mut reader)? else { return Ok(()) };
    let who = header(&headers, "proxy-authorization");
    let noted = who.map_or_else(|| words.clone(), |who| format!("{words} {who}"));
    asked.lock().expect("no panic before").push(noted);
    let mut client = reader.into_inner();
    let Some(behind) = behind else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(behind)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || io::copy(&mut from_server, &mut to_client));
    io::copy(&mut client, &mut server)?;
    server.shutdown(std::net::Shutdown::Write)?;
    back.join().expect("no panic").map(|_| ())
}
