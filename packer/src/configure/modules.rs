//! The lists of modules that gdk-pixbuf and GTK load, which triggers make by loading each. Here the modules
//! of the same packages for this machine are loaded, and the list names those of the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use bundle::{Arch, directory_of, join};

use crate::byte_search;
use crate::cli::ArchiveArgs;
use crate::components::owners::Origin;
use crate::components::packages::Known;
use crate::configure::made::{Made, Workshop, kept, name, output};
use crate::error::{Error, HostProgramError};
use crate::hash;
use crate::host_program::HostProgram;
use crate::tree::app_tree::{App, Node};

/// A library that has a list: where its modules are, and what lists them. `*` stands for the directory of the
/// architecture, `{}` for the library's package.
struct Kind {
    library: &'static str,
    modules: &'static str,
    list: &'static [u8],
    program: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        library: "usr/lib/*/libgdk_pixbuf-2.0.so.0",
        modules: "usr/lib/*/gdk-pixbuf-2.0/2.10.0/loaders/*.so",
        list: b"loaders.cache",
        program: "usr/lib/*/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders",
    },
    Kind {
        library: "usr/lib/*/libgtk-3.so.0",
        modules: "usr/lib/*/gtk-3.0/3.0.0/immodules/*.so",
        list: b"immodules.cache",
        program: "usr/lib/*/{}/gtk-query-immodules-3.0",
    },
];

/// Debian's name for the directory of an architecture's libraries.
fn triplet(host: Arch) -> Option<&'static str> {
    Some(match host {
        Arch::X86_64 => "x86_64-linux-gnu",
        Arch::Aarch64 => "aarch64-linux-gnu",
        Arch::Riscv64 => "riscv64-linux-gnu",
        Arch::Ppc64le => "powerpc64le-linux-gnu",
        Arch::S390x => "s390x-linux-gnu",
        Arch::Loongarch64 => "loongarch64-linux-gnu",
        Arch::I686 => "i386-linux-gnu",
        Arch::Armv7 => "arm-linux-gnueabihf",
        _ => return None,
    })
}

/// What decides about the lists of a tree.
pub(super) struct Modules<'a> {
    pub(super) app: &'a App,
    pub(super) known: &'a BTreeMap<String, Known>,
    pub(super) origins: &'a BTreeMap<Vec<u8>, Origin>,
}

impl Modules<'_> {
    /// The lists that the tree lacks.
    pub(super) fn lists(&self, archive: &ArchiveArgs) -> Result<Vec<Made>, Error> {
        let mut made = Vec::new();
        for kind in &KINDS {
            made.extend(self.list(kind, archive)?);
        }
        Ok(made)
    }

    fn list(&self, kind: &Kind, archive: &ArchiveArgs) -> Result<Option<Made>, Error> {
        let matching = |pattern: &'static str| {
            let paths = self.app.nodes().map(|(path, _)| path);
            paths.filter(move |path| closure::matches(pattern.as_bytes(), path))
        };
        // Those of another architecture are data.
        let Some(library) = matching(kind.library).next() else { return Ok(None) };
        let modules: Vec<&[u8]> =
            matching(kind.modules).filter(|path| path.starts_with(directory_of(library))).collect();
        let Some(first) = modules.first() else { return Ok(None) };
        let place = join(directory_of(directory_of(first)), kind.list);
        let Some(package) = self.package(library).filter(|_| self.app.get(&place).is_none()) else {
            return Ok(None);
        };
        // Modules that are nobody's package's are not known to be anything for this machine.
        let packages: BTreeSet<&str> =
            modules.iter().filter_map(|path| self.package(path)).chain([package]).collect();
        let host = Arch::HOST.and_then(triplet).ok_or(HostProgramError::NoArchitecture)?;
        let mut text =
            [b"modules\0", own(&modules), b"\0", archive.suite.as_deref().unwrap_or_default().as_bytes()]
                .concat();
        for package in &packages {
            let version = self.known.get(*package).map(|known| known.component.version.as_str());
            text.extend(format!("\0{package}\0{}", version.unwrap_or_default()).bytes());
        }
        for module in &modules {
            text.extend([b"\0", *module].concat());
        }
        let content = kept(hash::of(&text), || query(kind, package, &packages, &modules, host, archive))?;
        Ok(Some(Made { path: place, of: first.to_vec(), content: content.into() }))
    }

    /// The package that a file of the tree is from.
    fn package(&self, path: &[u8]) -> Option<&str> {
        let (holder, node) = self.app.file(path)?;
        match (self.origins.get(path).or_else(|| self.origins.get(holder))?, node) {
            (Origin::Package(name), Node::File { .. }) => Some(name),
            _ => None,
        }
    }
}

/// What the program says of the modules, as it would say it of the tree's.
fn query(
    kind: &Kind,
    package: &str,
    packages: &BTreeSet<&str>,
    modules: &[&[u8]],
    host: &str,
    archive: &ArchiveArgs,
) -> Result<Vec<u8>, Error> {
    let packages: Vec<&str> = packages.iter().copied().collect();
    let path = kind.program.replace('*', host).replace("{}", package);
    let program = HostProgram { packages: &packages, path: &path, files: &[kind.modules] };
    let workshop = Workshop::new(&[])?;
    let mut command = workshop.program(&program, archive)?;
    let tree = workshop.tree(&program);
    let here = tree.join("usr/lib").join(host);
    let of_one = own(modules);
    let below = modules.iter().filter_map(|path| path.strip_prefix(of_one)?.strip_prefix(b"/"));
    command.args(below.map(|path| here.join(OsStr::from_bytes(path))));
    let text = output(&mut command, &name(&program), None)?;
    let there = [b"/", of_one].concat();
    let text = replaced(&text, here.as_os_str().as_bytes(), &there);
    // What it says of itself: where it looks if no modules are named.
    Ok(replaced(&text, format!("/usr/lib/{host}").as_bytes(), &there))
}

/// The directory of the architecture's libraries in which modules are.
fn own<'m>(modules: &[&'m [u8]]) -> &'m [u8] {
    let first = modules.first().copied().unwrap_or_default();
    let end = first.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(2).map_or(0, |(at, _)| at);
    &first[..end]
}

/// `text` with `to` in place of each `from`.
fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut rest, mut all) = (text, Vec::new());
    while let Some(at) = byte_search::position(rest, from) {
        all.extend_from_slice(&rest[..at]);
        all.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    all.extend_from_slice(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_replaced() {
        assert_eq!(replaced(b"/a/x /a/y a", b"/a/", b"/bcd/"), b"/bcd/x /bcd/y a");
        assert_eq!(replaced(b"", b"a", b"b"), b"");
    }

    #[test]
    fn every_host_has_a_directory_of_libraries() {
        assert!(Arch::HOSTS.into_iter().all(|host| triplet(host).is_some()));
    }
}
