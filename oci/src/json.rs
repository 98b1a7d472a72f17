//! JSON, with `serde_json`, which is used here only.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a document; the error says what is wrong and where.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("it is not the JSON that is expected: {error}"))
}

/// Any document, for a look at its fields.
pub(crate) type Any = serde_json::Value;

/// A document without blanks, which stands as the same bytes for the same value.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    // What is written here has string keys and no serializer that can fail, so there can be no error.
    serde_json::to_vec(value).unwrap_or_default()
}
