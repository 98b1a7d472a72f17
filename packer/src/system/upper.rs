//! The upper directory of an overlay, put over the tree that lay below it: what was made or changed, what was
//! removed, and whose it is (FORMAT.md, section 6.2). It knows overlays that were mounted with `userxattr`
//! and without `redirect_dir` and `metacopy`, and refuses the others.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bundle::{OWNER_ATTRIBUTE, Owner, join};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{DebianError, Error, SystemError};
use crate::system::dropped::Dropped;
use crate::system::system_tree::{Inode, Kind, SystemTree};
use crate::tree::spool::Spool;

/// The kernel's attributes (Documentation/filesystems/overlayfs.rst, "User xattr").
const WHITEOUT: &str = "user.overlay.whiteout";
const OPAQUE: &str = "user.overlay.opaque";
const REDIRECT: &str = "user.overlay.redirect";
const METACOPY: &str = "user.overlay.metacopy";

/// The longest value of an attribute that is read.
const VALUE_MAX: usize = 256;

/// Applies `upper` to `tree`; returns what could not be taken.
pub(crate) fn collect(upper: &Path, tree: &mut SystemTree, spool: &mut Spool) -> Result<Dropped, Error> {
    let mut over = Over { tree, spool, dropped: Dropped::default(), files: BTreeMap::new() };
    over.directory(upper, b"")?;
    Ok(over.dropped)
}

struct Over<'a> {
    tree: &'a mut SystemTree,
    spool: &'a mut Spool,
    dropped: Dropped,
    /// The first name of each file with several, by device and inode.
    files: BTreeMap<(u64, u64), Vec<u8>>,
}

impl Over<'_> {
    /// Takes what is below `path`. It keeps a list of directories that are left and does not recurse, since
    /// programs inside choose the depth.
    fn directory(&mut self, top: &Path, path: &[u8]) -> Result<(), Error> {
        let mut left = vec![(top.to_owned(), path.to_vec())];
        while let Some((directory, path)) = left.pop() {
            let failed = |source| Error::io("read", &directory, source);
            let names = fs::read_dir(&directory).map_err(failed)?;
            let names = names.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
            let mut names = names.map_err(failed)?;
            names.sort_unstable();
            for name in names {
                let file = directory.join(&name);
                let path = join(&path, name.as_bytes());
                if self.entry(&file, &path)? {
                    left.push((file, path));
                }
            }
        }
        Ok(())
    }

    /// One name; says whether it is a directory.
    fn entry(&mut self, file: &Path, path: &[u8]) -> Result<bool, Error> {
        let metadata = fs::symlink_metadata(file).map_err(|source| Error::io("read", file, source))?;
        let kind = metadata.file_type();
        if is_whiteout(file, &metadata)? {
            self.tree.remove(path);
            return Ok(false);
        }
        if kind.is_symlink() {
            let target = fs::read_link(file).map_err(|source| Error::io("read", file, source))?;
            let target = target.as_os_str().as_bytes().to_vec();
            self.tree.add(path, Inode::of_root(Kind::Symlink(target), 0o777))?;
            return Ok(false);
        }
        let dropped = match () {
            () if kind.is_fifo() => Some(&mut self.dropped.fifos),
            () if kind.is_socket() => Some(&mut self.dropped.sockets),
            () if kind.is_char_device() || kind.is_block_device() => Some(&mut self.dropped.devices),
            () => None,
        };
        if let Some(count) = dropped {
            *count += 1;
            // It hides what was there.
            self.tree.remove(path);
            return Ok(false);
        }
        let owner = owner(file, &metadata)?;
        let inode = |kind| Inode { kind, mode: owner.mode, uid: owner.uid, gid: owner.gid };
        if kind.is_dir() {
            if attribute(file, REDIRECT)?.is_some() {
                return Err(refused(file, "a directory has moved in it"));
            }
            if attribute(file, OPAQUE)?.as_deref() == Some(b"y") {
                self.tree.clear(path);
            }
            self.tree.add(path, inode(Kind::Directory))?;
            return Ok(true);
        }
        if attribute(file, METACOPY)?.is_some() {
            return Err(refused(file, "it has a file's owner without its bytes"));
        }
        let number = (metadata.dev(), metadata.ino());
        if let Some(first) = self.files.get(&number) {
            self.tree.link(path, first)?;
            return Ok(false);
        }
        let failed = |source| Error::io("read", file, source);
        // A process that is left may exchange it: no link is followed, and nothing is waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let mut bytes = File::options().read(true).custom_flags(flags).open(file).map_err(failed)?;
        let opened = bytes.metadata().map_err(failed)?;
        if (opened.dev(), opened.ino()) != number {
            return Err(refused(file, "it was exchanged while it was read"));
        }
        let content = self.spool.append(&mut bytes)?;
        self.tree.add(path, inode(Kind::File(content)))?;
        if metadata.nlink() > 1 {
            self.files.insert(number, path.to_vec());
        }
        Ok(false)
    }
}

/// Whether it is a whiteout, which hides the name in the tree: a device 0/0, or since Linux 6.7 also an empty
/// file with an attribute.
fn is_whiteout(file: &Path, metadata: &Metadata) -> Result<bool, Error> {
    if metadata.file_type().is_char_device() {
        return Ok(metadata.rdev() == 0);
    }
    Ok(metadata.is_file() && metadata.len() == 0 && attribute(file, WHITEOUT)?.is_some())
}

/// The owner of a file or directory in the system.
fn owner(file: &Path, metadata: &Metadata) -> Result<Owner, Error> {
    let mode = u16::try_from(metadata.mode() & 0o7777).unwrap_or(0o755);
    let real = Owner { uid: 0, gid: 0, mode };
    let name = OWNER_ATTRIBUTE.to_str().unwrap_or_default();
    match attribute(file, name)? {
        None => Ok(real),
        Some(text) => Owner::parse(&text).ok_or_else(|| refused(file, "its owner cannot be read")),
    }
}

/// The value of an attribute, if the file has it.
fn attribute(file: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut value = [0; VALUE_MAX];
    match rustix::fs::lgetxattr(file, name, &mut value[..]) {
        Ok(length) => Ok(Some(value.get(..length).unwrap_or_default().to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        // Longer than any that means something here.
        Err(Errno::RANGE) => Ok(Some(Vec::new())),
        Err(error) => Err(Error::io("read", file, error.into())),
    }
}

fn refused(path: &Path, why: &'static str) -> Error {
    SystemError::from(DebianError::Overlay { path: PathBuf::from(path), why }).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, XattrFlags};

    use super::*;

    struct Upper(tempfile::TempDir);

    impl Upper {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, text: &str, mode: u32) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(&path, text).expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
        }

        fn directory(&self, path: &str) {
            fs::create_dir_all(self.path(path)).expect("made");
        }

        fn set(&self, path: &str, name: &str, value: &str) {
            rustix::fs::setxattr(self.path(path), name, value.as_bytes(), XattrFlags::empty())
                .expect("a temporary directory with user attributes");
        }

        /// As every user may make it.
        fn whiteout(&self, path: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).expect("made");
        }

        fn over(&self, tree: &mut SystemTree) -> Result<Dropped, Error> {
            collect(self.0.path(), tree, &mut Spool::new().expect("a spool"))
        }
    }

    /// A tree of a few files that belong to user 7.
    fn lower(files: &[&str]) -> SystemTree {
        let mut tree = SystemTree::default();
        for path in files {
            let kind = Kind::File(b"lower".to_vec().into());
            tree.add(path.as_bytes(), Inode { kind, mode: 0o640, uid: 7, gid: 7 }).expect("added");
        }
        tree
    }

    fn shown(tree: &SystemTree) -> Vec<String> {
        let one = |named: crate::system::system_tree::Named<'_>| {
            let Inode { kind, mode, uid, gid } = named.inode;
            let path = String::from_utf8_lossy(named.path);
            let what = match (named.first, kind) {
                (Some(first), _) => format!("= {}", String::from_utf8_lossy(first)),
                (None, Kind::Directory) => "/".to_owned(),
                (None, Kind::Symlink(to)) => format!("-> {}", String::from_utf8_lossy(to)),
                (None, Kind::File(content)) => {
                    String::from_utf8_lossy(&content.bytes().expect("readable")).into_owned()
                }
            };
            format!("{path} {mode:o} {uid}:{gid} {what}")
        };
        tree.iter().map(one).collect()
    }

    #[test]
    fn what_was_made_and_changed_is_taken_with_its_owner() {
        let upper = Upper::new();
        upper.write("a/changed", "new", 0o600);
        upper.set("a/changed", "user.unibin.owner", "101 104 4711");
        upper.write("a/made", "x", 0o644);
        upper.directory("a/dir");
        upper.set("a", "user.unibin.owner", "0 42 2775");
        symlink("../../anywhere", upper.path("a/link")).expect("made");
        fs::hard_link(upper.path("a/made"), upper.path("a/other")).expect("made");
        let mut tree = lower(&["a/changed", "a/kept"]);
        assert_eq!(upper.over(&mut tree).expect("taken"), Dropped::default());
        assert_eq!(
            shown(&tree),
            [
                "a 2775 0:42 /",
                "a/changed 4711 101:104 new",
                "a/dir 755 0:0 /",
                "a/kept 640 7:7 lower",
                "a/link 777 0:0 -> ../../anywhere",
                "a/made 644 0:0 x",
                "a/other 644 0:0 = a/made",
            ]
        );
    }

    #[test]
    fn what_was_removed_goes_in_each_way_that_the_kernel_says_so() {
        let upper = Upper::new();
        upper.whiteout("a/file");
        upper.whiteout("tree");
        upper.write("b/file", "", 0o644);
        upper.set("b/file", "user.overlay.whiteout", "");
        upper.write("opaque/new", "x", 0o644);
        upper.set("opaque", "user.overlay.opaque", "y");
        upper.write("merged/new", "x", 0o644);
        // This says only that there are files with an attribute in it.
        upper.set("merged", "user.overlay.opaque", "x");
        let mut tree =
            lower(&["a/file", "b/file", "merged/old", "opaque/old", "opaque/d/old", "tree/d/file"]);
        upper.over(&mut tree).expect("taken");
        let left: Vec<String> = shown(&tree).into_iter().filter(|line| !line.ends_with(" /")).collect();
        assert_eq!(left, ["merged/new 644 0:0 x", "merged/old 640 7:7 lower", "opaque/new 644 0:0 x"]);
    }

    #[test]
    fn a_file_in_place_of_a_directory_and_the_other_way_round() {
        let upper = Upper::new();
        upper.write("dir", "now a file", 0o644);
        upper.write("file/inside", "x", 0o644);
        upper.set("file", "user.overlay.opaque", "y");
        let mut tree = lower(&["dir/a", "file"]);
        upper.over(&mut tree).expect("taken");
        assert_eq!(shown(&tree), ["dir 644 0:0 now a file", "file 755 0:0 /", "file/inside 644 0:0 x"]);
    }

    #[test]
    fn what_a_system_cannot_have_is_counted() {
        let upper = Upper::new();
        rustix::fs::mknodat(CWD, upper.path("fifo"), FileType::Fifo, Mode::empty(), 0).expect("made");
        let _socket = std::os::unix::net::UnixListener::bind(upper.path("socket")).expect("made");
        let mut tree = lower(&["fifo", "kept"]);
        let dropped = upper.over(&mut tree).expect("taken");
        assert_eq!((dropped.fifos, dropped.sockets), (1, 1));
        assert_eq!(shown(&tree), ["kept 640 7:7 lower"]);
    }

    #[test]
    fn overlays_that_say_more_than_this_reads_are_refused() {
        let refused = |make: &dyn Fn(&Upper)| {
            let upper = Upper::new();
            make(&upper);
            upper.over(&mut lower(&[])).expect_err("refused").to_string()
        };
        let moved = refused(&|upper| {
            upper.directory("d");
            upper.set("d", "user.overlay.redirect", "/e");
        });
        assert!(moved.contains("moved"), "{moved}");
        let meta = refused(&|upper| {
            upper.write("f", "", 0o644);
            upper.set("f", "user.overlay.metacopy", "");
        });
        assert!(meta.contains("without its bytes"), "{meta}");
        let owner = refused(&|upper| {
            upper.write("f", "", 0o644);
            upper.set("f", "user.unibin.owner", "root");
        });
        assert!(owner.contains("owner"), "{owner}");
    }
}
