//! A directory of this machine, taken whole: files with their executable bits, hard links as such, links
//! relative to each other. Refuses what is neither file, directory nor link, unless it is excluded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundle::{TreePath, join};

use crate::error::{Error, kind_of, shown};
use crate::input::given_tree::GivenTree;
use crate::request::AppRequest;
use crate::say;
use crate::tree::app_tree::Node;
use crate::tree::spool::Spool;

/// The state of a walk through a directory.
struct Walk<'a> {
    request: &'a AppRequest,
    tree: &'a mut GivenTree,
    spool: &'a mut Spool,
    /// The directory as given, and with links resolved: absolute links into it may be written either way.
    roots: [PathBuf; 2],
    /// The first name of each file that has several.
    names: BTreeMap<(u64, u64), Vec<u8>>,
    /// The bundle that will be replaced.
    output: Option<(u64, u64)>,
}

/// Takes everything in `directory`.
pub(crate) fn take(
    directory: &Path,
    request: &AppRequest,
    tree: &mut GivenTree,
    spool: &mut Spool,
) -> Result<(), Error> {
    let failed = |source| Error::io("open", directory, source);
    let real = directory.canonicalize().map_err(failed)?;
    let given = std::path::absolute(directory).map_err(failed)?;
    let output = fs::metadata(&request.output).ok().map(|file| (file.dev(), file.ino()));
    let mut walk =
        Walk { request, tree, spool, roots: [real.clone(), given], names: BTreeMap::new(), output };
    walk.directory(&real, b"")
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, below: &[u8]) -> Result<(), Error> {
        let failed = |source| Error::io("read", directory, source);
        let names = fs::read_dir(directory).map_err(failed)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<Result<Vec<_>, io::Error>>().map_err(failed)?;
        names.sort();
        for name in names {
            let path = join(below, name.as_bytes());
            if !self.tree.excludes(self.request, &path) {
                self.one(&directory.join(&name), &path)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, source: &Path, path: &[u8]) -> Result<(), Error> {
        let failed = |error| Error::io("read", source, error);
        let found = fs::symlink_metadata(source).map_err(failed)?;
        let kind = found.file_type();
        let place = self.tree.at(path);
        if kind.is_dir() {
            self.tree.app.place(&place, Node::Directory)?;
            return self.directory(source, path);
        }
        if kind.is_symlink() {
            let target = fs::read_link(source).map_err(failed)?;
            let target = self.inside(path, &target).unwrap_or_else(|| target.into_os_string().into_vec());
            return self.tree.link(path, &target);
        }
        if !kind.is_file() {
            return Err(Error::NoPlace { path: source.to_owned(), found: kind_of(kind) });
        }
        let identity = (found.dev(), found.ino());
        if self.output == Some(identity) {
            self.tree.row.left.push(format!("the output `{}`", shown(source)));
            return Ok(());
        }
        if found.mode() & 0o6000 != 0 {
            say::warning(&format!("`{}`: set-user-ID and set-group-ID bits are dropped", shown(source)));
        }
        let node = match self.names.get(&identity) {
            Some(first) => Node::HardLink(first.clone()),
            None => self.spool.file(source)?,
        };
        if found.nlink() > 1 {
            self.names.entry(identity).or_insert_with(|| place.clone());
        }
        self.tree.app.place(&place, node)?;
        Ok(())
    }

    /// The relative form of an absolute link into the directory.
    fn inside(&self, path: &[u8], target: &Path) -> Option<Vec<u8>> {
        let rest = self.roots.iter().find_map(|root| target.strip_prefix(root).ok())?;
        Some(TreePath::new(path)?.link_to(rest.as_os_str().as_bytes()))
    }
}
