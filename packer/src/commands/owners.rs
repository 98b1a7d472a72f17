//! Owners of an extracted system's files: real ones where root extracts it, else the attribute that unpacked
//! systems have (FORMAT.md, section 6.2).

use std::cell::Cell;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, fchown, lchown};
use std::path::Path;

use bundle::{OWNER_ATTRIBUTE, Owner};
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::shown;
use crate::say;

/// How owners are kept, and whether some were not.
pub(crate) struct Owners {
    is_root: bool,
    lost: Cell<u64>,
}

impl Owners {
    /// As this process can keep them.
    pub(crate) fn of_this_process() -> Self {
        Self { is_root: rustix::process::geteuid().is_root(), lost: Cell::new(0) }
    }

    /// Gives `file` its owner and mode.
    pub(crate) fn give(&self, file: &File, owner: Owner, is_directory: bool) -> io::Result<()> {
        if self.is_root {
            // A change of the owner takes set-id bits away.
            fchown(file, Some(owner.uid), Some(owner.gid))?;
            return file.set_permissions(Permissions::from_mode(owner.mode.into()));
        }
        file.set_permissions(Permissions::from_mode(owner.real_mode(is_directory).into()))?;
        if !owner.needs_attribute(is_directory) {
            return Ok(());
        }
        let mut buffer = [0; Owner::TEXT_MAX];
        match rustix::fs::fsetxattr(file, OWNER_ATTRIBUTE, owner.text(&mut buffer), XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.lost.set(self.lost.get() + 1),
            other => other?,
        }
        Ok(())
    }

    /// Gives a symbolic link its owner.
    pub(crate) fn give_link(&self, place: &Path, owner: Owner) -> io::Result<()> {
        if self.is_root { lchown(place, Some(owner.uid), Some(owner.gid)) } else { Ok(()) }
    }

    /// Warns if owners were lost.
    pub(crate) fn tell(&self, directory: &Path) {
        let lost = self.lost.get();
        if lost > 0 {
            let place = shown(directory);
            say::warning(&format!(
                "owners and modes of {lost} files are lost: the file system of `{place}` has no user attributes"
            ));
        }
    }
}
