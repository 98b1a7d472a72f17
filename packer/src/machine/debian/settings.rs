//! What a machine starts with and no package brings: the file system in `fstab`, the network, who logs in on
//! the console, and who reads the seed. `fstab` and `hosts` are replaced, `resolv.conf`
//! only if it is empty.

use crate::error::Error;
use crate::system::system_tree::{Inode, Kind, SystemTree};

/// Units, by their directory.
const UNITS: &str = "etc/systemd/system";
/// Units of packages.
const VENDOR: &str = "/usr/lib/systemd/system";

/// The package that does what `FIRST` does, and much more.
const CLOUD_INIT: &str = "cloud-init";

/// Reads the seed.
const FIRST: &str = include_str!("first.sh");

const FIRST_UNIT: &str = "[Unit]
Description=Keys and name of this machine, from its seed
After=systemd-remount-fs.service systemd-udevd.service
Before=ssh.service ssh.socket sshd@.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/unibin/first

[Install]
WantedBy=multi-user.target
";

const USER_DATA_UNIT: &str = "[Unit]
Description=The script of this machine's seed
ConditionFileIsExecutable=/run/unibin/user-data
Wants=network-online.target
After=unibin-first.service network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/run/unibin/user-data
StandardOutput=journal+console
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
";

/// Whoever has the console has the disk as well.
const CONSOLE: &str = "[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noreset --noclear --keep-baud 115200,57600,38400,9600 - ${TERM}
";

const NETWORK: &str = "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n";

/// Keys are the seed's, of every start anew: not written where a user keeps keys of their own.
const SSHD: &str =
    "AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2 /run/unibin/authorized_keys\n";

/// qemu-system's own server for names.
const RESOLVER: &str = "nameserver 10.0.2.3\n";

/// Adds the settings of a machine whose root has this UUID. `epoch` is the time of its files.
pub(super) fn add(tree: &mut SystemTree, uuid: &str, epoch: u64) -> Result<(), Error> {
    let has_cloud_init = has(tree, CLOUD_INIT);
    let mut files: Vec<(String, String, u16)> = Vec::new();
    let mut file = |path: &str, text: &str, mode: u16| files.push((path.to_owned(), text.to_owned(), mode));
    file("etc/fstab", &format!("UUID={uuid} / ext4 defaults,errors=remount-ro 0 1\n"), 0o644);
    file("etc/systemd/network/80-unibin.network", NETWORK, 0o644);
    file(&format!("{UNITS}/serial-getty@.service.d/unibin.conf"), CONSOLE, 0o644);
    let hosts = "127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    file("etc/hosts", hosts, 0o644);
    // With the time of what is below `/usr` there is nothing to do at a first start (systemd-update-done(8)).
    for place in ["etc", "var"] {
        file(&format!("{place}/.updated"), &format!("TIMESTAMP_NSEC={epoch}000000000\n"), 0o644);
    }
    if is_empty(tree, b"etc/resolv.conf") {
        file("etc/resolv.conf", RESOLVER, 0o644);
    }
    let mut links = vec![
        ("dbus-org.freedesktop.network1.service", format!("{VENDOR}/systemd-networkd.service")),
        ("multi-user.target.wants/systemd-networkd.service", format!("{VENDOR}/systemd-networkd.service")),
        ("sockets.target.wants/systemd-networkd.socket", format!("{VENDOR}/systemd-networkd.socket")),
        (
            "network-online.target.wants/systemd-networkd-wait-online.service",
            format!("{VENDOR}/systemd-networkd-wait-online.service"),
        ),
    ];
    if !has_cloud_init {
        file("usr/lib/unibin/first", FIRST, 0o755);
        for (name, text) in
            [("unibin-first.service", FIRST_UNIT), ("unibin-user-data.service", USER_DATA_UNIT)]
        {
            file(&format!("{UNITS}/{name}"), text, 0o644);
        }
        links
            .push(("multi-user.target.wants/unibin-first.service", format!("/{UNITS}/unibin-first.service")));
        links.push((
            "multi-user.target.wants/unibin-user-data.service",
            format!("/{UNITS}/unibin-user-data.service"),
        ));
        if tree.get(b"etc/ssh/sshd_config.d").is_some() {
            file("etc/ssh/sshd_config.d/unibin.conf", SSHD, 0o644);
        }
    }
    for (path, text, mode) in files {
        tree.add(path.as_bytes(), Inode::of_root(Kind::File(text.into_bytes().into()), mode))?;
    }
    for (name, target) in links {
        let kind = Kind::Symlink(target.into_bytes());
        tree.add(format!("{UNITS}/{name}").as_bytes(), Inode::of_root(kind, 0o777))?;
    }
    Ok(())
}

/// Whether a package is among those of the system.
pub(super) fn has(tree: &SystemTree, package: &str) -> bool {
    tree.get(format!("var/lib/dpkg/info/{package}.list").as_bytes()).is_some()
}

fn is_empty(tree: &SystemTree, path: &[u8]) -> bool {
    match tree.get(path).map(|inode| &inode.kind) {
        None => true,
        Some(Kind::File(content)) => content.len() == 0,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(packages: &[&str]) -> SystemTree {
        let mut tree = SystemTree::default();
        let file = |text: &str| Inode::of_root(Kind::File(text.as_bytes().to_vec().into()), 0o644);
        for package in packages {
            let path = format!("var/lib/dpkg/info/{package}.list");
            tree.add(path.as_bytes(), file("/.\n")).expect("added");
        }
        tree.add(b"etc/resolv.conf", file("")).expect("added");
        tree.add(b"etc/ssh/sshd_config.d", Inode::of_root(Kind::Directory, 0o755)).expect("added");
        add(&mut tree, "0-1", 7).expect("added");
        tree
    }

    fn text(tree: &SystemTree, path: &str) -> Option<String> {
        match &tree.get(path.as_bytes())?.kind {
            Kind::File(content) => String::from_utf8(content.bytes().ok()?).ok(),
            Kind::Symlink(target) => String::from_utf8(target.clone()).ok(),
            Kind::Directory => None,
        }
    }

    #[test]
    fn a_machine_has_its_disk_and_its_network_and_units_that_are_there() {
        let tree = tree(&["systemd"]);
        assert!(text(&tree, "etc/fstab").is_some_and(|text| text.starts_with("UUID=0-1 / ext4 ")));
        assert_eq!(text(&tree, "etc/resolv.conf").as_deref(), Some(RESOLVER));
        assert_eq!(text(&tree, "etc/.updated").as_deref(), Some("TIMESTAMP_NSEC=7000000000\n"));
        for named in tree.iter() {
            if let Kind::Symlink(target) = &named.inode.kind
                && target.starts_with(b"/etc/")
            {
                assert!(tree.resolve(target).is_some(), "{}", target.escape_ascii());
            }
        }
    }

    #[test]
    fn the_seed_is_read_by_us_or_by_cloud_init_and_never_by_both() {
        let paths = ["usr/lib/unibin/first", "etc/ssh/sshd_config.d/unibin.conf"];
        let (ours, theirs) = (tree(&[]), tree(&[CLOUD_INIT]));
        for path in paths {
            assert!(text(&ours, path).is_some() && text(&theirs, path).is_none(), "{path}");
        }
    }
}
