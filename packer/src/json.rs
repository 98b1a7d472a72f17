//! JSON, with `serde_json`, which is used here only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// `value` as indented JSON with a final line feed.
pub(crate) fn text(value: &impl Serialize) -> String {
    // The printed types have string keys and no fallible serializer, so there can be no error.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    // RFC 8259 leaves all but C0 as it is, but a terminal obeys more. It can only occur in strings.
    if text.contains(steers) {
        let escaped = |c: char| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
        text = text.chars().map(escaped).collect();
    }
    text.push('\n');
    text
}

/// `value` on one line, for files that programs read.
pub(crate) fn compact(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads a value, or says what is wrong with the text.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Name, version and licence of a package of npm, if its `package.json` has the first two.
pub(crate) fn package_of_npm(text: &[u8]) -> Option<(String, String, Option<String>)> {
    let package: serde_json::Value = serde_json::from_slice(text).ok()?;
    let text = |field: &str| package.get(field)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some((text("name")?, text("version")?, text("license")))
}

/// Whether a character must not be printed as it is. All of these have four hexadecimal digits.
fn steers(c: char) -> bool {
    c != '\n' && !bundle::is_printable(c)
}

/// A name in JSON, where it is escaped when it is written.
pub(crate) fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The programs that a `package.json` of npm names: names and paths (npm's documentation, "bin").
pub(crate) fn programs_of_package(text: &[u8]) -> Vec<(String, String)> {
    let Some(package) = package(text) else { return Vec::new() };
    match package.bin {
        Some(Bin::One(path)) => {
            // Without its scope.
            let name = package.name.rsplit('/').next().unwrap_or_default().to_owned();
            vec![(name, path)]
        }
        Some(Bin::Several(programs)) => programs.into_iter().collect(),
        None => Vec::new(),
    }
}

/// A `package.json` of npm; `None` if it is none.
pub(crate) fn package(text: &[u8]) -> Option<Package> {
    serde_json::from_slice(text).ok()
}

/// What a `package.json` says.
#[derive(Deserialize)]
pub(crate) struct Package {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    bin: Option<Bin>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Bin {
    One(String),
    Several(BTreeMap<String, String>),
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_control_character_is_escaped_and_reads_back() {
        let value = "\x1b\u{9b}\x7f\u{9f}\u{a0}\t\u{202e}\u{2028}\n";
        let text = super::text(&value);
        assert!(!text.trim_end().contains(|c| c == '\n' || super::steers(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).ok().as_deref(), Some(value));
    }
}
