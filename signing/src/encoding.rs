//! Base64 and what stands between `-----BEGIN` and `-----END`. The only file that uses `base64`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn without_padding(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The bytes between the lines `-----BEGIN {label}-----` and `-----END {label}-----`; only blanks around them.
pub(crate) fn between(text: &str, label: &str) -> Option<Vec<u8>> {
    let inside = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let inside = inside.strip_suffix(&format!("-----END {label}-----"))?;
    decode(&inside.split_ascii_whitespace().collect::<String>())
}

/// Such a text, with lines of 70 characters as OpenSSH has them.
pub(crate) fn wrapped(bytes: &[u8], label: &str) -> String {
    let text = encode(bytes);
    let lines = text.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}
