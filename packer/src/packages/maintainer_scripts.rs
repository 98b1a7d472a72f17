//! What Debian's maintainer scripts and triggers would have made, as far as programs need it, without running
//! any: the file of all CA certificates, `nsswitch.conf`; others have files of their own (`alternatives`,
//! `php`, `graphviz`, `java`, `r`; `configure` has what programs make). Not made: registrations, accounts,
//! and caches that only make programs faster (icons, fonts). What programs need and nothing here makes is
//! reported.

use std::io::Read;

use crate::error::Error;
use crate::tree::app_tree::{App, Node};

/// Its name in reports.
pub(crate) const ORIGIN: &str = "made here";

/// Where `update-ca-certificates` writes, and what it reads (its manual page).
const CA_BUNDLE: &[u8] = b"etc/ssl/certs/ca-certificates.crt";
pub(super) const CA_DIRECTORY: &[u8] = b"usr/share/ca-certificates/";

/// glibc asks the services that this file names. The host's would name modules that the app does not have;
/// those named here are part of glibc itself since 2.34.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
                        protocols: files\nservices: files\n";

/// Files that glibc's loader would otherwise read from the host: its cache names the host's libraries, and
/// what the host preloads is for the host's programs. Empty ones name nothing.
const EMPTY: [&[u8]; 2] = [b"etc/ld.so.cache", b"etc/ld.so.preload"];

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

/// What a trigger makes by running a program of the package: what it is made of, its place, what happens
/// without it, and how to make it.
const NOT_MADE: [(&str, &str, &str, &str); 4] = [
    (
        "usr/share/glib-2.0/schemas/*.gschema.xml",
        "usr/share/glib-2.0/schemas/gschemas.compiled",
        "programs that read GSettings may end at their start",
        "glib-compile-schemas DIR",
    ),
    (
        "usr/lib/*/gdk-pixbuf-2.0/*/loaders/*.so",
        "usr/lib/*/gdk-pixbuf-2.0/*/loaders.cache",
        "images of other formats than those built in cannot be loaded",
        "gdk-pixbuf-query-loaders",
    ),
    (
        "usr/lib/jvm/*/bin/java",
        "etc/ssl/certs/java/cacerts",
        "Java trusts no certificate authority",
        "update-ca-certificates",
    ),
    (
        "usr/lib/*/graphviz/libgvplugin_*.so.*",
        "usr/lib/*/graphviz/config*",
        "Graphviz has no layouts and no formats",
        "dot -c",
    ),
];

/// What should have been made and was not, a line for each.
pub(crate) fn not_made(app: &App) -> Vec<String> {
    let is_there = |pattern: &str| app.nodes().any(|(path, _)| closure::matches(pattern.as_bytes(), path));
    let lacking = NOT_MADE.iter().filter(|(of, place, ..)| is_there(of) && !is_there(place));
    lacking
        .map(|(_, place, without, how)| {
            format!("`{place}` was not made: {without}; on a system `{how}` makes it: add it with `--add`")
        })
        .collect()
}
