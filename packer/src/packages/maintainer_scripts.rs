//! What Debian's maintainer scripts would have made, as far as programs need it, without running any: links
//! of `update-alternatives`, the bundle of CA certificates, `nsswitch.conf`. Not made: caches of compiled
//! schemas, icons, MIME types, fonts and Python byte code, registrations, accounts. Programs work without
//! these, at worst more slowly.

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::Error;
use crate::tree::app_tree::{App, Node};

/// Its name in reports.
pub(crate) const ORIGIN: &str = "made here";

/// Where `update-ca-certificates` writes, and what it reads (its manual page).
const CA_BUNDLE: &[u8] = b"etc/ssl/certs/ca-certificates.crt";
const CA_DIRECTORY: &[u8] = b"usr/share/ca-certificates/";

/// glibc asks the services that this file names. The host's would name modules that the app does not have;
/// those named here are part of glibc itself since 2.34.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
                        protocols: files\nservices: files\n";

/// Files that glibc's loader would otherwise read from the host: its cache names the host's libraries, and
/// what the host preloads is for the host's programs. Empty ones name nothing.
const EMPTY: [&[u8]; 2] = [b"etc/ld.so.cache", b"etc/ld.so.preload"];

/// One `--install` or `--slave` of `update-alternatives`: the link, and the file that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) link: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) priority: i64,
}

/// Something to place in the tree.
pub(crate) struct Made {
    pub(crate) path: Vec<u8>,
    pub(crate) node: Node,
}

impl Made {
    fn file(path: &[u8], bytes: Vec<u8>) -> Self {
        Self { path: path.to_vec(), node: Node::File { executable: false, content: bytes.into() } }
    }
}

/// Reads what a script passes to `update-alternatives`, if the words are literal; nothing is expanded.
pub(crate) fn choices(script: &str) -> Vec<Choice> {
    let script = script.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in script.lines() {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        let Some(start) = words.iter().position(|word| word.ends_with("update-alternatives")) else {
            continue;
        };
        let mut words = words[start..].iter();
        let mut priority = 0;
        while let Some(word) = words.next() {
            let install = *word == "--install";
            if !install && *word != "--slave" {
                continue;
            }
            let (Some(link), Some(_name), Some(target)) = (words.next(), words.next(), words.next()) else {
                break;
            };
            if install {
                priority = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
            }
            let plain = |path: &str| {
                let rest = path.strip_prefix('/')?;
                (!rest.contains(['$', '`', '*'])).then(|| rest.as_bytes().to_vec())
            };
            if let (Some(link), Some(target)) = (plain(link), plain(target)) {
                found.push(Choice { link, target, priority });
            }
        }
    }
    found
}

/// The links that `choices` offer, highest priority first, if their targets exist and their places are free.
pub(crate) fn links(app: &App, mut choices: Vec<Choice>) -> Result<Vec<Made>, Error> {
    choices.sort_by_key(|choice| std::cmp::Reverse(choice.priority));
    let mut made: BTreeMap<Vec<u8>, Node> = BTreeMap::new();
    for Choice { link, target, .. } in choices {
        let place = app.real(&link)?;
        if app.file(&target).is_some() && app.get(&place).is_none() {
            made.entry(place).or_insert_with(|| Node::Symlink([b"/", target.as_slice()].concat()));
        }
    }
    Ok(made.into_iter().map(|(path, node)| Made { path, node }).collect())
}

/// The CA certificates in the one file that programs read, if there are any.
pub(crate) fn certificates(app: &App) -> Result<Vec<Made>, Error> {
    if app.file(CA_BUNDLE).is_some() {
        return Ok(Vec::new());
    }
    let mut bundle = Vec::new();
    for (path, node) in app.nodes() {
        let Node::File { content, .. } = node else { continue };
        if path.starts_with(CA_DIRECTORY) && path.ends_with(b".crt") {
            content.reader().read_to_end(&mut bundle).map_err(Error::Temporary)?;
            if !bundle.ends_with(b"\n") {
                bundle.push(b'\n');
            }
        }
    }
    Ok(if bundle.is_empty() { Vec::new() } else { vec![Made::file(CA_BUNDLE, bundle)] })
}

/// What keeps glibc from reading the host's configuration of its own libraries.
pub(crate) fn glibc(app: &App) -> Vec<Made> {
    let nsswitch = (&b"etc/nsswitch.conf"[..], NSSWITCH.as_bytes());
    let all = EMPTY.map(|path| (path, &b""[..])).into_iter().chain([nsswitch]);
    all.filter(|(path, _)| app.get(path).is_none())
        .map(|(path, text)| Made::file(path, text.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
#!/bin/sh
case \"$1\" in configure)
update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10 \\
    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/gawk.1.gz
\tupdate-alternatives --quiet --install \"/usr/bin/x\" x /usr/bin/$name 5
";

    #[test]
    fn plain_offers_are_read_and_those_with_variables_are_not() {
        let found = choices(SCRIPT);
        let links: Vec<_> = found.iter().map(|choice| (&choice.link[..], choice.priority)).collect();
        assert_eq!(links, [(&b"usr/bin/awk"[..], 10), (b"usr/share/man/man1/awk.1.gz", 10)]);
    }

    #[test]
    fn the_offer_of_the_highest_priority_wins_and_a_file_in_its_place_stays() {
        let file = || Node::File { executable: true, content: b"x".to_vec().into() };
        let choice = |link: &[u8], target: &[u8], priority| Choice {
            link: link.into(),
            target: target.into(),
            priority,
        };
        let mut app = App::default();
        for path in [&b"usr/bin/gawk"[..], b"usr/bin/mawk", b"usr/bin/vi"] {
            app.add(path, file()).expect("added");
        }
        let offers = vec![
            choice(b"usr/bin/awk", b"usr/bin/mawk", 5),
            choice(b"usr/bin/awk", b"usr/bin/gawk", 10),
            choice(b"usr/bin/awk", b"usr/bin/none", 50),
            choice(b"usr/bin/vi", b"usr/bin/gawk", 1),
        ];
        let made = links(&app, offers).expect("links");
        let made: Vec<_> = made.iter().map(|made| (&made.path[..], &made.node)).collect();
        assert!(
            matches!(made[..], [(b"usr/bin/awk", Node::Symlink(to))] if to == b"/usr/bin/gawk"),
            "{made:?}"
        );
    }
}
