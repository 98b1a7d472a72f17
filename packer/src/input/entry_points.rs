//! The entries that a given tree names itself: an AppImage's `AppRun`, the scripts of a Python wheel, the
//! programs of an npm package, or the only program in it.

use bundle::{components_of, directory_of, file_name_of, join};
use inputs::Form;

use crate::error::Error;
use crate::input::given_tree::GivenTree;
use crate::json;
use crate::request::{Entry, Rule, TreeForm};
use crate::say;
use crate::tree::app_tree::Node;
use crate::tree::content::Content;
use inputs::elf::{self, Kind, NotElf};

/// Where packages have their programs.
const PROGRAM_DIRECTORIES: [&[u8]; 4] = [b"usr/bin", b"usr/sbin", b"bin", b"sbin"];

/// Finds the entries of `tree`.
pub(crate) fn find(form: TreeForm, tree: &mut GivenTree) -> Result<(), Error> {
    match form {
        TreeForm::Archive(Form::AppImage) => app_image(tree),
        TreeForm::Archive(Form::Zip) => wheel(tree)?,
        TreeForm::Archive(_) | TreeForm::Directory => npm(tree)?,
    }
    if tree.entries.is_empty() {
        only_program(tree)?;
    }
    Ok(())
}

/// The AppImage specification, "The AppDir": `AppRun` at the top is executed, with `APPDIR` set to where the
/// image is. The name is that of the one `.desktop` file at the top.
fn app_image(tree: &mut GivenTree) {
    let run = tree.at(b"AppRun");
    tree.app.make_executable(&run);
    let desktop = tree.app.names(&tree.place).find_map(|name| name.strip_suffix(b".desktop"));
    let name = desktop.unwrap_or(file_name_of(&tree.place)).to_vec();
    tree.entries.push(Entry::new(&name, &run));
    let after = [b"/", tree.place.as_slice()].concat();
    tree.rules.push(Rule::TreeVariable { name: b"APPDIR".to_vec(), after });
}

/// The Python Packaging User Guide, "Binary distribution format" and "Entry points specification": programs
/// that are installed as they are, and functions that a script is made for.
fn wheel(tree: &mut GivenTree) -> Result<(), Error> {
    let below = |path: &[u8]| path.strip_prefix(join(&tree.place, b"").as_slice()).map(<[u8]>::to_vec);
    let (mut points, mut metadata) = (None, None);
    let mut scripts = Vec::new();
    for (path, _) in tree.app.nodes() {
        let Some(path) = below(path) else { continue };
        let parts: Vec<&[u8]> = components_of(&path).collect();
        match parts[..] {
            [directory, b"scripts", name] if directory.ends_with(b".data") => {
                scripts.push(Entry::new(name, &tree.at(&path)));
            }
            [directory, b"entry_points.txt"] if directory.ends_with(b".dist-info") => {
                points = Some(tree.at(&path));
            }
            [directory, b"METADATA"] if directory.ends_with(b".dist-info") => {
                metadata = Some(tree.at(&path));
            }
            _ => {}
        }
    }
    for script in &scripts {
        tree.app.make_executable(&script.path);
    }
    tree.entries = scripts;
    if let Some(points) = points {
        let text = text(tree, &points)?;
        let functions = console_scripts(&text).into_iter().map(|(name, call)| python(tree, &name, call));
        let functions: Vec<Entry> = functions.collect();
        tree.entries.extend(functions);
    }
    if let Some(metadata) = metadata {
        requirements(&text(tree, &metadata)?, &tree.label);
    }
    // The one that the package is named after comes first.
    let package: Vec<u8> =
        file_name_of(&tree.place).split(|byte| *byte == b'-').next().unwrap_or_default().into();
    tree.entries.sort_by_key(|entry| entry.name != package);
    Ok(())
}

/// Warns about other packages that a wheel needs, since they are not fetched. Packages for extras are
/// ignored.
fn requirements(metadata: &str, label: &str) {
    let headers = metadata.lines().take_while(|line| !line.is_empty());
    let needed = headers.filter_map(|line| line.strip_prefix("Requires-Dist:"));
    let needed: Vec<&str> = needed.filter(|needed| !needed.contains("extra ==")).map(str::trim).collect();
    if !needed.is_empty() {
        say::warning(&format!(
            "`{label}` needs other packages, which are not fetched: {}; `pip install --target DIR` has them in one \
             directory, which can be packed",
            needed.join(", ")
        ));
    }
}

/// An entry that calls a function of a module in the tree.
fn python(tree: &GivenTree, name: &str, call: String) -> Entry {
    let mut entry = Entry::new(name.as_bytes(), b"usr/bin/python3");
    let after = [b"/", tree.place.as_slice()].concat();
    entry.rules = vec![
        Rule::TreeVariable { name: b"PYTHONPATH".to_vec(), after },
        Rule::Argument(b"-c".to_vec()),
        Rule::Argument(call.into_bytes()),
    ];
    entry
}

/// The names and calls of `[console_scripts]`: `name = module:object.attribute [extras]`.
fn console_scripts(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut here = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            here = line == "[console_scripts]";
            continue;
        }
        let Some((name, object)) = line.split_once('=').filter(|_| here) else { continue };
        let object = object.split('[').next().unwrap_or_default();
        let Some((module, attribute)) = object.trim().split_once(':') else { continue };
        let is_path = |text: &str| {
            !text.is_empty()
                && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.'))
        };
        let (name, module, attribute) = (name.trim(), module.trim(), attribute.trim());
        if is_path(module) && is_path(attribute) && !name.contains('/') {
            let first = attribute.split('.').next().unwrap_or_default();
            // The name is what messages of the program begin with.
            let call = format!(
                "import sys; from {module} import {first}; sys.argv[0] = {name:?}; sys.exit({attribute}())"
            );
            found.push((name.to_owned(), call));
        }
    }
    found
}

/// The programs that `package.json` names, as `npm install` links them.
fn npm(tree: &mut GivenTree) -> Result<(), Error> {
    let package = tree.at(b"package.json");
    if tree.app.file(&package).is_none() {
        return Ok(());
    }
    let text = content(tree, &package).map_or(Ok(Vec::new()), Content::bytes).map_err(Error::Temporary)?;
    for (name, path) in json::programs_of_package(&text) {
        let path = tree.at(path.strip_prefix("./").unwrap_or(&path).as_bytes());
        if !name.is_empty() && !name.contains('/') && tree.app.file(&path).is_some() {
            tree.app.make_executable(&path);
            tree.entries.push(Entry::new(name.as_bytes(), &path));
        }
    }
    Ok(())
}

/// The only program, if there is one and no other and no script either. A package's are in directories for
/// programs, and may be links.
fn only_program(tree: &mut GivenTree) -> Result<(), Error> {
    let mut found: Option<(Vec<u8>, Vec<u8>)> = None;
    for path in tree.app.programs() {
        let Some((real, Node::File { content, .. })) = tree.app.file(path) else { continue };
        let of_package = tree.place.is_empty();
        let counts =
            if of_package { PROGRAM_DIRECTORIES.contains(&directory_of(path)) } else { real == path };
        if counts && starts(content)? {
            if found.as_ref().is_some_and(|(_, other)| other != real) {
                return Ok(());
            }
            found.get_or_insert_with(|| (path.to_vec(), real.to_vec()));
        }
    }
    tree.entries.extend(found.map(|(path, _)| Entry::new(file_name_of(&path), &path)));
    Ok(())
}

fn starts(content: &Content) -> Result<bool, Error> {
    Ok(match elf::read(&mut content.reader()).map_err(Error::Temporary)? {
        Ok(elf) => matches!(elf.kind, Kind::Static | Kind::Dynamic),
        Err(found) => matches!(found, NotElf::Script(_)),
    })
}

fn content<'t>(tree: &'t GivenTree, path: &[u8]) -> Option<&'t Content> {
    match tree.app.file(path)?.1 {
        Node::File { content, .. } => Some(content),
        _ => None,
    }
}

fn text(tree: &GivenTree, path: &[u8]) -> Result<String, Error> {
    let bytes = content(tree, path).map_or(Ok(Vec::new()), Content::bytes).map_err(Error::Temporary)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_a_wheel_are_called_as_its_installer_would() {
        let text =
            "[gui_scripts]\na=b:c\n[console_scripts]\nx = p.q:main\n y=r:C.run [extra]\nbad=import os;:x\n";
        let found = console_scripts(text);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        assert!(found[1].1.ends_with("from r import C; sys.argv[0] = \"y\"; sys.exit(C.run())"), "{found:?}");
    }
}
