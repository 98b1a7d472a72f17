//! An image that has been found, fetched and compared.

use crate::config::Config;
use crate::platform::Platform;
use crate::stored::Layer;

/// An image for one platform that was found but not fetched yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The platform that it is for.
    pub platform: Platform,
    /// See [`Image::digest`].
    pub digest: bundle::Digest,
}

/// An image for one platform, completely fetched and verified.
#[derive(Debug)]
pub struct Image {
    /// The platform that it is for.
    pub platform: Platform,
    /// SHA-256 of its manifest, or of its configuration where it has none.
    pub digest: bundle::Digest,
    /// How its program is started.
    pub config: Config,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}
