//! TOML files. The only file that uses `toml`.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads `text`; the error says what is wrong and in which line.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// `value` as text.
pub(crate) fn write(value: &impl Serialize) -> Result<String, String> {
    toml::to_string(value).map_err(|error| error.to_string())
}
