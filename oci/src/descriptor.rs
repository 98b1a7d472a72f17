//! Descriptors and the documents that hold them: index and manifest (the OCI image specification, and its
//! older forms in "Image Manifest V 2, Schema 2" of the Docker registry).

use std::collections::BTreeMap;
use std::fmt;

use bundle::Digest;
use serde::Deserialize;

use crate::platform::Platform;

/// Larger documents are refused: the specification of registries asks for at least 4 MiB.
pub(crate) const DOCUMENT_MAX: u64 = 16 << 20;

/// What names a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: BlobDigest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Claim>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// `null` is as good as nothing.
fn or_default<'d, T: Default + Deserialize<'d>, D: serde::Deserializer<'d>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// A digest that can be checked here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct BlobDigest(pub(crate) Digest);

impl BlobDigest {
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let is_lower = digits.bytes().all(|byte| !byte.is_ascii_uppercase());
        Digest::from_hex(digits).filter(|_| is_lower).map(Self)
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl<'d> Deserialize<'d> for BlobDigest {
    fn deserialize<D: serde::Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest is no SHA-256"))
    }
}

/// What an index says of a platform.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claim {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) variant: String,
}

impl Claim {
    /// `None` for another system than Linux.
    pub(crate) fn platform(&self) -> Option<Platform> {
        (self.os == "linux").then(|| Platform::new(&self.architecture, &self.variant))
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        self.platform()
            .map_or_else(|| format!("{}/{}", self.os, self.architecture), |platform| platform.to_string())
    }
}

/// A list of manifests.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    #[serde(deserialize_with = "or_default")]
    pub(crate) manifests: Vec<Descriptor>,
}

/// One image.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) layers: Vec<Descriptor>,
}

/// Enough of a document to see which of them it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outline {
    #[serde(default)]
    pub(crate) schema_version: Option<u64>,
    #[serde(default)]
    pub(crate) manifests: Option<crate::json::Any>,
    #[serde(default)]
    pub(crate) config: Option<crate::json::Any>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn digests_that_are_not_exactly_sha256_are_refused() {
        let zeros = "0".repeat(64);
        assert_eq!(BlobDigest::parse(&format!("sha256:{zeros}")), Some(BlobDigest(Digest([0; 32]))));
        for bad in [
            zeros.clone(),
            format!("sha512:{zeros}"),
            format!("sha256:{}A", "0".repeat(63)),
            format!("sha256:{zeros}0"),
            "sha256:../../x".to_owned(),
        ] {
            assert_eq!(BlobDigest::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_null_is_not_there() {
        let index: Index = json::read(br#"{"manifests": null}"#).expect("an index");
        assert!(index.manifests.is_empty());
        assert!(json::read::<Index>(b"{}").is_err() && json::read::<Manifest>(b"[]").is_err());
    }
}
