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
mod pushing;
mod reference;
mod registry;
mod select;
mod sink;
mod stored;
mod token;

use std::ffi::OsStr;

pub use crate::config::{Config, DEFAULT_PATH, signal};
pub use crate::error::OciError;
pub use crate::image::{Found, Image};
pub use crate::layer::{Compression, LayerWriter, NewLayer};
pub use crate::new_image::{NewConfig, NewImage, NewIndex};
pub use crate::platform::Platform;
pub use crate::progress::{Progress, Silent};
pub use crate::pushing::{Destination, PushOptions, Pushed};
use crate::reference::Reference;
pub use crate::stored::{Layer, Reader};

/// How images are found and fetched.
pub struct Options<'a> {
    /// Never connect to the network.
    pub offline: bool,
    /// Shown while layers arrive.
    pub progress: &'a dyn Progress,
}

/// Fetches the image that `reference` names, for each platform in `wanted`; none means this machine's.
///
/// # Errors
///
/// [`OciError`] for whatever is wrong with the reference, the image or the connection.
pub fn open(reference: &OsStr, wanted: &[Platform], options: &Options<'_>) -> Result<Vec<Image>, OciError> {
    looked_up(reference, options, |place| match place {
        Place::Layers(source, roots) => select::images(source, roots, wanted),
        Place::Saved(files, tag) => docker_archive::images(files, tag, wanted),
    })
}

/// Finds the same images as [`open`], but does not fetch their layers.
///
/// # Errors
///
/// As for [`open`].
pub fn find(reference: &OsStr, wanted: &[Platform], options: &Options<'_>) -> Result<Vec<Found>, OciError> {
    looked_up(reference, options, |place| match place {
        Place::Layers(source, roots) => select::found(source, roots, wanted),
        Place::Saved(files, tag) => docker_archive::found(files, tag, wanted),
    })
}

/// What a reference names.
enum Place<'a> {
    /// Blobs by their digests, and the indexes or manifests to begin with.
    Layers(&'a dyn select::Source, Vec<descriptor::Descriptor>),
    /// An archive of `docker save`, and which image of it.
    Saved(&'a archive::Archive, Option<&'a str>),
}

fn looked_up<T>(
    reference: &OsStr,
    options: &Options<'_>,
    take: impl FnOnce(Place<'_>) -> Result<T, OciError>,
) -> Result<T, OciError> {
    match Reference::parse(reference)? {
        Reference::Registry(name) => {
            if options.offline {
                return Err(OciError::Offline { name: name.to_string() });
            }
            let source = registry::Registry::new(name, options.progress);
            let root = source.root()?;
            take(Place::Layers(&source, vec![root]))
        }
        Reference::Directory { path, tag } => {
            let source = layout::Layout::directory(path)?;
            let roots = source.roots(tag.as_deref())?;
            take(Place::Layers(&source, roots))
        }
        Reference::Archive { file, path, tag } => {
            let files = archive::Archive::read(&file, &path)?;
            if files.has("index.json") {
                let source = layout::Layout::archive(files);
                let roots = source.roots(tag.as_deref())?;
                return take(Place::Layers(&source, roots));
            }
            take(Place::Saved(&files, tag.as_deref()))
        }
    }
}

/// Pushes an index, and everything that it names, to a registry.
///
/// # Errors
///
/// [`OciError`] where the registry does not take it.
pub fn push(index: &NewIndex, to: Destination, options: &PushOptions<'_>) -> Result<Pushed, OciError> {
    registry::Registry::new(to.name, options.progress).push(index, options)
}
