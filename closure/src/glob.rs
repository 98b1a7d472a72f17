//! Patterns over paths of the tree: `*` within one component, `**` over components. The only file that uses
//! `fast-glob`.

use bundle::{components_of, join};

use crate::tree::{Fault, Kind, Tree};

/// How deep `**` goes: deeper than any app's tree, shallow enough to end in a cycle of links.
const DEPTH_MAX: usize = 24;

/// Whether `path` (relative, without a leading slash) matches `pattern`. A leading slash of the pattern is
/// ignored.
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    fast_glob::glob_match(pattern.strip_prefix(b"/").unwrap_or(pattern), path)
}

/// The files of the tree that match `pattern`, and links to files, sorted; their paths keep the pattern's own
/// directories. Reads only directories that can contain matches.
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
        // A link to a file counts as a file.
        if tree.resolve_file(&here)?.is_some() {
            found.push(here);
        }
        return Ok(());
    };
    if *part == b"**" {
        // `**` does not follow links to directories: their files are found at their own paths, and links can
        // form cycles.
        if after.is_empty() && tree.resolve_file(&here)?.is_some() {
            found.push(here);
            return Ok(());
        }
        if !after.is_empty() {
            step(tree, here.clone(), after, depth, found)?;
        }
        if depth < DEPTH_MAX {
            for name in tree.names(&here)? {
                let next = join(&here, &name);
                let is_directory =
                    tree.resolve(&next)?.is_some_and(|resolved| resolved.kind == Kind::Directory);
                let is_link = is_directory
                    && matches!(tree.resolve(&here)?, Some(resolved)
                        if matches!(tree.kind(&join(&resolved.path, &name))?, Some((_, Kind::Symlink(_)))));
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
