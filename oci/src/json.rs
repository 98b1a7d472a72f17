//! JSON, with `serde_json`, which is used here only.

use serde::de::DeserializeOwned;

/// Reads a document; the error says what is wrong and where.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("it is not the JSON that is expected: {error}"))
}

/// Any document, for a look at its fields.
pub(crate) type Any = serde_json::Value;
