//! OCI layouts (the OCI image specification, "Image Layout"): blobs named by their digests, and an index.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;

use crate::archive::Archive;
use crate::descriptor::{Descriptor, Index};
use crate::error::OciError;
use crate::json;
use crate::select::Source;
use crate::stored::Stored;

/// Annotations with an image's name: the specification's, and containerd's.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// Where its files are.
enum Files {
    Directory(PathBuf),
    Archive(Archive),
}

/// A layout.
pub(crate) struct Layout(Files);

impl Layout {
    /// In a directory.
    pub(crate) fn directory(path: PathBuf) -> Result<Self, OciError> {
        if !path.join("index.json").is_file() {
            let text = path.to_string_lossy().into_owned();
            return Err(OciError::Reference {
                text,
                why: "it is no OCI layout, since it has no `index.json`",
            });
        }
        Ok(Self(Files::Directory(path)))
    }

    /// In an archive.
    pub(crate) fn archive(files: Archive) -> Self {
        Self(Files::Archive(files))
    }

    fn file(&self, path: &str) -> Result<Stored, OciError> {
        match &self.0 {
            Files::Archive(archive) => archive.file(path),
            Files::Directory(directory) => {
                let place = directory.join(path);
                let failed = |source| OciError::io(&place, source);
                // Checked before it is opened: opening a FIFO would wait for its other end.
                if !fs::metadata(&place).map_err(failed)?.is_file() {
                    return Err(OciError::form(&place.to_string_lossy(), "it is not a file"));
                }
                File::open(&place).and_then(Stored::whole).map_err(failed)
            }
        }
    }

    /// The images that the index names, or the one called `tag`.
    pub(crate) fn roots(&self, tag: Option<&str>) -> Result<Vec<Descriptor>, OciError> {
        let name = self.name();
        let bytes = self.file("index.json")?.bytes(&name)?;
        let Index { manifests } =
            json::read(&bytes).map_err(|why| OciError::form(&format!("{name}: index.json"), why))?;
        let names = |descriptor: &Descriptor| -> Vec<String> {
            NAMES.iter().filter_map(|key| descriptor.annotations.get(*key).cloned()).collect()
        };
        let tags: BTreeSet<String> =
            manifests.iter().filter_map(|one| names(one).into_iter().next()).collect();
        let tags: Vec<String> = tags.into_iter().collect();
        let Some(tag) = tag else {
            return if tags.len() > 1 { Err(OciError::Several { name, tags }) } else { Ok(manifests) };
        };
        let is_named = |one: &Descriptor| {
            one.digest.to_string() == tag || names(one).iter().any(|name| is_tag(name, tag))
        };
        let found: Vec<Descriptor> = manifests.into_iter().filter(is_named).collect();
        if found.is_empty() {
            Err(OciError::NoSuchTag { name, tag: tag.to_owned(), tags })
        } else {
            Ok(found)
        }
    }
}

/// Whether `tag` is `name` or the end of it: `latest` of `docker.io/library/a:latest`.
pub(crate) fn is_tag(name: &str, tag: &str) -> bool {
    name == tag || name.strip_suffix(tag).is_some_and(|rest| rest.ends_with([':', '/']))
}

impl Source for Layout {
    fn name(&self) -> String {
        match &self.0 {
            Files::Directory(path) => path.to_string_lossy().into_owned(),
            Files::Archive(archive) => archive.name(),
        }
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Stored, OciError> {
        self.file(&format!("blobs/sha256/{}", descriptor.digest.0))?.check(&self.name(), descriptor)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OciError> {
        self.blob(descriptor)?.bytes(&self.name())
    }
}
