//! npm and Python packages in a tree, installed as their language does it. Files that belong to a system's
//! packages already stay theirs.

use std::collections::BTreeMap;

use bundle::{directory_of, file_name_of, join};

use crate::components::packages::Known;
use crate::components::{Component, Kind, paragraphs};
use crate::json;

/// Longer descriptions are not read, in bytes.
pub(crate) const DESCRIPTION_MAX: u64 = 1 << 20;

/// How deep in the tree a package of npm may lie that is not below `node_modules`: `opt/NAME/package`.
const DEPTH_MAX: usize = 3;

/// Whether the file at `path` may describe a package.
pub(crate) fn is_description(path: &[u8]) -> bool {
    match file_name_of(path) {
        b"METADATA" => directory_of(path).ends_with(b".dist-info"),
        b"package.json" => true,
        _ => false,
    }
}

/// The packages that `descriptions` describe, each a path and its bytes; and the owner of each of `files`
/// that belongs to one of them. `read` reads further files.
pub(crate) fn find(
    descriptions: &[(Vec<u8>, Vec<u8>)],
    files: &[&[u8]],
    read: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> (Vec<Known>, BTreeMap<Vec<u8>, usize>) {
    let (mut packages, mut owners) = (Vec::new(), BTreeMap::new());
    let mut directories: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for (path, text) in descriptions {
        let (directory, index) = (directory_of(path), packages.len());
        if file_name_of(path) == b"METADATA" {
            let Some(package) = wheel(&String::from_utf8_lossy(text)) else { continue };
            packages.push(package);
            directories.insert(directory.to_vec(), index);
            let record = read(&join(directory, b"RECORD")).unwrap_or_default();
            for file in recorded(&String::from_utf8_lossy(&record)) {
                owners.insert(join(directory_of(directory), file.as_bytes()), index);
            }
        } else if is_place(directory)
            && let Some(package) = npm(text)
        {
            packages.push(package);
            directories.insert(directory.to_vec(), index);
        }
    }
    // The nearest package above owns a file.
    for file in files.iter().filter(|file| !owners.contains_key(**file)).collect::<Vec<_>>() {
        let mut above = directory_of(file);
        while !above.is_empty() {
            if let Some(index) = directories.get(above) {
                owners.insert(file.to_vec(), *index);
                break;
            }
            above = directory_of(above);
        }
    }
    (packages, owners)
}

/// Whether a package of npm may lie in `directory`: below `node_modules`, or as one that was given whole.
fn is_place(directory: &[u8]) -> bool {
    let above = directory_of(directory);
    let above = if file_name_of(above).starts_with(b"@") { directory_of(above) } else { above };
    file_name_of(above) == b"node_modules" || bundle::components_of(directory).count() <= DEPTH_MAX
}

fn npm(text: &[u8]) -> Option<Known> {
    let (name, version, licence) = json::package_of_npm(text)?;
    let licences = licence.into_iter().collect();
    Some(known(Component { licences, ..Component::new(Kind::Npm, &name, &version) }))
}

/// Core metadata of the Python Packaging User Guide.
fn wheel(text: &str) -> Option<Known> {
    let paragraphs = paragraphs::read(text);
    let fields = paragraphs.first()?;
    let mut component = Component::new(Kind::Pypi, fields.get("Name")?, fields.get("Version")?);
    component.licence = fields.get("License-Expression").map(str::to_owned);
    if component.licence.is_none() {
        // Some have the whole text there.
        let licence = fields.get("License").and_then(|licence| licence.lines().next());
        component.licences = licence.into_iter().map(str::to_owned).collect();
    }
    Some(known(component))
}

fn known(component: Component) -> Known {
    Known { component, depends: String::new(), provides: String::new(), built_using: String::new() }
}

/// The paths of a `RECORD`, relative to the directory that the package lies in; those outside are left out.
fn recorded(text: &str) -> Vec<String> {
    let path = |line: &str| match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => line.split(',').next().unwrap_or_default().to_owned(),
    };
    text.lines()
        .map(path)
        .filter(|path| !path.is_empty() && !path.split('/').any(|part| part == ".."))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_owns_what_it_recorded_and_npm_what_lies_in_it() {
        let texts: &[(&str, &str)] = &[
            ("opt/a/x-1.dist-info/METADATA", "Name: x\nVersion: 1\nLicense: MIT\n\nAbout: Name: y\n"),
            (
                "opt/a/x-1.dist-info/RECORD",
                "x/a.py,sha256=z,1\n\"x/b,c.py\",,\n../../../bin/x,,\nx-1.dist-info/RECORD,,\n",
            ),
            ("opt/b/package.json", r#"{"name":"app","version":"2.0.0","license":"ISC"}"#),
            ("opt/b/lib/deep/package.json", r#"{"type":"module"}"#),
            ("opt/b/node_modules/@s/n/package.json", r#"{"name":"@s/n","version":"3.0.0"}"#),
            ("opt/b/node_modules/@s/n/test/deep/package.json", r#"{"name":"no","version":"1.0.0"}"#),
        ];
        let read = |path: &[u8]| Some(texts.iter().find(|(name, _)| name.as_bytes() == path)?.1.into());
        let files = [
            "opt/a/x/a.py",
            "opt/a/x/b,c.py",
            "opt/b/index.js",
            "opt/b/node_modules/@s/n/test/deep/x.js",
            "opt/a/other",
        ];
        let files: Vec<&[u8]> = files.iter().map(|file| file.as_bytes()).collect();
        let texts: Vec<_> = texts.iter().filter(|(path, _)| is_description(path.as_bytes())).collect();
        let descriptions: Vec<_> =
            texts.iter().map(|(path, text)| (path.as_bytes().to_vec(), text.as_bytes().to_vec())).collect();
        let (packages, owners) = find(&descriptions, &files, &read);
        let owner = |file: &&[u8]| owners.get(*file).map(|index| packages[*index].component.name.as_str());
        let told: Vec<_> = files.iter().map(owner).collect();
        assert_eq!(told, [Some("x"), Some("x"), Some("app"), Some("@s/n"), None]);
        assert_eq!(packages.len(), 3);
    }
}
