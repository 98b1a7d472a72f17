//! Container images: OCI layouts as directories and as archives, archives of `docker save`, registries. Every
//! blob is compared with its digest and its size before it is handed over. Nothing is unpacked or executed,
//! but for the user's own credential helper; layers are handed over as files without a name, for the caller
//! to apply.

mod archive;
mod base64;
mod config;
mod credentials;
mod descriptor;
mod docker_archive;
mod error;
mod image;
mod json;
mod layer;
mod layout;
mod loopback;
mod new_blob;
mod new_image;
mod platform;
mod progress;
mod reference;
mod registry;
mod select;
mod sink;
mod stored;
mod token;

use std::ffi::OsStr;

pub use crate::config::{Config, signal};
pub use crate::error::OciError;
pub use crate::image::Image;
pub use crate::layer::{Compression, LayerWriter, NewLayer};
pub use crate::new_image::{NewConfig, NewImage, NewIndex};
pub use crate::platform::Platform;
pub use crate::progress::{Progress, Silent};
use crate::reference::{Name, Reference};
pub use crate::stored::{Layer, Reader};

/// How images are looked for.
pub struct Options<'a> {
    /// Never connect to the network.
    pub offline: bool,
    /// Shown while layers arrive.
    pub progress: &'a dyn Progress,
}

/// Finds the image that `reference` names, for each platform in `wanted`; none means this machine's.
///
/// # Errors
///
/// [`OciError`] for whatever is wrong with the reference, the image or the connection.
pub fn open(reference: &OsStr, wanted: &[Platform], options: &Options<'_>) -> Result<Vec<Image>, OciError> {
    match Reference::parse(reference)? {
        Reference::Registry(name) => {
            if options.offline {
                return Err(OciError::Offline { name: name.to_string() });
            }
            let source = registry::Registry::new(name, options.progress);
            let root = source.root()?;
            select::images(&source, vec![root], wanted)
        }
        Reference::Directory { path, tag } => {
            let source = layout::Layout::directory(path)?;
            let roots = source.roots(tag.as_deref())?;
            select::images(&source, roots, wanted)
        }
        Reference::Archive { file, path, tag } => {
            let files = archive::Archive::read(&file, &path)?;
            if files.has("index.json") {
                let source = layout::Layout::archive(files);
                let roots = source.roots(tag.as_deref())?;
                return select::images(&source, roots, wanted);
            }
            docker_archive::images(&files, tag.as_deref(), wanted)
        }
    }
}

/// How images are sent.
pub struct PushOptions<'a> {
    /// The longest request in bytes; `None` sends each blob as one.
    pub piece: Option<u64>,
    /// Shown while layers are sent.
    pub progress: &'a dyn Progress,
}

/// What a registry has got.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The name, with its tag.
    pub name: String,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that were there before.
    pub there: u64,
}

/// A name in a registry that images are sent to.
#[derive(Clone, Debug)]
pub struct Destination(Name);

impl Destination {
    /// Reads `docker://[REGISTRY/]NAME[:TAG]`.
    ///
    /// # Errors
    ///
    /// [`OciError::Reference`] where it is none.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let refuse = |why| OciError::Reference { text: text.to_owned(), why };
        let name = text.strip_prefix("docker://");
        let name = Name::parse(name.ok_or_else(|| refuse("it does not begin with `docker://`"))?)?;
        if name.digest.is_some() {
            return Err(refuse("images are sent to a tag"));
        }
        Ok(Self(name))
    }
}

/// Sends an index and all that it names.
///
/// # Errors
///
/// [`OciError`] where the registry does not take it.
pub fn push(index: &NewIndex, to: Destination, options: &PushOptions<'_>) -> Result<Pushed, OciError> {
    registry::Registry::new(to.0, options.progress).push(index, options)
}
