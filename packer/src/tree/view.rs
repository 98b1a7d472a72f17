//! Which side an app sees where its tree and the host both have something, and what a tree has to lack so
//! that it hides nothing of the host's. All such decisions are made here; [`super::view_map`] writes them
//! down for the emulators.

use std::collections::BTreeSet;

use bundle::{TreePath, directory_of, file_name_of};

use crate::error::Error;
use crate::tree::app_tree::{App, Node};

/// Always the host's: the kernel's, and devices.
const KERNELS: [&[u8]; 3] = [b"dev", b"proc", b"sys"];

/// What tells about the machine and its users: the host's file, where it has one.
pub(crate) const HOSTS_OWN: [&[u8]; 15] = [
    b"etc/fstab",
    b"etc/group",
    b"etc/gshadow",
    b"etc/host.conf",
    b"etc/hostname",
    b"etc/hosts",
    b"etc/localtime",
    b"etc/machine-id",
    b"etc/mtab",
    b"etc/passwd",
    b"etc/resolv.conf",
    b"etc/shadow",
    b"etc/subgid",
    b"etc/subuid",
    b"etc/timezone",
];

/// Where programs and packages have directories for themselves: code and plug-ins of one version. One that
/// the tree has is the tree's alone, since the host's would be of another version, or of another CPU.
const PRIVATE_IN: [&[u8]; 6] =
    [b"lib", b"usr/lib", b"usr/libexec", b"usr/local/lib", b"usr/local/lib/site_ruby", b"usr/local/share"];

/// The same as patterns for single directories: code in directories of data.
const PRIVATE: [&str; 14] = [
    "usr/share/R",
    "usr/share/emacs",
    "usr/share/guile",
    "usr/share/lua",
    "usr/share/nodejs",
    "usr/share/nvim",
    "usr/share/octave",
    "usr/share/perl",
    "usr/share/perl5",
    "usr/share/php",
    "usr/share/ruby*",
    "usr/share/tcltk",
    "usr/share/vim",
    "var/lib/gems",
];

/// Directories of data that any version reads, or of the host's services: both sides' files are seen.
const MERGED: [&[u8]; 10] = [
    b"debug",
    b"firmware",
    b"locale",
    b"mime",
    b"modules",
    b"systemd",
    b"sysusers.d",
    b"terminfo",
    b"tmpfiles.d",
    b"udev",
];

/// Where interpreters look for modules that the machine's administrator has installed: `{}` stands for the
/// last part of the directory before it. Where the tree has the first, it gets the second, empty, so that no
/// code of the host's runs in the app.
const LOCAL_MODULES: [(&str, &str); 2] = [
    ("usr/lib/python3.*", "usr/local/lib/{}/dist-packages"),
    ("usr/share/perl/*", "usr/local/share/perl/{}"),
];

/// Empty directories are kept below these: outside they would hide directories of the host's that are not
/// empty, such as `/tmp` and `/home`, from programs whose emulator looks for whole paths only.
const KEPT_EMPTY: [&[u8]; 2] = [b"opt/", b"usr/"];

/// What glibc's loader preloads on the host: libraries of the host's CPU (ld.so(8), FILES).
pub(crate) const PRELOADED: &[u8] = b"etc/ld.so.preload";

/// Leaves out of a tree what would hide the host's files, and adds what hides what must not be seen. An error
/// where a file could never be seen.
pub(crate) fn prepare(app: &mut App) -> Result<(), Error> {
    let below = |path: &[u8], top: &[u8]| path.strip_prefix(top).is_some_and(|rest| rest.starts_with(b"/"));
    let mut kept: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (path, node) in app.nodes() {
        if let Node::Directory = node {
            if KEPT_EMPTY.iter().any(|top| path.starts_with(top)) {
                kept.insert(path.to_vec());
            }
            continue;
        }
        if KERNELS.iter().any(|top| below(path, top)) {
            return Err(Error::tree(path, "the host's /dev, /proc and /sys are the only ones"));
        }
        kept.insert(path.to_vec());
    }
    let paths = kept.iter().filter_map(|path| TreePath::new(path));
    let above: Vec<Vec<u8>> = paths.flat_map(TreePath::ancestors).map(|path| path.bytes().to_vec()).collect();
    kept.extend(above);
    app.remove(&|path| !kept.contains(path));

    for (pattern, local) in LOCAL_MODULES {
        let found: Vec<Vec<u8>> = app
            .nodes()
            .filter(|(path, node)| {
                matches!(node, Node::Directory) && closure::matches(pattern.as_bytes(), path)
            })
            .map(|(path, _)| file_name_of(path).to_vec())
            .collect();
        for name in found {
            let (before, after) = local.split_once("{}").unwrap_or((local, ""));
            let path = [before.as_bytes(), &name, after.as_bytes()].concat();
            if !app.is_directory(&path) {
                app.place(&path, Node::Directory)?;
            }
        }
    }
    let glibc = app.nodes().any(|(path, _)| file_name_of(path) == b"libc.so.6");
    if glibc
        && app.get(PRELOADED).is_none()
        && app.get(b"etc").is_none_or(|etc| matches!(etc, Node::Directory))
    {
        app.add(PRELOADED, Node::File { executable: false, content: Vec::new().into() })?;
    }
    Ok(())
}

/// Whether the host's file is seen where it has this name.
pub(crate) fn is_hosts_own(path: &[u8]) -> bool {
    HOSTS_OWN.contains(&path)
}

/// Whether nothing is seen of the host's directory at this place.
pub(crate) fn is_private(directory: &[u8]) -> bool {
    let (above, name) = (directory_of(directory), file_name_of(directory));
    let in_triplet = is_triplet(above) && PRIVATE_IN.contains(&directory_of(above));
    let in_private = PRIVATE_IN.contains(&above) && !PRIVATE_IN.contains(&directory);
    (in_private || in_triplet) && !MERGED.contains(&name) && !is_triplet(directory)
        || PRIVATE.iter().any(|pattern| closure::matches(pattern.as_bytes(), directory))
}

/// Whether a directory has the name of those for one of several CPUs, such as `riscv64-linux-gnu`.
pub(crate) fn is_triplet(directory: &[u8]) -> bool {
    file_name_of(directory).windows(7).any(|part| part == b"-linux-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str], directories: &[&str]) -> App {
        let mut app = App::default();
        for path in files {
            app.add(path.as_bytes(), Node::File { executable: false, content: Vec::new().into() })
                .expect("added");
        }
        for path in directories {
            app.add(path.as_bytes(), Node::Directory).expect("added");
        }
        app
    }

    fn names(app: &App) -> Vec<String> {
        app.nodes().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn empty_directories_go_where_they_would_hide_the_hosts() {
        let mut app =
            tree(&["etc/app/x"], &["tmp", "home/user", "var/lib/app", "usr/share/app/empty", "opt/a"]);
        prepare(&mut app).expect("prepared");
        let kept = [
            "etc",
            "etc/app",
            "etc/app/x",
            "opt",
            "opt/a",
            "usr",
            "usr/share",
            "usr/share/app",
            "usr/share/app/empty",
        ];
        assert_eq!(names(&app), kept);
    }

    #[test]
    fn nothing_can_be_packed_where_only_the_host_has_files() {
        for path in ["dev/x", "proc/1/x", "sys/a"] {
            assert!(prepare(&mut tree(&[path], &[])).is_err(), "{path}");
        }
        let mut app = tree(&["devices/x"], &["dev", "proc", "sys"]);
        prepare(&mut app).expect("prepared");
        assert_eq!(names(&app), ["devices", "devices/x"]);
    }

    #[test]
    fn what_would_run_inside_the_app_is_hidden() {
        let mut app = tree(&["usr/lib/python3.13/os.py", "usr/lib/riscv64-linux-gnu/libc.so.6"], &[]);
        prepare(&mut app).expect("prepared");
        let names = names(&app);
        for hidden in ["usr/local/lib/python3.13/dist-packages", "etc/ld.so.preload"] {
            assert!(names.iter().any(|name| name == hidden), "{hidden}: {names:?}");
        }
    }

    #[test]
    fn directories_of_one_version_are_the_trees_alone() {
        for private in [
            "usr/lib/python3.13",
            "usr/lib/git-core",
            "usr/lib/riscv64-linux-gnu/gconv",
            "usr/libexec/gcc",
            "usr/share/perl5",
            "usr/share/ruby-rubygems",
            "usr/local/lib/python3.13",
            "usr/local/share/perl",
        ] {
            assert!(is_private(private.as_bytes()), "{private}");
        }
        for merged in [
            "usr",
            "usr/lib",
            "usr/local/lib",
            "usr/local/share",
            "usr/lib/riscv64-linux-gnu",
            "usr/lib/locale",
            "usr/share",
            "usr/share/doc",
            "usr/share/terminfo",
            "usr/bin",
            "etc",
            "etc/ssl",
            "var/lib",
            "home",
        ] {
            assert!(!is_private(merged.as_bytes()), "{merged}");
        }
    }
}
