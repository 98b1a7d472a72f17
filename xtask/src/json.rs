//! Reads JSON, with `serde_json`, which is used here only.

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

/// The value that `text` describes.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).context("this is not the JSON that was expected")
}
