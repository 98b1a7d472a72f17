//! Java's list of certificate authorities, which `ca-certificates-java` makes by running Java. Such a key
//! store has the time at which each certificate was added, so it is written here: with the time that all
//! files of a tree have, the same bytes each time.
//!
//! The form is Java's own (`JavaKeyStore.java` of OpenJDK): a header, the certificates, and a digest of all
//! that and the password, which is no secret.

use bundle::{MTIME, file_name_of};

use crate::error::Error;
use crate::hash;
use crate::packages::maintainer_scripts::{CA_DIRECTORY, Made};
use crate::tree::app_tree::{App, Node};

const PLACE: &[u8] = b"etc/ssl/certs/java/cacerts";
/// Where Debian has all of them.
const JVM: &[u8] = b"usr/lib/jvm/";

const MAGIC: [u8; 4] = 0xfeed_feed_u32.to_be_bytes();
const VERSION: [u8; 4] = 2_u32.to_be_bytes();
/// An entry that is a certificate, not a key.
const TRUSTED: [u8; 4] = 2_u32.to_be_bytes();
const KIND: &str = "X.509";
/// What Java itself and Debian have; every Java program may know it.
const PASSWORD: &str = "changeit";
const SALT: &[u8] = b"Mighty Aphrodite";

/// The list, where the tree has a Java, certificates, and none.
pub(crate) fn certificates(app: &App) -> Result<Option<Made>, Error> {
    if app.get(PLACE).is_some() || !app.nodes().any(|(path, _)| path.starts_with(JVM)) {
        return Ok(None);
    }
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    for (path, node) in app.nodes() {
        let Node::File { content, .. } = node else { continue };
        if !path.starts_with(CA_DIRECTORY) || !path.ends_with(b".crt") {
            continue;
        }
        let text = content.bytes().map_err(Error::Temporary)?;
        if let Some(certificate) = decoded(&text) {
            entries.push((alias(file_name_of(path)), certificate));
        }
    }
    entries.sort();
    entries.dedup_by(|one, other| one.0 == other.0);
    if entries.is_empty() {
        return Ok(None);
    }
    let content = written(&entries).into();
    Ok(Some(Made { path: PLACE.to_vec(), node: Node::File { executable: false, content } }))
}

/// What the packages' scripts call a certificate: `update-ca-certificates` makes links without spaces, commas
/// and parentheses, and Java's names are in lower case.
fn alias(file: &[u8]) -> String {
    let name = String::from_utf8_lossy(file.strip_suffix(b".crt").unwrap_or(file)).into_owned();
    let name = name.replace([' ', ','], "_").replace(['(', ')'], "=");
    format!("debian:{name}.pem").to_lowercase()
}

fn written(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut all = [MAGIC, VERSION, length(entries.len())].concat();
    for (alias, certificate) in entries {
        all.extend(TRUSTED);
        all.extend(text(alias));
        all.extend((u64::from(MTIME) * 1000).to_be_bytes());
        all.extend(text(KIND));
        all.extend(length(certificate.len()));
        all.extend(certificate);
    }
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let digest = hash::sha1(&[&password, SALT, &all].concat());
    all.extend(digest);
    all
}

/// A text as `DataOutput.writeUTF` of Java writes it: each unit of UTF-16 by itself, and NUL in two bytes.
#[allow(clippy::cast_possible_truncation, reason = "the bits that are kept are the low ones")]
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for unit in text.encode_utf16() {
        let [high, low] = [(unit >> 6) as u8, (unit & 0x3f) as u8 | 0x80];
        match unit {
            1..0x80 => bytes.push(unit as u8),
            0..0x800 => bytes.extend([0xc0 | high, low]),
            _ => bytes.extend([0xe0 | (unit >> 12) as u8, high & 0x3f | 0x80, low]),
        }
    }
    bytes.truncate(usize::from(u16::MAX));
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &bytes].concat()
}

/// The bytes of the first certificate in a text (RFC 7468).
#[allow(clippy::cast_possible_truncation, reason = "the bits that are kept are the low ones")]
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in body.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_decoded_and_named_as_the_scripts_name_them() {
        let text = b"x\n-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----\n";
        assert_eq!(decoded(text), Some(vec![0x30, 0x82, 0x01, 0x00]));
        assert_eq!(decoded(b"-----BEGIN CERTIFICATE-----\nM?\n-----END CERTIFICATE-----"), None);
        assert_eq!(decoded(b"nothing"), None);
        assert_eq!(alias(b"Example (Root), 1.crt"), "debian:example_=root=__1.pem");
    }

    #[test]
    fn texts_are_written_as_java_reads_them() {
        assert_eq!(text("a"), [0, 1, b'a']);
        assert_eq!(text("\0\u{f6}"), [0, 4, 0xc0, 0x80, 0xc3, 0xb6]);
        assert_eq!(text("\u{20ac}"), [0, 3, 0xe2, 0x82, 0xac]);
    }

    #[test]
    fn a_tree_without_a_java_or_without_certificates_gets_no_list() {
        let mut app = App::default();
        let mut add = |path: &[u8], text: &[u8]| {
            let node = Node::File { executable: false, content: text.to_vec().into() };
            app.add(path, node).expect("added");
            certificates(&app).expect("read").map(|made| made.path)
        };
        let certificate = b"-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n";
        assert_eq!(add(b"usr/share/ca-certificates/mozilla/A.crt", certificate), None);
        assert_eq!(add(b"usr/lib/jvm/java-21/bin/java", b"x"), Some(PLACE.to_vec()));
        assert_eq!(add(PLACE, b"another"), None);
    }
}
