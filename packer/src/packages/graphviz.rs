//! Graphviz's list of plug-ins, which `dot -c` writes by loading each: without it there are no layouts and no
//! formats. Here the plug-ins' tables are read from their files (`gvcint.h` and `gvplugin.h` of Graphviz),
//! for every architecture. Libraries that a plug-in needs and the tree lacks are not noticed.

use std::fmt::Write;

use bundle::{directory_of, file_name_of, join};

use crate::byte_search;
use crate::error::Error;
use crate::packages::maintainer_scripts::Made;
use crate::tree::app_tree::{App, Node};
use inputs::elf::Image;

/// `api_t`: what a plug-in is for.
const APIS: [&str; 5] = ["render", "layout", "textlayout", "device", "loadimage"];

/// Longer tables are damaged.
const ROWS_MAX: usize = 1000;

/// The list for each directory of plug-ins in the tree, unless it has one.
pub(crate) fn configured(app: &App) -> Result<Vec<Made>, Error> {
    let mut made = Vec::new();
    for (path, node) in app.nodes() {
        // Not the ones that were made for developers (`libgvc.so`).
        if !matches!(node, Node::File { .. }) || !closure::matches(b"usr/lib/**/libgvc.so.*", path) {
            continue;
        }
        let directory = join(directory_of(path), b"graphviz");
        let version = soname_version(app, path);
        // Where the compiler has made instructions of the constant, what Debian's version has.
        let name =
            list_name(&bytes(app, path)?).unwrap_or_else(|| [b"config", version.as_slice(), b"a"].concat());
        let mut text = String::from("# As written by \"dot -c\".\n\n");
        let names: Vec<Vec<u8>> = app.names(&directory).map(<[u8]>::to_vec).collect();
        let ending = [b".so.", version.as_slice()].concat();
        for name in names.iter().filter(|name| name.starts_with(b"libgvplugin_") && name.ends_with(&ending)) {
            let library = bytes(app, &join(&directory, name))?;
            text += &listed(&library, &String::from_utf8_lossy(name)).unwrap_or_default();
        }
        let path = join(&directory, &name);
        if text.contains('{') && app.get(&path).is_none() {
            let content = text.into_bytes().into();
            made.push(Made { path, node: Node::File { executable: false, content } });
        }
    }
    Ok(made)
}

/// The name of the list, a constant of the library: `config`, a number, and perhaps a letter.
fn list_name(library: &[u8]) -> Option<Vec<u8>> {
    let mut rest = library;
    while let Some(at) = byte_search::position(rest, b"\0config") {
        rest = &rest[at + 1..];
        let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        let number = &name[b"config".len()..];
        if number.first().is_some_and(u8::is_ascii_digit) && number.iter().all(u8::is_ascii_alphanumeric) {
            return Some(name.to_vec());
        }
    }
    None
}

/// The `6` of `libgvc.so.6`, a link to `path`.
fn soname_version(app: &App, path: &[u8]) -> Vec<u8> {
    let names = app.names(directory_of(path)).filter_map(|name| name.strip_prefix(b"libgvc.so."));
    let shortest =
        names.min_by_key(|version| version.len()).or(file_name_of(path).strip_prefix(b"libgvc.so."));
    shortest.unwrap_or_default().to_vec()
}

/// The lines for one plug-in; `None` if its table cannot be read.
fn listed(library: &[u8], name: &str) -> Option<String> {
    let image = Image::of(library)?;
    let size = image.pointer_size();
    // `gvplugin_core_LTX_library` of `libgvplugin_core.so.6`.
    let base = name.strip_prefix("lib")?.split('.').next()?;
    let table = image.symbol(&format!("{base}_LTX_library"))?;
    let text = |address| Some(String::from_utf8_lossy(image.text(image.pointer(address)?)?).into_owned());
    let mut lines = format!("{name} {} {{\n", text(table)?);
    let mut api = image.pointer(table + size)?;
    for _ in 0..ROWS_MAX {
        let mut row = image.pointer(api + size)?;
        if row == 0 {
            return Some(lines + "}\n");
        }
        let _ = writeln!(lines, "\t{} {{", APIS.get(usize::try_from(image.int(api)?).ok()?)?);
        for _ in 0..ROWS_MAX {
            // `int id; const char *type; int quality; void *engine, *features;`, aligned.
            if image.pointer(row + size)? == 0 {
                break;
            }
            let _ = writeln!(lines, "\t\t{} {}", text(row + size)?, image.int(row + 2 * size)?);
            row += 5 * size;
        }
        lines += "\t}\n";
        api += 2 * size;
    }
    None
}

fn bytes(app: &App, path: &[u8]) -> Result<Vec<u8>, Error> {
    match app.file(path) {
        Some((_, Node::File { content, .. })) => content.bytes().map_err(Error::Temporary),
        _ => Ok(Vec::new()),
    }
}
