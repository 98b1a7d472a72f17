//! An archive of a tree: its entries, in memory and in one nameless file. A single directory at its top is
//! the tree itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bundle::{components_of, join};
use inputs::{Entry, Form, Kind};

use crate::error::{Error, readable};
use crate::input::given_tree::GivenTree;
use crate::request::AppRequest;
use crate::say;
use crate::tree::app_tree::Node;
use crate::tree::content::Content;
use crate::tree::spool::Spool;

/// What was read, before it is known what lies at the top.
enum Stored {
    Directory,
    File { executable: Option<bool>, content: Content },
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
}

/// Takes everything in the archive.
pub(crate) fn take(
    file: &File,
    path: &Path,
    form: Form,
    request: &AppRequest,
    tree: &mut GivenTree,
    spool: &mut Spool,
) -> Result<(), Error> {
    let mut all: Vec<(Vec<u8>, Stored)> = Vec::new();
    inputs::read(file, path, form, &mut |entry: Entry<'_>| {
        let Entry { path, kind, mode, reader, .. } = entry;
        let set_id = mode.is_some_and(|mode| mode & 0o6000 != 0);
        let read = match kind {
            Kind::Directory => Stored::Directory,
            Kind::Symlink(target) => Stored::Symlink(target),
            Kind::HardLink(target) => Stored::HardLink(target),
            Kind::Special(_) => {
                return Err(Error::tree(&path, "it is neither a file, a directory nor a link"));
            }
            Kind::File => {
                if set_id {
                    say::warning(&format!(
                        "`{}`: set-user-ID and set-group-ID bits are dropped",
                        readable(&path)
                    ));
                }
                let executable = mode.map(|mode| mode & 0o111 != 0);
                Stored::File { executable, content: spool.append(reader)? }
            }
        };
        all.push((path, read));
        Ok::<_, Error>(())
    })?;
    // Those of a package are of the root directory.
    let top = if tree.place.is_empty() { None } else { single_top(&all) };
    for (path, read) in all {
        let Some(path) = below(&path, top.as_deref()) else { continue };
        if tree.excludes(request, &path) {
            continue;
        }
        let place = tree.at(&path);
        let node = match read {
            Stored::Directory => Node::Directory,
            Stored::File { executable, content } => {
                let executable = match executable {
                    Some(executable) => executable,
                    // Made where files have no such bit.
                    None => is_program(&content).map_err(Error::Temporary)?,
                };
                Node::File { executable, content }
            }
            Stored::Symlink(target) => {
                tree.link(&path, &target)?;
                continue;
            }
            Stored::HardLink(target) => match below(&target, top.as_deref()) {
                Some(target) => Node::HardLink(tree.at(&target)),
                None => return Err(Error::tree(&path, "it is a hard link to a directory")),
            },
        };
        tree.app.place(&place, node)?;
    }
    Ok(())
}

/// The directory at the top, if there is nothing beside it.
fn single_top(all: &[(Vec<u8>, Stored)]) -> Option<Vec<u8>> {
    let first = |path: &[u8]| components_of(path).next().map(<[u8]>::to_vec);
    let top = first(&all.first()?.0)?;
    let is_directory = |(path, read): &(Vec<u8>, Stored)| *path != top || matches!(read, Stored::Directory);
    let all_below = all.iter().all(|entry| first(&entry.0).as_ref() == Some(&top) && is_directory(entry));
    // What is a directory by being empty would leave nothing.
    (all_below && all.iter().any(|(path, _)| *path != top)).then_some(top)
}

/// A path below the top; `None` for the top itself.
fn below(path: &[u8], top: Option<&[u8]>) -> Option<Vec<u8>> {
    match top {
        None => Some(path.to_vec()),
        Some(top) if path == top => None,
        Some(top) => Some(path.strip_prefix(join(top, b"").as_slice()).unwrap_or(path).to_vec()),
    }
}

fn is_program(content: &Content) -> std::io::Result<bool> {
    let mut head = Vec::new();
    content.reader().take(4).read_to_end(&mut head)?;
    Ok(head.starts_with(b"\x7fELF") || head.starts_with(b"#!"))
}
