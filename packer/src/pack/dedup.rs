//! Files that several variants of an app have in common at the same path: documentation, scripts, tables,
//! certificates. They are moved from the variants' trees to a tree that is stored once, and unpacked into the
//! same directory.

use std::collections::{BTreeMap, BTreeSet};

use bundle::Digest;

use crate::error::Error;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant};
use crate::tree::app_tree::{App, Node};

/// The smallest saving that is worth a blob of its own, in bytes of unpacked files.
const SAVED_MIN: u64 = 64 * 1024;

/// A tree, and the indexes of the variants that it was taken out of.
#[derive(Debug)]
pub(crate) struct SharedTree {
    pub(crate) app: App,
    pub(crate) variants: BTreeSet<usize>,
}

/// What is known of a file without reading it: its names (the first holds the bytes), whether it is
/// executable, and its length.
type Form = (Vec<Vec<u8>>, bool, u64);

/// What distinguishes a file from all others: its form and its digest.
type Identity = (Form, Digest);

/// Takes out what is common. A variant shares with one group of others: the group that saves most is formed
/// first, then the next among the remaining variants.
pub(crate) fn take_out(variants: &mut [ResolvedVariant]) -> Result<Vec<SharedTree>, Error> {
    let mut owners: BTreeMap<Identity, BTreeSet<usize>> = BTreeMap::new();
    for (number, identity) in alike(variants)? {
        owners.entry(identity).or_default().insert(number);
    }
    let mut all = Vec::new();
    let mut left: BTreeSet<usize> = (0..variants.len()).collect();
    while let Some(group) = best(&owners, &left) {
        left.retain(|number| !group.contains(number));
        let files: Vec<&Identity> =
            owners.iter().filter(|(_, owners)| group.is_subset(owners)).map(|(file, _)| file).collect();
        let names: BTreeSet<&[u8]> =
            files.iter().flat_map(|((names, ..), _)| names).map(Vec::as_slice).collect();
        let mut app = App::default();
        for (number, ResolvedVariant { resolved, .. }) in
            variants.iter_mut().enumerate().filter(|(number, _)| group.contains(number))
        {
            if Some(&number) == group.first() {
                for (path, node) in resolved.app.nodes().filter(|(path, _)| names.contains(path)) {
                    app.add(path, node.clone())?;
                }
            }
            resolved.app.remove(&|path| names.contains(path));
        }
        all.push(SharedTree { app, variants: group });
    }
    Ok(all)
}

/// The files that may be shared, each with the index of a variant that has it. Programs that are started by
/// name stay where they are, and so does everything to which its loader's path is appended.
fn alike(variants: &[ResolvedVariant]) -> Result<Vec<(usize, Identity)>, Error> {
    let mut by_form: BTreeMap<Form, Vec<usize>> = BTreeMap::new();
    for (number, variant) in variants.iter().enumerate() {
        let ResolvedApp { app, entries, .. } = &variant.resolved;
        let started: BTreeSet<&[u8]> =
            entries.iter().filter_map(|entry| app.file(&entry.path)).map(|(holder, _)| holder).collect();
        let mut names: BTreeMap<&[u8], Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in app.nodes() {
            let holder = match node {
                Node::File { .. } => path,
                Node::HardLink(holder) => holder,
                Node::Directory | Node::Symlink(_) => continue,
            };
            names.entry(holder).or_default().push(path.to_vec());
        }
        for (holder, names) in names {
            if let Some(Node::File { executable, content }) = app.get(holder)
                && app.loader_of(holder).is_none()
                && !started.contains(holder)
            {
                by_form.entry((names, *executable, content.len())).or_default().push(number);
            }
        }
    }
    let mut alike = Vec::new();
    for (form, numbers) in by_form.into_iter().filter(|(_, numbers)| numbers.len() > 1) {
        for number in numbers {
            let holder = form.0.first().and_then(|first| variants.get(number)?.resolved.app.get(first));
            let Some(Node::File { content, .. }) = holder else { continue };
            let digest = content.digest().map_err(Error::Temporary)?;
            alike.push((number, (form.clone(), digest)));
        }
    }
    Ok(alike)
}

/// The group among the variants `left` that saves most, if it saves enough.
fn best(owners: &BTreeMap<Identity, BTreeSet<usize>>, left: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
    let groups: BTreeSet<BTreeSet<usize>> = owners.values().map(|owners| owners & left).collect();
    let saved = |group: &BTreeSet<usize>| -> u64 {
        let files = owners.iter().filter(|(_, owners)| group.is_subset(owners));
        let length: u64 = files.map(|(((_, _, length), _), _)| length).sum();
        length * (group.len() as u64).saturating_sub(1)
    };
    let worth =
        groups.into_iter().map(|group| (saved(&group), group)).filter(|(saved, _)| *saved >= SAVED_MIN);
    worth.max().map(|(_, group)| group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::Facts;
    use crate::resolve::inventory::Inventory;
    use bundle::Arch;

    fn variant(files: &[(&str, u8)]) -> ResolvedVariant {
        let mut app = App::default();
        for (path, byte) in files {
            let content = vec![*byte; 40_000].into();
            app.add(path.as_bytes(), Node::File { executable: false, content }).expect("added");
        }
        let app = ResolvedApp {
            app,
            root: None,
            entries: Vec::new(),
            target: Arch::Riscv64,
            loader: Vec::new(),
            rules: Vec::new(),
            owed: None,
            facts: Facts::default(),
            inventory: Inventory::default(),
        };
        app.baseline()
    }

    fn files(app: &App) -> Vec<String> {
        let files = app.nodes().filter(|(_, node)| !matches!(node, Node::Directory));
        files.map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn what_is_alike_at_the_same_path_is_taken_out_once_for_the_group_that_saves_most() {
        let all = [("share/a", 1), ("share/b", 2)];
        let mut variants = [
            variant(&[all[0], all[1], ("bin/x", 3)]),
            variant(&[all[0], all[1], ("bin/x", 4)]),
            variant(&[all[0], all[1], ("bin/x", 4)]),
            variant(&[("share/a", 9), ("other", 1)]),
        ];
        let shared = take_out(&mut variants).expect("taken out");
        assert_eq!(shared.len(), 1);
        assert_eq!(shared[0].variants, BTreeSet::from([0, 1, 2]));
        assert_eq!(files(&shared[0].app), ["share/a", "share/b"]);
        let left: Vec<_> = variants.iter().map(|variant| files(&variant.resolved.app)).collect();
        assert_eq!(left, [vec!["bin/x"], vec!["bin/x"], vec!["bin/x"], vec!["other", "share/a"]]);
    }

    #[test]
    fn little_is_not_worth_a_blob_and_one_variant_shares_nothing() {
        let mut few = [variant(&[("a", 1)]), variant(&[("a", 1)])];
        assert!(take_out(&mut few).expect("looked at").is_empty());
        assert_eq!(files(&few[0].resolved.app), ["a"]);
        assert!(take_out(&mut [variant(&[("a", 1), ("b", 1), ("c", 1)])]).expect("looked at").is_empty());
    }

    #[test]
    fn names_of_one_file_stay_together() {
        let linked = |names: &[&str]| {
            let mut variant = variant(&[("a", 1), ("b", 2)]);
            for name in names {
                variant.resolved.app.add(name.as_bytes(), Node::HardLink(b"a".to_vec())).expect("added");
            }
            variant
        };
        let mut variants = [linked(&["c"]), linked(&["c"])];
        let shared = take_out(&mut variants).expect("taken out");
        assert_eq!(files(&shared[0].app), ["a", "b", "c"]);
        let mut variants = [linked(&["c"]), linked(&["d"])];
        assert!(take_out(&mut variants).expect("looked at").is_empty(), "only `b` is alike");
    }
}
