//! The map of a tree, by which unibin's own emulators decide what an app sees (FORMAT.md, section 6.1). It is
//! written from the finished tree; what wins where is decided in [`super::view`].

use std::collections::BTreeMap;

use bundle::{directory_of, file_name_of};

use crate::error::Error;
use crate::tree::app_tree::{App, Node};
use crate::tree::view;

/// Where the map lies in its tree.
pub(crate) const PATH: &[u8] = b".unibin-view";

const MAGIC: &[u8; 16] = b"unibin-view 1\n\0\0";
const OPAQUE: u32 = 1;
const FILE: u32 = 1;
const DIRECTORY: u32 = 2;
const LINK: u32 = 3;
const EXECUTABLE: u32 = 1 << 8;
const HOSTS_OWN: u32 = 1 << 9;

/// Adds the map to the tree that it describes.
pub(crate) fn add(app: &mut App) -> Result<(), Error> {
    let map = of(app).ok_or_else(|| Error::tree(PATH, "the tree has more names than a map holds"))?;
    app.add(PATH, Node::File { executable: false, content: map.into() })
}

/// The map; `None` where a number would not fit.
fn of(app: &App) -> Option<Vec<u8>> {
    // Directories in the order of the tree, the root first.
    let mut directories: BTreeMap<&[u8], Vec<(&[u8], &Node)>> = BTreeMap::from([(&b""[..], Vec::new())]);
    for (path, node) in app.nodes() {
        if let Node::Directory = node {
            directories.entry(path).or_default();
        }
        directories.entry(directory_of(path)).or_default().push((path, node));
    }
    let numbers: BTreeMap<&[u8], usize> =
        directories.keys().enumerate().map(|(number, path)| (*path, number)).collect();
    let (mut rows, mut names, mut strings) = (Vec::new(), Vec::new(), Vec::new());
    let mut string = |bytes: &[u8]| -> Option<[u32; 2]> {
        let place = [u32::try_from(strings.len()).ok()?, u32::try_from(bytes.len()).ok()?];
        strings.extend_from_slice(bytes);
        strings.push(0);
        Some(place)
    };
    let mut first: u32 = 0;
    for (directory, mut children) in directories {
        // By names, which is not the order of paths: `a.b` comes before `a/b`.
        children.sort_by_key(|(path, _)| file_name_of(path));
        let count = u32::try_from(children.len()).ok()?;
        let opaque = if view::is_private(directory) { OPAQUE } else { 0 };
        rows.extend([first, count, opaque, 0]);
        first = first.checked_add(count)?;
        for (path, node) in children {
            let [offset, length] = string(file_name_of(path))?;
            let (kind, data) = match node {
                Node::Directory => (DIRECTORY, [u32::try_from(*numbers.get(path)?).ok()?, 0]),
                Node::Symlink(target) => (LINK, string(target)?),
                Node::File { executable, .. } => (if *executable { FILE | EXECUTABLE } else { FILE }, [0, 0]),
                Node::HardLink(_) if app.program(path).is_some() => (FILE | EXECUTABLE, [0, 0]),
                Node::HardLink(_) => (FILE, [0, 0]),
            };
            let hosts = if view::is_hosts_own(path) { HOSTS_OWN } else { 0 };
            names.extend([offset, length, kind | hosts, data[0], data[1]]);
        }
    }
    let mut map = MAGIC.to_vec();
    let counts = [u32::try_from(rows.len() / 4).ok()?, first, u32::try_from(strings.len()).ok()?, 0];
    map.extend(counts.iter().chain(&rows).chain(&names).flat_map(|number| number.to_le_bytes()));
    map.extend_from_slice(&strings);
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The map as lines, read by what FORMAT.md says alone.
    fn lines(map: &[u8]) -> Vec<String> {
        let number = |at: usize| u32::from_le_bytes(map[at..at + 4].try_into().expect("four bytes")) as usize;
        assert_eq!(&map[..16], b"unibin-view 1\n\0\0");
        let (directories, names) = (number(16), number(20));
        let strings = 32 + 16 * directories + 20 * names;
        assert_eq!(map.len(), strings + number(24));
        let string = |offset: usize, length: usize| {
            assert_eq!(map[strings + offset + length], 0);
            String::from_utf8_lossy(&map[strings + offset..strings + offset + length]).into_owned()
        };
        let mut lines = Vec::new();
        for directory in 0..directories {
            let at = 32 + 16 * directory;
            let mut text = vec![format!("{directory}{}:", if number(at + 8) == 1 { "!" } else { "" })];
            for name in number(at)..number(at) + number(at + 4) {
                let at = 32 + 16 * directories + 20 * name;
                let flags = number(at + 8);
                let leads = match flags & 0xff {
                    1 => String::new(),
                    2 => format!("/{}", number(at + 12)),
                    3 => format!("->{}", string(number(at + 12), number(at + 16))),
                    other => panic!("type {other}"),
                };
                let executable = if flags & 0x100 == 0 { "" } else { "*" };
                let hosts = if flags & 0x200 == 0 { "" } else { "?" };
                text.push(format!("{}{executable}{hosts}{leads}", string(number(at), number(at + 4))));
            }
            lines.push(text.join(" "));
        }
        lines
    }

    #[test]
    fn a_map_says_what_the_tree_has_and_what_the_host_may_add() {
        let mut app = App::default();
        let file = |executable| Node::File { executable, content: Vec::new().into() };
        for (path, node) in [
            ("bin", Node::Symlink(b"usr/bin".to_vec())),
            ("etc/passwd", file(false)),
            ("etc/app.conf", file(false)),
            ("etc/app/x", file(false)),
            ("usr/bin/a", file(true)),
            ("usr/bin/b", Node::HardLink(b"usr/bin/a".to_vec())),
            ("usr/lib/python3.13/os.py", file(false)),
            ("usr/empty", Node::Directory),
        ] {
            app.add(path.as_bytes(), node).expect("added");
        }
        add(&mut app).expect("a map");
        let Some(Node::File { content, .. }) = app.get(PATH) else { panic!("no map") };
        let map = content.bytes().expect("in memory");
        let wanted = [
            "0: bin->usr/bin etc/1 usr/3",
            "1: app/2 app.conf passwd?",
            "2: x",
            "3: bin/4 empty/5 lib/6",
            "4: a* b*",
            "5:",
            "6: python3.13/7",
            "7!: os.py",
        ];
        assert_eq!(lines(&map), wanted);
        assert!(add(&mut app).is_err(), "a tree has one map");
    }

    #[test]
    fn an_empty_tree_has_a_root() {
        assert_eq!(lines(&of(&App::default()).expect("a map")), ["0:"]);
    }
}
