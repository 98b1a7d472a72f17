//! An app's tree as files of this machine, for programs that `pack` itself executes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::tree::app_tree::{App, Node};

/// Writes `app`, whose links are settled, into the new directory `to`.
pub(crate) fn write(app: &App, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for (path, node) in app.nodes() {
        let path = to.join(OsStr::from_bytes(path));
        match node {
            Node::Directory => fs::create_dir(path)?,
            Node::Symlink(target) => symlink(OsStr::from_bytes(target), path)?,
            Node::HardLink(target) => fs::hard_link(to.join(OsStr::from_bytes(target)), path)?,
            Node::File { executable, content } => {
                let mut file = File::create_new(&path)?;
                io::copy(&mut content.reader(), &mut file)?;
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}
