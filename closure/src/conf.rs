//! The files that name further directories: `/etc/ld.so.conf` and its includes (ldconfig(8)), and musl's path
//! file. They are read inside the tree only. On a real system glibc reads a cache made from them; this gives
//! the same answer.

use std::collections::BTreeSet;

use bundle::{directory_of, join, plain};

use crate::glob::matches;
use crate::loader::{Libc, Loader};
use crate::tree::{Fault, Tree};

const LD_SO_CONF: &[u8] = b"etc/ld.so.conf";

/// How deeply files may include each other.
const DEPTH_MAX: usize = 16;

/// What is read so far.
#[derive(Default)]
struct Included {
    /// The directories, in order.
    directories: Vec<Vec<u8>>,
    /// The files, by their paths without links. Each is read once: again it names nothing new, and files that
    /// include each other several times would not end.
    files: BTreeSet<Vec<u8>>,
}

/// The directories that the tree's configuration files name, in order.
pub(crate) fn directories(tree: &Tree<'_>, loader: &Loader) -> Result<Vec<Vec<u8>>, Fault> {
    let mut found = Vec::new();
    match loader.libc {
        Libc::Glibc => {
            let mut included = Included::default();
            include(tree, LD_SO_CONF, 0, &mut included)?;
            found = included.directories;
        }
        Libc::Musl => {
            if let Some(resolved) = tree.resolve_file(&loader.path_file)? {
                let text = tree.read(&resolved)?;
                let named = text.split(|byte| matches!(byte, b':' | b'\n')).filter(|name| !name.is_empty());
                found.extend(named.map(plain));
            }
        }
    }
    let mut seen = Vec::new();
    found.retain(|directory| {
        !seen.contains(directory) && {
            seen.push(directory.clone());
            true
        }
    });
    Ok(found)
}

fn include(tree: &Tree<'_>, path: &[u8], depth: usize, found: &mut Included) -> Result<(), Fault> {
    let Some(resolved) = tree.resolve_file(path)?.filter(|_| depth < DEPTH_MAX) else { return Ok(()) };
    if !found.files.insert(resolved.path.clone()) {
        return Ok(());
    }
    for line in tree.read(&resolved)?.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.next() {
            Some(b"include") => {
                for pattern in words {
                    // A relative pattern is relative to the including file.
                    let pattern = if pattern.starts_with(b"/") {
                        plain(pattern)
                    } else {
                        join(directory_of(path), pattern)
                    };
                    for file in files(tree, &pattern)? {
                        include(tree, &file, depth + 1, found)?;
                    }
                }
            }
            // `hwcap` lines were for caches of glibc before 2.37.
            Some(b"hwcap") | None => {}
            // A directory; older files have `=TYPE` behind it, and several on a line with spaces, colons or
            // commas between.
            Some(_) => {
                let named = line.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b','));
                let named = named.map(|name| name.split(|byte| *byte == b'=').next().unwrap_or_default());
                found.directories.extend(named.filter(|name| name.starts_with(b"/")).map(plain));
            }
        }
    }
    Ok(())
}

/// The files that a pattern of an `include` names, sorted as glob(3) does it; only its last part may be a
/// pattern.
fn files(tree: &Tree<'_>, pattern: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let directory = directory_of(pattern);
    let names = tree.names(directory)?.into_iter().map(|name| join(directory, &name));
    Ok(names.filter(|path| matches(pattern, path)).collect())
}
