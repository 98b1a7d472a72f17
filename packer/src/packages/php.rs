//! PHP's extensions, as the scripts of Debian's packages configure them: `php.ini` of each SAPI, the
//! description of each extension in `mods-available`, and the links that enable it (phpenmod(8)).

use bundle::{components_of, file_name_of};

use crate::error::Error;
use crate::packages::maintainer_scripts::Made;
use crate::tree::app_tree::{App, Node};

/// The order of extensions whose description names none.
const PRIORITY: &str = "20";

/// What configures every version of PHP in the tree.
pub(crate) fn configured(app: &App) -> Result<Vec<Made>, Error> {
    let mut made = Vec::new();
    for version in app.names(b"usr/lib/php") {
        let at = |parts: &[&[u8]]| parts.join(&b'/');
        let library = at(&[b"usr/lib/php", version]);
        let sapis: Vec<&[u8]> = app.names(&at(&[&library, b"sapi"])).collect();
        let modules = modules(app, version);
        for sapi in sapis {
            let directory = at(&[b"etc/php", version, sapi]);
            let ini = if sapi == b"cli" { &b"php.ini-production.cli"[..] } else { b"php.ini-production" };
            made.extend(copy(app, &at(&[&library, ini]), at(&[&directory, b"php.ini"])));
            for (name, from) in &modules {
                let available = at(&[b"etc/php", version, b"mods-available", name]);
                let priority = priority(app, from)?;
                let link = at(&[&directory, b"conf.d", &[priority.as_bytes(), b"-", name].concat()]);
                made.push(Made { path: link, node: Node::Symlink([b"/", available.as_slice()].concat()) });
            }
        }
        for (name, from) in modules {
            made.extend(copy(app, &from, at(&[b"etc/php", version, b"mods-available", &name])));
        }
    }
    made.retain(|made| app.get(&made.path).is_none());
    Ok(made)
}

/// The file names of the descriptions of extensions for `version`, and where they are: where a package's
/// script takes them from (`usr/share/php8.4-xml/xml/dom.ini`), or in place.
fn modules(app: &App, version: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let share = [b"usr/share/php", version, b"-"].concat();
    let place = [b"etc/php/", version, b"/mods-available/"].concat();
    let of_package = |path: &[u8]| path.starts_with(&share) && components_of(path).count() == 5;
    let mut modules: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (path, node) in app.nodes() {
        let here = of_package(path) || path.starts_with(&place);
        let name = file_name_of(path);
        if here && path.ends_with(b".ini") && matches!(node, Node::File { .. } | Node::HardLink(_)) {
            modules.retain(|(other, _)| other != name);
            modules.push((name.to_vec(), path.to_vec()));
        }
    }
    modules
}

/// What the line `; priority=NN` of a description says.
fn priority(app: &App, path: &[u8]) -> Result<String, Error> {
    let Some((_, Node::File { content, .. })) = app.file(path) else { return Ok(PRIORITY.to_owned()) };
    let text = content.bytes().map_err(Error::Temporary)?;
    let text = String::from_utf8_lossy(&text);
    let priorities = text.lines().filter_map(|line| {
        line.trim_start().strip_prefix(';')?.trim().strip_prefix("priority=").map(str::trim)
    });
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    Ok(priorities.into_iter().find(is_number).unwrap_or(PRIORITY).to_owned())
}

fn copy(app: &App, from: &[u8], path: Vec<u8>) -> Option<Made> {
    let (_, node) = app.file(from)?;
    Some(Made { path, node: node.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_enabled_for_each_sapi_in_the_order_that_they_ask_for() {
        let mut app = App::default();
        let mut add = |path: &[u8], text: &[u8]| {
            let node = Node::File { executable: false, content: text.to_vec().into() };
            app.add(path, node).expect("added");
        };
        add(b"usr/lib/php/8.4/sapi/cli", b"");
        add(b"usr/lib/php/8.4/php.ini-production.cli", b"x=1\n");
        add(b"usr/lib/php/20240924/xml.so", b"");
        add(b"usr/share/php8.4-xml/xml/dom.ini", b"; priority=15\nextension=dom.so\n");
        add(b"usr/share/php8.4-x/README.ini", b"");
        add(b"etc/php/8.4/mods-available/own.ini", b"; a comment\nextension=own.so\n");
        let made = configured(&app).expect("made");
        let mut paths: Vec<_> = made.iter().map(|made| String::from_utf8_lossy(&made.path)).collect();
        paths.sort();
        assert_eq!(
            paths,
            [
                "etc/php/8.4/cli/conf.d/15-dom.ini",
                "etc/php/8.4/cli/conf.d/20-own.ini",
                "etc/php/8.4/cli/php.ini",
                "etc/php/8.4/mods-available/dom.ini",
            ]
        );
    }
}
