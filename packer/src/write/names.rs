//! What the members of a tree say of each other: a name is there once, a hard link leads to a file, pieces
//! make a whole file. Each by itself is checked by the launcher's reader.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A member, as far as others can contradict it.
pub(crate) enum Named {
    Name {
        path: Vec<u8>,
        is_file: bool,
    },
    Hardlink {
        path: Vec<u8>,
        target: Vec<u8>,
    },
    /// A file that comes in pieces.
    Announced,
    /// `fits`: it stands where it may in its frame.
    Piece {
        path: Vec<u8>,
        offset: u64,
        end: u64,
        last: bool,
        fits: bool,
    },
}

/// The members of a tree, in their order.
#[derive(Default)]
pub(crate) struct Listing {
    names: Names,
    /// Files that come in pieces, and how many of them have begun.
    announced: usize,
    begun: usize,
    /// The file that goes on in the next piece, and where.
    open: Option<(Vec<u8>, u64)>,
}

impl Listing {
    /// Adds the members of a frame.
    pub(crate) fn extend(&mut self, members: Vec<Named>) -> Result<(), String> {
        let pieces = |path: &[u8]| Err(format!("`{}`: its pieces do not make one file", path.escape_ascii()));
        // The next piece is in the next frame, not behind an empty one.
        if let (Some((path, _)), []) = (&self.open, &members[..]) {
            return pieces(path);
        }
        for member in members {
            let open = self.open.take();
            match member {
                Named::Piece { path, offset, end, last, fits } => {
                    let goes_on = match &open {
                        Some((of, at)) => (of, at) == (&path, &offset),
                        None => offset == 0,
                    };
                    if !fits || !goes_on {
                        return pieces(&path);
                    }
                    if offset == 0 {
                        self.begun += 1;
                        self.names.add(path.clone(), true)?;
                    }
                    self.open = Some((path, end)).filter(|_| !last);
                }
                _ if open.is_some() => return pieces(&open.unwrap_or_default().0),
                Named::Name { path, is_file } => self.names.add(path, is_file)?,
                Named::Hardlink { path, target } => self.names.link(path, &target)?,
                Named::Announced => self.announced += 1,
            }
        }
        Ok(())
    }

    /// Whether nothing is missing.
    pub(crate) fn finish(&self) -> Result<(), String> {
        if self.open.is_none() && self.begun == self.announced {
            Ok(())
        } else {
            Err("the pieces of a file are missing".to_owned())
        }
    }
}

/// The names of a tree, and whether each is a file: a launcher learns from the file system that a name is
/// there twice, or that a hard link leads to no file.
#[derive(Default)]
pub(crate) struct Names(HashMap<Vec<u8>, bool>);

impl Names {
    pub(crate) fn link(&mut self, path: Vec<u8>, target: &[u8]) -> Result<(), String> {
        if self.0.get(target) != Some(&true) {
            return Err(format!("`{}` is a link to no file of the tree", path.escape_ascii()));
        }
        self.add(path, true)
    }

    pub(crate) fn add(&mut self, path: Vec<u8>, is_file: bool) -> Result<(), String> {
        match self.0.entry(path) {
            Entry::Vacant(free) => {
                free.insert(is_file);
                Ok(())
            }
            Entry::Occupied(taken) => Err(format!("`{}` is in the tree twice", taken.key().escape_ascii())),
        }
    }
}
