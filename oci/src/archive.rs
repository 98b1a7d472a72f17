//! An image in a tar archive: where each file of it lies. Links inside the archive are followed there, and
//! nowhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::{LINKS_MAX, TreePath};
use inputs::{Entry, Form, Kind, Reading};

use crate::error::OciError;
use crate::stored::Stored;

/// A file of the archive.
enum Member {
    File(Stored),
    Link(Vec<u8>),
}

/// The archive.
pub(crate) struct Archive {
    path: PathBuf,
    members: BTreeMap<Vec<u8>, Member>,
}

impl Archive {
    /// Reads where everything in `file` is; of a compressed archive, everything.
    pub(crate) fn read(file: &File, path: &Path) -> Result<Self, OciError> {
        let failed = |source| OciError::io(path, source);
        let mut own = file.try_clone().map_err(failed)?;
        let Some(Form::Tar(compression)) = Form::of(&mut own).map_err(failed)? else {
            let text = path.to_string_lossy().into_owned();
            return Err(OciError::Reference { text, why: "it is not a tar archive" });
        };
        let stored = Arc::new(file.try_clone().map_err(failed)?);
        let spool = Arc::new(tempfile::tempfile().map_err(OciError::Temporary)?);
        let mut end = 0;
        let mut members = BTreeMap::new();
        inputs::read_tar(file, path, compression, Reading::App, &mut |entry: Entry<'_>| {
            let Entry { path, kind, position, reader, .. } = entry;
            let member = match kind {
                Kind::Directory | Kind::Special(_) => return Ok(()),
                Kind::Symlink(target) => {
                    // One that leads out leads to nothing.
                    let Some(target) = TreePath::new(&path).and_then(|link| link.follow(&target)) else {
                        return Ok(());
                    };
                    Member::Link(target)
                }
                Kind::HardLink(target) => Member::Link(target),
                Kind::File => Member::File(if let Some(offset) = position {
                    let length = io::copy(reader, &mut io::sink()).map_err(OciError::Temporary)?;
                    Stored { file: Arc::clone(&stored), offset, length }
                } else {
                    let length = io::copy(reader, &mut &*spool).map_err(OciError::Temporary)?;
                    let offset = end;
                    end += length;
                    Stored { file: Arc::clone(&spool), offset, length }
                }),
            };
            members.insert(path, member);
            Ok::<_, OciError>(())
        })?;
        Ok(Self { path: path.to_owned(), members })
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<&Stored> {
        let mut path = bundle::plain(path.as_bytes());
        for _ in 0..LINKS_MAX {
            match self.members.get(&path)? {
                Member::File(stored) => return Some(stored),
                Member::Link(target) => path.clone_from(target),
            }
        }
        None
    }

    /// A file of it.
    pub(crate) fn file(&self, path: &str) -> Result<Stored, OciError> {
        let missing = || OciError::form(&self.name(), format!("it has no file `{path}`"));
        self.find(path).cloned().ok_or_else(missing)
    }
}
