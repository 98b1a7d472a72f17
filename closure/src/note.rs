//! `.note.dlopen`: libraries that a program may load at run time, listed as JSON in an ELF note (the
//! specification is <https://uapi-group.org/specifications/specs/elf_dlopen_metadata/>). The only file that
//! uses `serde_json`.

use serde::Deserialize;

/// The note's owner.
pub(crate) const OWNER: &[u8] = b"FDO";

/// The note's type.
pub(crate) const KIND: u32 = 0x407c_0c0a;

/// How important a library is for a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// The program does not work without it.
    Required,
    /// A feature that most users want; the default.
    #[default]
    Recommended,
    /// A feature that few users want.
    Suggested,
}

/// A library that may be loaded: the first of several names that exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Dlopen {
    /// Names as `dlopen(3)` takes them, best first.
    pub soname: Vec<String>,
    /// The feature that it is for.
    #[serde(default)]
    pub feature: String,
    /// How important it is.
    #[serde(default)]
    pub priority: Priority,
}

/// Reads a note's content; empty if it is not such JSON.
pub(crate) fn parse(content: &[u8]) -> Vec<Dlopen> {
    let content = content.split(|byte| *byte == 0).next().unwrap_or_default();
    serde_json::from_slice(content).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_libraries_in_order_and_how_much_each_is_needed() {
        let text =
            br#"[{"soname":["libz.so.2","libz.so.1"],"feature":"z","description":"d","priority":"suggested"},
            {"soname":["liba.so"]}]"#;
        let found = parse(&[text, &b"\0\0"[..]].concat());
        assert_eq!(found[0].soname, ["libz.so.2", "libz.so.1"]);
        assert_eq!((found[0].priority, found[1].priority), (Priority::Suggested, Priority::Recommended));
        assert_eq!(parse(b"{"), []);
    }
}
