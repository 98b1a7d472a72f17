//! TOML, for the tables of the tasks. The only file that uses `toml`.

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a table; the error says where it is wrong.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(toml::from_str(text)?)
}

/// Writes a table.
pub(crate) fn written<T: Serialize>(table: &T) -> Result<String> {
    Ok(toml::to_string(table)?)
}

/// A TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
