//! Names of images: a path, or `docker://REGISTRY/NAME[:TAG|@DIGEST]`
//! (<https://github.com/distribution/reference>).

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::descriptor::BlobDigest;
use crate::error::OciError;
use crate::loopback;

/// Where a name without a registry is looked up, and who answers there.
const DOCKER: &str = "docker.io";
const DOCKER_ANSWERS: &str = "registry-1.docker.io";

/// A name in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Host and perhaps port, as in the name.
    pub(crate) registry: String,
    /// Such as `library/alpine`.
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// If there is one, the tag is ignored.
    pub(crate) digest: Option<BlobDigest>,
}

impl Name {
    /// Host and perhaps port to connect to.
    pub(crate) fn server(&self) -> &str {
        if self.registry == DOCKER { DOCKER_ANSWERS } else { &self.registry }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, OciError> {
        let refuse = |why| OciError::Reference { text: text.to_owned(), why };
        let (named, digest) = match text.split_once('@') {
            None => (text, None),
            Some((named, digest)) => {
                let digest = BlobDigest::parse(digest);
                (named, Some(digest.ok_or_else(|| refuse("its digest is no SHA-256"))?))
            }
        };
        let (registry, rest) = match named.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DOCKER, named),
        };
        let registry = match registry {
            "index.docker.io" | DOCKER_ANSWERS => DOCKER,
            other => other,
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, tag),
            None => (rest, "latest"),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let port = registry.rsplit_once(':').map(|(_, port)| port).filter(|_| !registry.ends_with(']'));
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        if loopback::host(registry).is_empty() || !registry.bytes().all(is_host) || !is_port {
            return Err(refuse("its registry is no host"));
        }
        let is_part = |part: &str| {
            let inside =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            part.bytes().all(inside) && alphanumeric(part.bytes().next()) && alphanumeric(part.bytes().last())
        };
        if repository.len() > 255 || !repository.split('/').all(is_part) {
            return Err(refuse("names consist of lower-case letters, digits, `.`, `_`, `-` and `/`"));
        }
        let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(in_tag) || tag.starts_with(['.', '-']) {
            return Err(refuse("tags consist of letters, digits, `.`, `_` and `-`"));
        }
        let repository = match repository {
            official if registry == DOCKER && !official.contains('/') => format!("library/{official}"),
            other => other.to_owned(),
        };
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.to_owned(), digest })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, tag, digest } = self;
        match digest {
            Some(digest) => write!(f, "{registry}/{repository}@{digest}"),
            None => write!(f, "{registry}/{repository}:{tag}"),
        }
    }
}

/// Where an image is.
#[derive(Debug)]
pub(crate) enum Reference {
    /// In a registry.
    Registry(Name),
    /// In an OCI layout.
    Directory { path: PathBuf, tag: Option<String> },
    /// In a tar archive: of a layout, or of `docker save`.
    Archive { file: File, path: PathBuf, tag: Option<String> },
}

impl Reference {
    pub(crate) fn parse(given: &OsStr) -> Result<Self, OciError> {
        let text = given.to_string_lossy();
        if let Some(name) = text.strip_prefix("docker://") {
            return Name::parse(name).map(Self::Registry);
        }
        if text.contains("://") {
            return Err(OciError::Reference { text: text.into_owned(), why: "only `docker://` is fetched" });
        }
        // A colon counts only if what precedes it exists, so that paths with colons can be given.
        let bytes = given.as_bytes();
        let colons = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
        let (path, tag) = match colons.filter(|_| fs::symlink_metadata(given).is_err()).find_map(|at| {
            let path = Path::new(OsStr::from_bytes(&bytes[..at]));
            (!path.as_os_str().is_empty() && path.exists()).then_some((path, &bytes[at + 1..]))
        }) {
            Some((path, tag)) => (path, Some(String::from_utf8_lossy(tag).into_owned())),
            None => (Path::new(given), None),
        };
        let failed = |source| OciError::io(path, source);
        // Checked before it is opened: opening a FIFO would wait for its other end.
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        if kind.is_dir() {
            return Ok(Self::Directory { path: path.to_owned(), tag });
        }
        if !kind.is_file() {
            let why = "it is neither a directory nor a file";
            return Err(OciError::Reference { text: text.into_owned(), why });
        }
        Ok(Self::Archive { file: File::open(path).map_err(failed)?, path: path.to_owned(), tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_by_docker() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, shown, server) in [
            ("alpine", "docker.io/library/alpine:latest", "registry-1.docker.io"),
            ("grafana/grafana:10", "docker.io/grafana/grafana:10", "registry-1.docker.io"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest", "registry-1.docker.io"),
            ("localhost/a", "localhost/a:latest", "localhost"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000"),
            ("ghcr.io/x/y", "ghcr.io/x/y:latest", "ghcr.io"),
            (&format!("ghcr.io/x/y:1@{digest}"), &format!("ghcr.io/x/y@{digest}"), "ghcr.io"),
        ] {
            let name = Name::parse(text).expect(text);
            assert_eq!((name.to_string().as_str(), name.server()), (shown, server));
        }
    }

    #[test]
    fn names_that_could_be_another_request_are_refused() {
        for bad in [
            "",
            "A",
            "a//b",
            "a/../b",
            "a b",
            "a?x",
            "a#x",
            "a:",
            "a:..",
            "a:b/c",
            "a@sha256:1",
            "x.y:5/",
            "e@il.org/a",
            "x.y/a\n",
        ] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
        assert!(Reference::parse(OsStr::new("http://localhost/a")).is_err());
        assert!(Reference::parse(OsStr::new("/nonexistent/layout")).is_err());
    }
}
