//! Which modules of a crate use which, read from its sources. A module is a file. A declaration (`mod x;`)
//! uses nothing, and neither does a re-export that the file itself makes no use of; a name taken through a
//! re-export is a use of the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;
use super::tokens::{Token, group, tokens, without_tests};

/// A module's path in its crate: `["provider", "debian"]`; the root's is empty.
pub(crate) type Module = Vec<String>;

/// The modules of one crate and the ones that each uses.
pub(crate) type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// How many re-exports are followed for one name, so that a loop of them ends.
const HOPS_MAX: usize = 16;

/// What one file says.
#[derive(Default)]
struct Source {
    /// Names that a `use` brings in, with where they come from.
    imports: BTreeMap<String, Vec<String>>,
    /// The modules whose names are all brought in (`use x::*`).
    globs: Vec<Vec<String>>,
    /// Paths that the file makes use of, from the crate's root.
    paths: BTreeSet<Vec<String>>,
}

/// The uses in the crate whose sources lie in `directory` (`packer/src/`).
pub(crate) fn uses(files: &[File], directory: &str) -> Uses {
    let mut read: BTreeMap<Module, Vec<Token<'_>>> = BTreeMap::new();
    let mut for_tests: BTreeSet<Module> = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(inside) = file.path.strip_prefix(directory) else { continue };
        let module = module_of(inside);
        let (kept, tests) = without_tests(&tokens(&file.text));
        for_tests.extend(tests.into_iter().map(|name| [module.as_slice(), &[name.to_owned()]].concat()));
        read.entry(module).or_default().extend(kept);
    }
    read.retain(|module, _| !for_tests.iter().any(|test| module.starts_with(test)));
    let modules: BTreeSet<Module> = read.keys().cloned().collect();
    let sources: BTreeMap<&Module, Source> =
        read.iter().map(|(module, tokens)| (module, source(module, tokens, &modules))).collect();
    let mut uses = Uses::new();
    for (module, source) in &sources {
        let found = source.paths.iter().flat_map(|path| targets(path, &sources, HOPS_MAX));
        let found = found.filter(|found| found != *module).collect();
        uses.insert((*module).clone(), found);
    }
    uses
}

/// The module of a file, by its path in the source directory.
fn module_of(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = parts.len() == 1 && matches!(parts[0].as_str(), "lib" | "main");
    if is_root || parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

fn source(module: &Module, tokens: &[Token<'_>], modules: &BTreeSet<Module>) -> Source {
    let mut source = Source::default();
    let mut words: BTreeSet<&str> = BTreeSet::new();
    let mut written: BTreeSet<Vec<String>> = BTreeSet::new();
    let (mut exported, mut imported) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap_or(tokens.len() - at);
            let is_export = at > 0 && matches!(tokens[at - 1], "pub" | ")");
            let mut found = Vec::new();
            tree(&tokens[at + 1..end], &mut Vec::new(), &mut found);
            for (path, name) in found {
                let Some(path) = absolute(module, &path, modules) else { continue };
                if name == "*" {
                    source.globs.push(path.clone());
                } else {
                    source.imports.insert(name.clone(), path.clone());
                }
                if is_export { exported.push((name, path)) } else { imported.push((name, path)) }
            }
            at = end;
            continue;
        }
        // `mod x;` names a module; a function `x` that comes out of it may never be named.
        if at == 0 || tokens[at - 1] != "mod" {
            words.insert(tokens[at]);
        }
        // A path in the code: only its start can be a module's name.
        let starts = at == 0 || !matches!(tokens[at - 1], "::" | ".");
        if starts && tokens.get(at + 1) == Some(&"::") {
            let mut path = vec![tokens[at].to_owned()];
            while let Some([colons, word]) = tokens.get(at + 1..at + 3)
                && *colons == "::"
                && word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            {
                path.push((*word).to_owned());
                at += 2;
            }
            written.insert(path);
        }
        at += 1;
    }
    for path in &written {
        let by_import = source.imports.get(&path[0]).map(|from| [from.as_slice(), &path[1..]].concat());
        source.paths.extend(by_import.or_else(|| absolute(module, path, modules)));
    }
    // What is only passed on is not used; what the code names as well is.
    exported.retain(|(name, _)| words.contains(name.as_str()));
    // A module that is imported as such is a way to what is in it.
    let is_way = |name: &str, path: &Vec<String>| {
        modules.contains(path) && written.iter().any(|written| written[0] == name)
    };
    imported.retain(|(name, path)| !is_way(name, path));
    source.paths.extend(imported.into_iter().chain(exported).map(|(_, path)| path));
    source
}

/// The paths of a `use`, each with the name that it has here.
fn tree(tokens: &[Token<'_>], before: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let length = before.len();
    let mut at = 0;
    let mut name = None;
    while at < tokens.len() {
        match tokens[at] {
            "::" => {}
            "{" => {
                let end = at + group(&tokens[at..]) - 1;
                let mut start = at + 1;
                let mut next = start;
                while next <= end {
                    if next == end || tokens[next] == "," {
                        if start < next {
                            tree(&tokens[start..next], before, found);
                        }
                        start = next + 1;
                        next += 1;
                    } else {
                        next += group(&tokens[next..]);
                    }
                }
                before.truncate(length);
                return;
            }
            "as" => {
                name = tokens.get(at + 1).map(|name| (*name).to_owned());
                break;
            }
            "*" => name = Some("*".to_owned()),
            word => before.push(word.to_owned()),
        }
        at += 1;
    }
    // `use a::b::{self}` is `use a::b`.
    if before.len() > 1 && before.last().is_some_and(|last| last == "self") {
        before.pop();
    }
    let name = name.or_else(|| before.last().cloned()).unwrap_or_default();
    found.push((before.clone(), name));
    before.truncate(length);
}

/// `path`, as written in `module`, from the crate's root; `None` for paths into other crates.
fn absolute(module: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut from = module.clone();
    let mut rest = rest;
    match first.as_str() {
        "crate" => from.clear(),
        "self" => {}
        "super" => {
            from.pop();
            while let Some((more, behind)) = rest.split_first().filter(|(more, _)| *more == "super") {
                let _ = more;
                from.pop();
                rest = behind;
            }
        }
        _ => {
            from.push(first.clone());
            if !modules.contains(&from) {
                return None;
            }
        }
    }
    from.extend(rest.iter().cloned());
    Some(from)
}

/// The modules that a path from the root leads to.
fn targets(path: &[String], sources: &BTreeMap<&Module, Source>, hops: usize) -> Vec<Module> {
    let Some(length) = (0..=path.len()).rev().find(|length| sources.contains_key(&path[..*length].to_vec()))
    else {
        return Vec::new();
    };
    let (module, rest) = (path[..length].to_vec(), &path[length..]);
    let (Some(source), Some((name, behind))) = (sources.get(&module), rest.split_first()) else {
        return vec![module];
    };
    if hops == 0 {
        return vec![module];
    }
    if let Some(from) = source.imports.get(name).filter(|from| from.as_slice() != path) {
        return targets(&[from.as_slice(), behind].concat(), sources, hops - 1);
    }
    if name != "*" && !source.globs.is_empty() {
        // One of them has the name; which one, only the compiler knows.
        return source
            .globs
            .iter()
            .flat_map(|from| targets(from, sources, hops - 1))
            .chain([module])
            .collect();
    }
    vec![module]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> =
            files.iter().map(|(path, text)| File::of(&format!("a/src/{path}"), text)).collect();
        let all = uses(&files, "a/src/");
        let one = |(module, used): (&Module, &BTreeSet<Module>)| {
            used.iter().map(|used| format!("{} {}", module.join("::"), used.join("::"))).collect::<Vec<_>>()
        };
        all.iter().flat_map(one).collect()
    }

    #[test]
    fn every_form_of_a_path_is_a_use() {
        let files = [
            ("lib.rs", "mod b; mod c; mod d;"),
            ("b.rs", "use crate::{c::{self, C}, d::e::{E as F}};"),
            ("c.rs", "fn f() -> super::d::D { crate::d::e::g() }"),
            ("d.rs", "mod e; fn f() { e::g() }"),
            ("d/e.rs", "pub fn g(d: &super::D) {}"),
            ("f.rs", "use crate::d; fn f() { d::e::g() }"),
            ("g.rs", "use crate::d as way; fn f() { way::g() }"),
        ];
        assert_eq!(names(&files), ["b c", "b d::e", "c d", "c d::e", "d d::e", "d::e d", "f d::e", "g d"]);
    }

    #[test]
    fn neither_declarations_nor_exports_nor_tests_are_uses_and_exports_are_seen_through() {
        let files = [
            ("lib.rs", "mod b; mod c; pub use b::{B, b}; pub use c::{C, used}; fn f() { used() }"),
            ("b.rs", "use crate::C; // use crate::d::D\n#[cfg(test)] mod tests { use crate::e::E; }"),
            ("c.rs", "const TEXT: &str = \"crate::b::B\"; use std::b;"),
            ("e.rs", "#[cfg(test)] mod more; use other::c::C;"),
            ("e/more.rs", "use crate::b::B;"),
        ];
        assert_eq!(names(&files), [" c", "b c"]);
    }
}
