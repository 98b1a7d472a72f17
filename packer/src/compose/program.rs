//! A program that becomes a part of a bundle without having been one.

use std::path::Path;

use crate::error::{ComposeError, Error};
use crate::pack;
use crate::project;
use crate::write::assemble::PackedVariant;

/// The program at `path`, compressed, started as `name`. `view`: whether emulators of the bundle lay its tree
/// over the root, for which the tree needs a map.
pub(super) fn variant(path: &Path, name: &[u8], view: bool) -> Result<PackedVariant, Error> {
    let needs_more = |error| match error {
        Error::Missing { .. } => {
            ComposeError::NeedsMore { path: path.to_owned(), why: error.to_string() }.into()
        }
        other => other,
    };
    let args = project::pack_args_of_program(path)?;
    let mut variant = pack::variant(args, view).map_err(needs_more)?;
    for entry in &mut variant.entries {
        name.clone_into(&mut entry.name);
    }
    Ok(variant)
}
