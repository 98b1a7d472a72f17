//! What a finished system does not keep: logs, caches, older copies, temporary files, and what must differ
//! from machine to machine. Two systems of the same packages have the same bytes after this.

use crate::system::system_tree::{Inode, Kind, SystemTree};

/// Directories that become empty.
const EMPTIED: [&str; 7] =
    ["var/cache/apt", "var/lib/apt/lists", "tmp", "var/tmp", "run", "var/log/apt", "var/cache/man"];

/// Files that go.
const REMOVED: [&str; 12] = [
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
];

/// Keys that each machine must make for itself: names that begin so, in this directory.
const KEYS: [(&str, &str); 1] = [("etc/ssh", "ssh_host_")];

/// Cleans the tree.
pub(super) fn clean(tree: &mut SystemTree) {
    for directory in EMPTIED {
        empty(tree, directory.as_bytes());
    }
    for file in REMOVED {
        tree.remove(file.as_bytes());
    }
    for (directory, prefix) in KEYS {
        let keys: Vec<Vec<u8>> = tree
            .names(directory.as_bytes())
            .filter(|name| name.starts_with(prefix.as_bytes()))
            .map(<[u8]>::to_vec)
            .collect();
        for key in keys {
            tree.remove(&bundle::join(directory.as_bytes(), &key));
        }
    }
    let logs: Vec<Vec<u8>> = tree
        .iter()
        .filter(|named| named.path.starts_with(b"var/log/") && matches!(named.inode.kind, Kind::File(_)))
        .map(|named| named.path.to_vec())
        .collect();
    for path in logs.into_iter().chain([b"etc/machine-id".to_vec()]) {
        if let Some(Inode { kind: kind @ Kind::File(_), .. }) = tree.get_mut(&path) {
            *kind = Kind::File(Vec::new().into());
        }
    }
}

/// Removes the files below a directory; directories stay, with their owners.
fn empty(tree: &mut SystemTree, directory: &[u8]) {
    let start = [directory, b"/"].concat();
    let below: Vec<Vec<u8>> = tree
        .iter()
        .filter(|named| named.path.starts_with(&start) && !named.inode.is_directory())
        .map(|named| named.path.to_vec())
        .collect();
    for path in below {
        tree.remove(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_machine_to_machine_goes_and_owners_of_what_stays_are_kept() {
        let mut tree = SystemTree::default();
        let file = || Kind::File(b"text".to_vec().into());
        for path in [
            "var/log/dpkg.log",
            "var/log/faillog",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/ssh_config",
            "etc/machine-id",
            "var/cache/apt/archives/partial/a.deb",
            "var/lib/dpkg/status",
            "var/lib/dpkg/status-old",
        ] {
            let inode = Inode { kind: file(), mode: 0o640, uid: 0, gid: 43 };
            tree.add(path.as_bytes(), inode).expect("added");
        }
        clean(&mut tree);
        let left: Vec<String> = tree
            .iter()
            .filter(|named| !named.inode.is_directory())
            .map(|named| String::from_utf8_lossy(named.path).into_owned())
            .collect();
        assert_eq!(left, ["etc/machine-id", "etc/ssh/ssh_config", "var/lib/dpkg/status", "var/log/faillog"]);
        assert!(tree.get(b"var/cache/apt/archives/partial").is_some());
        let length = |path: &[u8]| match tree.get(path) {
            Some(Inode { kind: Kind::File(content), mode: 0o640, gid: 43, .. }) => Some(content.len()),
            _ => None,
        };
        assert_eq!(length(b"var/log/faillog"), Some(0));
        assert_eq!(length(b"etc/machine-id"), Some(0));
        assert_eq!(length(b"etc/ssh/ssh_config"), Some(4));
    }
}
