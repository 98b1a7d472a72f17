//! Patterns over paths of the tree, with `fast-glob`, which is touched here only: `*` within one part, `**` over parts.

use bundle::{components_of, join};

use crate::tree::{Fault, Node, Tree};

/// How deep `**` goes: deeper than any tree of an app, shallow enough to end in a circle of links.
const DEPTH_MAX: usize = 24;

/// Whether `path` (relative, without a leading slash) fits `pattern`. A leading slash of the pattern is not looked at.
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    fast_glob::glob_match(pattern.strip_prefix(b"/").unwrap_or(pattern), path)
}

/// The files and links of the tree that fit `pattern`, sorted, each by the path with the pattern's own directories. Only
/// directories that the pattern can mean are read.
pub fn expand(tree: &Tree<'_>, pattern: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let mut found = Vec::new();
    let parts: Vec<&[u8]> = components_of(pattern).collect();
    step(tree, Vec::new(), &parts, 0, &mut found)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn step(
    tree: &Tree<'_>,
    here: Vec<u8>,
    rest: &[&[u8]],
    depth: usize,
    found: &mut Vec<Vec<u8>>,
) -> Result<(), Fault> {
    let Some((part, after)) = rest.split_first() else {
        // A link counts when it leads to a file; what is in a directory is asked for by name.
        if tree.find_file(&here)?.is_some() {
            found.push(here);
        }
        return Ok(());
    };
    if *part == b"**" {
        // Below `**` links to directories are not followed: they lead to what is found at its own place, or in circles.
        if after.is_empty() && tree.find_file(&here)?.is_some() {
            found.push(here);
            return Ok(());
        }
        if !after.is_empty() {
            step(tree, here.clone(), after, depth, found)?;
        }
        if depth < DEPTH_MAX {
            for name in tree.names(&here)? {
                let next = join(&here, &name);
                let is_directory = tree.find(&next)?.is_some_and(|place| place.node == Node::Directory);
                let is_link = is_directory
                    && matches!(tree.find(&here)?, Some(place)
                        if matches!(tree.node(&join(&place.path, &name))?, Some((_, Node::Symlink(_)))));
                if is_directory && !is_link || !is_directory && after.is_empty() {
                    step(tree, next, rest, depth + 1, found)?;
                }
            }
        }
        return Ok(());
    }
    if !part.iter().any(|byte| b"*?[{\\".contains(byte)) {
        return step(tree, join(&here, part), after, depth, found);
    }
    for name in tree.names(&here)? {
        if matches(part, &name) {
            step(tree, join(&here, &name), after, depth, found)?;
        }
    }
    Ok(())
}
