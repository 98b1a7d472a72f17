//! No module uses one that uses it, directly or over others: whoever reads a file can stop where its uses
//! end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::files::File;
use super::modules::{Module, Uses, uses};

/// Circles that are still there, each with its crate and its modules. One that is smaller passes; a new one,
/// a larger one and one that is gone do not, so that the list can only shrink.
const KNOWN: &[(&str, &[&str])] = &[];

/// A set of modules each of which uses, over others, every other.
#[derive(Debug, PartialEq, Eq)]
struct Circle {
    /// The crate's directory.
    of: String,
    modules: BTreeSet<Module>,
    /// One way round, the first module again at the end.
    chain: Vec<Module>,
}

/// The circles of all crates that are not in the list, and entries of the list that are gone.
pub(crate) fn no_modules_use_each_other(files: &[File]) -> Vec<String> {
    against(&circles(files), KNOWN)
}

fn against(circles: &[Circle], known: &[(&str, &[&str])]) -> Vec<String> {
    let fits = |circle: &Circle, (of, modules): &(&str, &[&str])| {
        circle.of == *of && circle.modules.iter().all(|module| modules.contains(&name(module).as_str()))
    };
    let new = circles.iter().filter(|circle| !known.iter().any(|known| fits(circle, known)));
    let new = new.map(|circle| {
        let chain: Vec<String> = circle.chain.iter().map(name).collect();
        let modules: Vec<String> = circle.modules.iter().map(name).collect();
        format!(
            "{}/src: modules use each other: {} ({} modules: {})",
            circle.of,
            chain.join(" -> "),
            modules.len(),
            modules.join(", ")
        )
    });
    let gone = known.iter().filter(|known| !circles.iter().any(|circle| fits(circle, known)));
    let gone = gone.map(|(of, modules)| {
        format!("{of}/src: this circle is gone, take it out of the list: {}", modules.join(", "))
    });
    new.chain(gone).collect()
}

fn name(module: &Module) -> String {
    if module.is_empty() { "(root)".to_owned() } else { module.join("::") }
}

fn circles(files: &[File]) -> Vec<Circle> {
    let crates: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.split_once("/src/"))
        .map(|(of, _)| of)
        .filter(|of| files.iter().any(|file| file.path == format!("{of}/Cargo.toml")))
        .collect();
    let mut found = Vec::new();
    for of in crates {
        let uses = uses(files, &format!("{of}/src/"));
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            uses.keys().map(|module| (module, reachable(module, &uses))).collect();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        for module in uses.keys() {
            if !reach[module].contains(module) || !seen.insert(module) {
                continue;
            }
            let together = |other: &&&Module| reach.get(**other).is_some_and(|back| back.contains(module));
            let modules: BTreeSet<Module> =
                reach[module].iter().filter(together).map(|one| (*one).clone()).collect();
            seen.extend(uses.keys().filter(|other| modules.contains(*other)));
            let chain = way_round(module, &uses);
            found.push(Circle { of: of.to_owned(), modules, chain });
        }
    }
    found
}

fn reachable<'a>(from: &'a Module, uses: &'a Uses) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        next.extend(uses.get(module).into_iter().flatten().filter(|used| found.insert(*used)));
    }
    found
}

/// The shortest way from `start` back to it.
fn way_round(start: &Module, uses: &Uses) -> Vec<Module> {
    let mut queue = VecDeque::from([vec![start.clone()]]);
    let mut seen: BTreeSet<Module> = BTreeSet::new();
    while let Some(way) = queue.pop_front() {
        for used in way.last().and_then(|last| uses.get(last)).into_iter().flatten() {
            let longer = [way.as_slice(), std::slice::from_ref(used)].concat();
            if used == start {
                return longer;
            }
            if seen.insert(used.clone()) {
                queue.push_back(longer);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Vec<File> {
        files.iter().map(|(path, text)| File::of(path, text)).collect()
    }

    #[test]
    fn a_circle_is_found_and_its_chain_told() {
        let circle = files(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "mod b; mod c; mod d; mod e; pub use b::B;"),
            ("a/src/b.rs", "use crate::c::C;"),
            ("a/src/c.rs", "use crate::d::D; use crate::e::E;"),
            ("a/src/d.rs", "fn f() { super::B::new() }"),
            ("a/src/e.rs", "use std::fmt;"),
        ]);
        let found = against(&circles(&circle), &[]);
        assert_eq!(found, ["a/src: modules use each other: b -> c -> d -> b (3 modules: b, c, d)"]);
    }

    #[test]
    fn a_tree_of_modules_passes() {
        let tree = files(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("a/src/b.rs", "use crate::C; mod part; pub use part::Part;"),
            ("a/src/b/part.rs", "use super::B; use crate::C;"),
            ("a/src/c.rs", "#[cfg(test)] mod tests { use crate::B; }"),
        ]);
        assert_eq!(against(&circles(&tree), &[]), [""; 0]);
    }

    #[test]
    fn the_list_of_known_circles_only_shrinks() {
        let circle = circles(&files(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "mod b; mod c;"),
            ("a/src/b.rs", "use crate::c::C;"),
            ("a/src/c.rs", "use crate::b::B;"),
        ]));
        assert_eq!(circle.len(), 1);
        assert_eq!(against(&circle, &[("a", &["b", "c"])]), [""; 0]);
        assert_eq!(against(&circle, &[("a", &["b", "c", "d"])]), [""; 0], "it has shrunk");
        assert_eq!(against(&circle, &[("a", &["b", "d"])]).len(), 2, "it has grown, and the other is gone");
        assert_eq!(against(&circle, &[("x", &["b", "c"])]).len(), 2);
        assert_eq!(against(&[], &[("a", &["b", "c"])]).len(), 1);
    }
}
