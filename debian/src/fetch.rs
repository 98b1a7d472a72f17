//! Fetches over HTTP and from local files: whole files, resumed if interrupted and checked against size and
//! SHA-256 before they get their name; parts of files; small bodies. The only file that uses `ureq`. Refuses
//! to keep a file that does not match its pin, and to connect if network access is disabled.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::digest::{self, FileDigest};
use crate::fetch_error::FetchError;
use crate::location::Location;
use crate::progress::{Progress, Running};

mod parts;
pub use parts::Parts;

/// Options for fetching.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Never connect to the network; local files are still read.
    pub offline: bool,
    /// How often a request that failed for a temporary reason is retried.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each further one.
    pub pause: Duration,
    /// The longest wait for a connection, for the header of a response, and for its next bytes.
    pub patience: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            offline: false,
            retries: 3,
            pause: Duration::from_millis(250),
            patience: Duration::from_secs(30),
        }
    }
}

/// Fetches with the same options and over shared connections.
pub struct Fetcher<'a> {
    agent: ureq::Agent,
    options: FetchOptions,
    progress: &'a dyn Progress,
}

/// Why an attempt failed, and whether to retry.
enum Attempt {
    Final(FetchError),
    Passing(FetchError),
    /// No data arrived before the timeout: another attempt may take as long again.
    Silent(FetchError),
}

impl Attempt {
    fn into_error(self) -> FetchError {
        let (Self::Final(error) | Self::Passing(error) | Self::Silent(error)) = self;
        error
    }
}

impl From<FetchError> for Attempt {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

impl<'a> Fetcher<'a> {
    /// A fetcher that uses the proxies named by the environment.
    pub fn new(options: FetchOptions, progress: &'a dyn Progress) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("unibin/", env!("CARGO_PKG_VERSION")))
            // The server must not compress: sizes and digests are those of the stored file.
            .accept_encoding("identity")
            .proxy(ureq::Proxy::try_from_env())
            .timeout_connect(Some(options.patience))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience));
        #[cfg(feature = "https")]
        let config = {
            use ureq::tls::{RootCerts, TlsConfig};
            config.tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        };
        Self { agent: config.build().new_agent(), options, progress }
    }

    /// Whether network access is disabled.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// Fetches `url` into the file `dest`, which appears complete and checked or not at all. Received data is
    /// kept in `dest.part`; with `expected`, a later call resumes from there. Makes no request if `dest`
    /// already matches `expected`.
    pub fn fetch_to_file(
        &self,
        url: &str,
        dest: &Path,
        expected: Option<FileDigest>,
    ) -> Result<FileDigest, FetchError> {
        if let Some(expected) = expected
            && is_already_there(dest, expected)
        {
            return Ok(expected);
        }
        let location = self.locate(url)?;
        let mut part = Part::open(dest)?;
        if let Some(expected) = expected
            && is_already_there(dest, expected)
        {
            part.discard(); // another process finished it while we waited for the lock
            return Ok(expected);
        }
        if expected.is_none() {
            part.restart()?; // nothing says that the bytes of last time are of the same file
        }
        let label = url.rsplit('/').next().unwrap_or(url);
        let running = Running::begin(self.progress, label, expected.map(|expected| expected.size));
        let resumed = part.length > 0;
        running.advance(part.length);
        let fetched = match self.complete(&location, url, &mut part, expected, &running) {
            // The old part may belong to another file, or be damaged: retry from the first byte.
            Err(FetchError::Mismatch { .. } | FetchError::TooLong { .. }) if resumed => {
                part.restart()?;
                self.complete(&location, url, &mut part, expected, &running)?
            }
            other => other?,
        };
        part.rename(dest)?;
        Ok(fetched)
    }

    /// All of `url`, at most `max` bytes. Not verified here.
    pub fn fetch_bytes(&self, url: &str, max: u64) -> Result<Vec<u8>, FetchError> {
        match self.locate(url)? {
            Location::File(path) => {
                let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
                read_body(file, url, max, None).map_err(Attempt::into_error)
            }
            Location::Http(_) => self.retrying(|| {
                let mut response = self.get(url, None)?;
                if response.status() != 200 {
                    return Err(status_error(url, response.status().as_u16()));
                }
                let announced = response.body().content_length();
                read_body(response.body_mut().as_reader(), url, max, announced)
            }),
        }
    }

    fn locate(&self, url: &str) -> Result<Location, FetchError> {
        let location = Location::parse(url)?;
        if self.options.offline && !location.is_local() {
            return Err(FetchError::Offline { location: url.to_owned() });
        }
        Ok(location)
    }

    /// Completes `part` and checks it.
    fn complete(
        &self,
        location: &Location,
        url: &str,
        part: &mut Part,
        expected: Option<FileDigest>,
        running: &Running<'_>,
    ) -> Result<FileDigest, FetchError> {
        let limit = expected.map_or(u64::MAX, |expected| expected.size);
        match location {
            Location::File(path) => {
                part.restart()?;
                let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
                part.append(&mut file, url, limit, running).map_err(Attempt::into_error)?;
            }
            Location::Http(_) => self.retrying(|| self.append_http(url, part, expected, running))?,
        }
        let received = part.digest()?;
        let Some(expected) = expected else { return Ok(received) };
        if received.size != expected.size {
            let (expected, received) = (expected.size, received.size);
            return Err(FetchError::ShortBody { location: url.into(), expected, received });
        }
        if received.sha256 != expected.sha256 {
            part.restart()?;
            let (expected, computed) = (expected.sha256, received.sha256);
            return Err(FetchError::Mismatch { location: url.into(), expected, computed });
        }
        Ok(received)
    }

    /// One request for the missing rest of `part`.
    fn append_http(
        &self,
        url: &str,
        part: &mut Part,
        expected: Option<FileDigest>,
        running: &Running<'_>,
    ) -> Result<(), Attempt> {
        let limit = expected.map_or(u64::MAX, |expected| expected.size);
        if expected.is_none() {
            part.restart()?;
        } else if part.length >= limit {
            return Ok(()); // the digest decides
        }
        let from = (part.length > 0).then_some((part.length, None));
        let mut response = self.get(url, from)?;
        match response.status().as_u16() {
            200 => part.restart()?,
            206 if part_start(&response) == Some(part.length) => {}
            // The range does not exist (416), or differs from the requested one: the part is useless.
            206 | 416 => {
                part.restart()?;
                let reason = "it sent another part of the file".to_owned();
                return Err(Attempt::Passing(FetchError::Unreachable { location: url.into(), reason }));
            }
            status => return Err(status_error(url, status)),
        }
        let announced = response.body().content_length().map(|rest| part.length + rest);
        part.append(&mut response.body_mut().as_reader(), url, limit, running)?;
        match announced.or(expected.map(|expected| expected.size)) {
            Some(expected) if part.length < expected => {
                let location = url.to_owned();
                Err(Attempt::Passing(FetchError::ShortBody { location, expected, received: part.length }))
            }
            _ => Ok(()),
        }
    }

    fn get(
        &self,
        url: &str,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<ureq::http::Response<ureq::Body>, Attempt> {
        let mut request = self.agent.get(url);
        if let Some((first, last)) = range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            request = request.header("Range", format!("bytes={first}-{last}"));
        }
        request.call().map_err(|error| request_error(url, &error, self.proxy_to(url)))
    }

    /// The proxy used for `url`, without the credentials that its own URL may have.
    fn proxy_to(&self, url: &str) -> Option<String> {
        let proxy = self.agent.config().proxy()?;
        let direct = url.parse().is_ok_and(|uri| proxy.is_no_proxy(&uri));
        (!direct).then(|| format!("{}:{}", proxy.host(), proxy.port()))
    }

    /// Repeats `attempt` while it fails for a temporary reason, with growing pauses; after a timeout only
    /// once.
    fn retrying<T>(&self, mut attempt: impl FnMut() -> Result<T, Attempt>) -> Result<T, FetchError> {
        let mut pause = self.options.pause;
        let mut left = self.options.retries;
        let mut silences = 0;
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Attempt::Silent(error)) if silences > 0 => return Err(error),
                Err(Attempt::Silent(_)) if left > 0 => silences += 1,
                Err(Attempt::Passing(_)) if left > 0 => {}
                Err(failed) => return Err(failed.into_error()),
            }
            left -= 1;
            thread::sleep(pause);
            pause = pause.saturating_mul(2);
        }
    }
}

/// Reports every byte that is read.
struct Counted<'a, R> {
    reader: R,
    running: &'a Running<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.running.advance(count as u64);
        Ok(count)
    }
}

/// The file `dest.part`, locked against other processes that fetch the same file.
struct Part {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Part {
    fn open(dest: &Path) -> Result<Self, FetchError> {
        let mut name = dest.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = dest.with_file_name(name);
        let wrap = |error| FetchError::from_io(&path, error);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(wrap)?;
        }
        loop {
            let mut options = OpenOptions::new();
            let file =
                options.read(true).write(true).create(true).truncate(false).open(&path).map_err(wrap)?;
            file.lock().map_err(wrap)?;
            // The previous holder of the lock may have renamed the file to its final name.
            let ours = file.metadata().map_err(wrap)?;
            if fs::metadata(&path).is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { length: ours.len(), file, path });
            }
        }
    }

    fn io(&self, error: io::Error) -> FetchError {
        FetchError::from_io(&self.path, error)
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(|error| self.io(error))?;
        self.length = 0;
        Ok(())
    }

    /// Appends all of `reader`, which must not make the part longer than `limit` bytes.
    fn append(
        &mut self,
        reader: &mut impl Read,
        url: &str,
        limit: u64,
        running: &Running<'_>,
    ) -> Result<(), Attempt> {
        self.file.seek(SeekFrom::Start(self.length)).map_err(|error| self.io(error))?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(url, &error)),
            };
            if self.length + count as u64 > limit {
                self.restart()?;
                return Err(FetchError::TooLong { location: url.to_owned(), limit }.into());
            }
            self.file.write_all(&buffer[..count]).map_err(|error| self.io(error))?;
            self.length += count as u64;
            running.advance(count as u64);
        }
    }

    fn digest(&mut self) -> Result<FileDigest, FetchError> {
        self.file.rewind().map_err(|error| self.io(error))?;
        digest::copy(&mut self.file, &mut io::sink()).map_err(|error| self.io(error))
    }

    fn rename(self, dest: &Path) -> Result<(), FetchError> {
        self.file.sync_data().map_err(|error| self.io(error))?;
        fs::rename(&self.path, dest).map_err(|error| FetchError::from_io(dest, error))
    }

    fn discard(self) {
        // A part left behind only takes up space; the next fetch of the same file would reuse it.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_already_there(dest: &Path, expected: FileDigest) -> bool {
    fs::metadata(dest).is_ok_and(|metadata| metadata.len() == expected.size)
        && digest::of_file(dest).is_ok_and(|found| found == expected)
}

/// Reads at most `max` bytes; exactly the `announced` number, if there is one.
fn read_body(reader: impl Read, url: &str, max: u64, announced: Option<u64>) -> Result<Vec<u8>, Attempt> {
    let too_long = || Attempt::Final(FetchError::TooLong { location: url.to_owned(), limit: max });
    if announced.is_some_and(|length| length > max) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    reader.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| broken(url, &error))?;
    let received = bytes.len() as u64;
    match announced {
        _ if received > max => Err(too_long()),
        Some(expected) if received < expected => {
            Err(Attempt::Passing(FetchError::ShortBody { location: url.to_owned(), expected, received }))
        }
        _ => Ok(bytes),
    }
}

/// The first byte in a 206 response (RFC 9110, 14.4: `Content-Range: bytes 5-9/10`).
fn part_start(response: &ureq::http::Response<ureq::Body>) -> Option<u64> {
    let value = response.headers().get("content-range")?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn status_error(url: &str, status: u16) -> Attempt {
    let location = url.to_owned();
    match status {
        404 | 410 => Attempt::Final(FetchError::NotFound { location }),
        408 | 429 | 500..=599 => Attempt::Passing(FetchError::Status { location, status }),
        _ => Attempt::Final(FetchError::Status { location, status }),
    }
}

fn request_error(url: &str, error: &ureq::Error, proxy: Option<String>) -> Attempt {
    let location = url.to_owned();
    if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
        return Attempt::Final(FetchError::BadLocation { location });
    }
    let reason = match error {
        ureq::Error::HostNotFound => "no such host".to_owned(),
        ureq::Error::TlsRequired => "built without the feature `https`".to_owned(),
        other => other.to_string(),
    };
    let failed = match proxy {
        Some(proxy) => FetchError::BehindProxy { location, proxy, reason },
        None => FetchError::Unreachable { location, reason },
    };
    match error {
        // A name that does not resolve now will not resolve a second later either.
        ureq::Error::HostNotFound | ureq::Error::TlsRequired => Attempt::Final(failed),
        ureq::Error::Timeout(_) => Attempt::Silent(failed),
        _ => Attempt::Passing(failed),
    }
}

fn broken(url: &str, error: &io::Error) -> Attempt {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(silence @ ureq::Error::Timeout(_)) => request_error(url, silence, None),
        _ => {
            Attempt::Passing(FetchError::Unreachable { location: url.to_owned(), reason: error.to_string() })
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> FetchError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            FetchError::NotFound { location: path.display().to_string() }
        }
        _ => FetchError::from_io(path, error),
    }
}

fn to_usize(length: u64, url: &str) -> Result<usize, FetchError> {
    usize::try_from(length).map_err(|_| FetchError::TooLong { location: url.to_owned(), limit: length })
}
