//! The index of source packages (`Sources`), read as a stream; keeps what is needed to fetch some of them.
//! The caller passes only bytes whose digest a signed `Release` names. Refuses file names that leave the
//! archive and files without a digest.

use std::io::{BufReader, Read};

use bundle::Digest;

use crate::packages::{PackagesError, stays_inside};
use crate::stanza::{Stanza, stanzas};
use crate::xz;

/// A source package, as the index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version, epoch and revision included.
    pub version: String,
    /// The directory of its files, relative to the mirror's base.
    pub directory: String,
    /// Its files: the `.dsc`, the upstream tarball, Debian's changes.
    pub files: Vec<SourceFile>,
}

/// One file of a source package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// The source packages with wanted names in a `Sources.xz`, in every version.
pub(crate) fn read_xz(
    reader: impl Read,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Source>, PackagesError> {
    let mut found = Vec::new();
    for stanza in stanzas(BufReader::with_capacity(256 * 1024, xz::decode(reader)?)) {
        let stanza = stanza?;
        if wanted(stanza.get("Package").unwrap_or_default().trim()) {
            found.push(Source::from_stanza(&stanza)?);
        }
    }
    Ok(found)
}

impl Source {
    fn from_stanza(stanza: &Stanza) -> Result<Self, PackagesError> {
        let text = |field| stanza.get(field).map(str::trim).unwrap_or_default().to_owned();
        let name = text("Package");
        let fault = |field| PackagesError::Field { package: name.clone(), field };
        let directory = text("Directory");
        if !stays_inside(&directory) {
            return Err(fault("Directory"));
        }
        let mut files = Vec::new();
        for line in stanza.get("Checksums-Sha256").unwrap_or_default().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                [digest, size, name] if stays_inside(name) && !name.contains('/') => files.push(SourceFile {
                    name: name.to_owned(),
                    size: size.parse().map_err(|_| fault("Checksums-Sha256"))?,
                    sha256: digest.parse().map_err(|_| fault("Checksums-Sha256"))?,
                }),
                _ => return Err(fault("Checksums-Sha256")),
            }
        }
        if files.is_empty() {
            return Err(fault("Checksums-Sha256"));
        }
        Ok(Self { version: text("Version"), name, directory, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: a\nVersion: 1:1.0-2\nDirectory: pool/main/a/a\nChecksums-Sha256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 7 a_1.0-2.dsc\n";

    fn source(text: &str) -> Result<Source, PackagesError> {
        Source::from_stanza(&stanzas(text.as_bytes()).next().expect("a stanza").expect("readable"))
    }

    #[test]
    fn files_that_leave_the_archive_or_have_no_digest_are_refused() {
        for bad in [
            TEXT.replace("pool/main", "../main"),
            TEXT.replace("a_1.0-2.dsc", "../a.dsc"),
            TEXT.replace("a_1.0-2.dsc", "b/a.dsc"),
            TEXT.replace("Checksums-Sha256", "Files"),
            TEXT.replace("e3b0", "xyz0"),
        ] {
            assert!(matches!(source(&bad), Err(PackagesError::Field { .. })), "{bad}");
        }
        let good = source(TEXT).expect("a source package");
        assert_eq!((good.version.as_str(), good.files[0].name.as_str()), ("1:1.0-2", "a_1.0-2.dsc"));
    }
}
