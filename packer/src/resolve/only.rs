//! Of packages, only what is started and what that needs: for trees whose programs are all known.

use std::collections::BTreeSet;

use bundle::file_name_of;
use closure::{Object, Tree};

use crate::request::Entry;
use crate::tree::app_tree::{App, Node};

/// Removes from `app` all but the programs of `entries`, the files that `patterns` name, and what those need
/// of libraries, by their headers.
pub(crate) fn retain(app: &mut App, entries: &[Entry], patterns: &[Vec<u8>]) {
    let mut kept: BTreeSet<Vec<u8>> = BTreeSet::new();
    let named = app.nodes().filter(|(path, node)| {
        !matches!(node, Node::Directory) && patterns.iter().any(|pattern| closure::matches(pattern, path))
    });
    let mut open: Vec<Vec<u8>> = named.map(|(path, _)| path.to_vec()).collect();
    open.extend(entries.iter().map(|entry| entry.path.clone()));
    let tree = Tree::exactly(&*app);
    while let Some(path) = open.pop() {
        // A tree in memory is always readable.
        let Some(found) = tree.resolve(&path).ok().flatten() else { continue };
        kept.extend(found.links.into_iter().map(|(link, _)| link));
        if !kept.insert(found.path.clone()) {
            continue;
        }
        let Some((holder, Node::File { content, .. })) = app.file(&found.path) else { continue };
        kept.insert(holder.to_vec());
        let Ok(object) = Object::read(&mut content.reader()) else { continue };
        if let Some(loader) = &object.interpreter {
            open.push(loader.strip_prefix(b"/").unwrap_or(loader).to_vec());
        }
        let is_needed = |path: &[u8]| object.needed.iter().any(|name| name == file_name_of(path));
        open.extend(app.nodes().map(|(path, _)| path).filter(|path| is_needed(path)).map(<[u8]>::to_vec));
    }
    app.remove(&|path| {
        let below = [path, b"/"].concat();
        let is_above = kept.range(below.clone()..).next().is_some_and(|kept| kept.starts_with(&below));
        !kept.contains(path) && !is_above
    });
}
