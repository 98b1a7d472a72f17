//! Whether a name is a URL or a local file: `http` and `https` URLs, `file` URLs of this machine, and paths.
//! Refuses every other scheme and `file` URLs that name another machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::fetch_error::FetchError;

/// A URL or a local path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Http(String),
    File(PathBuf),
}

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self, FetchError> {
        let bad = || FetchError::BadLocation { location: text.to_owned() };
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Http(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("file:") {
            // RFC 8089: `file:/path`, `file:///path` or `file://localhost/path`.
            let path = match rest.strip_prefix("//") {
                Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
                None => rest,
            };
            return path.starts_with('/').then(|| Self::File(percent_decoded(path))).ok_or_else(bad);
        }
        let is_path = !text.is_empty() && !text.contains("://");
        is_path.then(|| Self::File(text.into())).ok_or_else(bad)
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// The path of a `file` URL with `%41` decoded as `A` (RFC 3986, 2.1); any other `%` stays.
fn percent_decoded(path: &str) -> PathBuf {
    let bytes = path.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|&c| char::from(c).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    OsString::from_vec(decoded).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schemes_and_other_machines_are_refused() {
        for bad in ["", "ftp://a.example/x", "cdrom://x", "file://other.example/x", "file:x"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_urls_and_plain_paths_name_the_same_file() {
        let path = Location::File("/srv/a b".into());
        for good in ["/srv/a b", "file:/srv/a%20b", "file:///srv/a%20b", "file://localhost/srv/a%20b"] {
            assert_eq!(Location::parse(good).ok().as_ref(), Some(&path), "{good}");
        }
    }
}
