//! JSON output, with `serde_json`, which is used here only.

use serde::Serialize;

/// `value` as indented JSON with a final line feed.
pub(crate) fn text(value: &impl Serialize) -> String {
    // The printed types have string keys and no fallible serializer, so there can be no error.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    // RFC 8259 leaves DEL and C1 as they are, but a terminal obeys them. They can only occur in strings.
    for c in '\u{7f}'..='\u{9f}' {
        if text.contains(c) {
            text = text.replace(c, &format!("\\u{:04x}", u32::from(c)));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_control_character_is_escaped_and_reads_back() {
        let value = "\x1b\u{9b}\x7f\u{9f}\u{a0}\t";
        let text = super::text(&value);
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).ok().as_deref(), Some(value));
    }
}
