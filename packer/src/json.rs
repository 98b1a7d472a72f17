//! JSON output, with `serde_json`, which is touched here only.

use serde::Serialize;

/// `value` as indented JSON with a final line feed.
pub(crate) fn text(value: &impl Serialize) -> String {
    // The types that are printed have string keys and no fallible serializer, so that an error cannot arise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
