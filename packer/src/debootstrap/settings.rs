//! What a system starts with and no package brings: apt's sources, the host's name. Nothing of this machine:
//! with the public archive's name unless the user named a mirror.

use std::path::Path;

use crate::cli::ArchiveArgs;
use crate::debootstrap::select::Source;
use crate::debootstrap::unpack::OpenDeb;
use crate::error::Error;
use crate::system::system_tree::{Inode, Kind, SystemTree};

/// Debian's archive under its public name, which leads to a server nearby.
const ARCHIVE: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// Where `debian-archive-keyring` has Debian's keys, the newer name first.
const KEYRINGS: [&str; 2] =
    ["usr/share/keyrings/debian-archive-keyring.pgp", "usr/share/keyrings/debian-archive-keyring.gpg"];

/// Adds the settings to the tree.
pub(crate) fn add(
    tree: &mut SystemTree,
    source: &Source<'_>,
    archive: &ArchiveArgs,
    debs: &[OpenDeb<'_>],
) -> Result<(), Error> {
    let mirror = archive.mirror.as_deref().map(as_uri);
    let keyring = KEYRINGS.into_iter().find(|path| tree.resolve(path.as_bytes()).is_some());
    let released = source.is_released();
    let files = [
        (
            "etc/apt/sources.list.d/debian.sources",
            sources(source.suite(), mirror.as_deref(), released, keyring),
        ),
        ("etc/hostname", "debian\n".to_owned()),
        ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned()),
        ("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n".to_owned()),
        // The host's is put over it at a start.
        ("etc/resolv.conf", String::new()),
    ];
    for (path, text) in files {
        if tree.get(path.as_bytes()).is_none() {
            let kind = Kind::File(text.into_bytes().into());
            tree.add(path.as_bytes(), Inode::of_root(kind, 0o644))?;
        }
    }
    // Empty, it is made at the first start of a service manager; absent, some take it for a first start.
    if debs.iter().any(|deb| deb.package.name == "systemd") && tree.get(b"etc/machine-id").is_none() {
        tree.add(b"etc/machine-id", Inode::of_root(Kind::File(Vec::new().into()), 0o444))?;
    }
    Ok(())
}

/// A mirror as a URI for apt: a directory of this machine gets a scheme.
fn as_uri(mirror: &str) -> String {
    if mirror.contains("://") {
        return mirror.to_owned();
    }
    let path = std::fs::canonicalize(mirror).unwrap_or_else(|_| Path::new(mirror).to_owned());
    format!("file://{}", path.display())
}

/// The file for apt (sources.list(5)). A mirror that the user named is expected to have only the suite that
/// was asked for.
fn sources(suite: &str, mirror: Option<&str>, released: bool, keyring: Option<&str>) -> String {
    let paragraph = |uri: &str, suites: &str| {
        let signed = keyring.map_or_else(String::new, |path| format!("Signed-By: /{path}\n"));
        format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n{signed}")
    };
    match mirror {
        Some(mirror) => paragraph(mirror, suite),
        None if released => {
            let both = paragraph(ARCHIVE, &format!("{suite} {suite}-updates"));
            format!("{both}\n{}", paragraph(SECURITY, &format!("{suite}-security")))
        }
        None => paragraph(ARCHIVE, suite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_the_public_archive_unless_a_mirror_was_named() {
        let usual = sources("trixie", None, true, Some("k.pgp"));
        assert_eq!(usual.matches("URIs: http://deb.debian.org/").count(), 2);
        assert!(usual.contains("Suites: trixie trixie-updates\n") && usual.contains("Signed-By: /k.pgp\n"));
        assert_eq!(sources("sid", None, false, None).matches("URIs").count(), 1);
        let named = sources("trixie", Some("http://mirror.example/debian"), true, None);
        assert_eq!(
            named,
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n"
        );
    }
}
