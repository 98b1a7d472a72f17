//! The database of packages that a root file system brings: dpkg's, that of images without dpkg
//! (`status.d`), and apk's. It is read as it lies there; nothing of it is run.

use std::collections::BTreeMap;

use crate::components::copyright;
use crate::components::packages::Known;
use crate::components::paragraphs::{self, Paragraph};
use crate::components::{Component, Kind};

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_D: &str = "var/lib/dpkg/status.d";
const APK: &str = "lib/apk/db/installed";
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// A root file system, by paths in it.
pub(crate) trait Root {
    /// The bytes of the file at `path`, links followed in the root; `None` if there is none.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// The names in a directory.
    fn names(&self, directory: &str) -> Vec<String>;
}

/// What a root's database says.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    pub(crate) distribution: Option<String>,
    pub(crate) packages: Vec<Known>,
    /// The package of each path, by its index.
    owners: BTreeMap<Vec<u8>, usize>,
}

impl Installed {
    /// Reads the database of `root`, if it has one.
    pub(crate) fn of(root: &dyn Root) -> Self {
        let mut installed = Self { distribution: distribution(root), ..Self::default() };
        installed.dpkg(root);
        installed.without_dpkg(root);
        installed.apk(root);
        installed
    }

    /// The package that a file belongs to. Packages name some files by paths without `/usr`, whichever way the
    /// root has merged the two.
    pub(crate) fn owner(&self, path: &[u8]) -> Option<usize> {
        let short = path.strip_prefix(b"usr/").and_then(|short| self.owners.get(short));
        self.owners.get(path).or(short).copied()
    }

    /// Adds a package of dpkg; its index.
    fn deb(&mut self, root: &dyn Root, fields: &Paragraph) -> Option<usize> {
        let (name, version) = (fields.get("Package")?, fields.get("Version")?);
        // `Source: name (version)`, as in an index.
        let (source, source_version) = match fields.get("Source").unwrap_or(name).split_once(" (") {
            Some((source, version)) => (source, version.trim_end_matches(')')),
            None => (fields.get("Source").unwrap_or(name), version),
        };
        let text = |field| fields.get(field).unwrap_or_default().to_owned();
        let copyright = root.read(&format!("usr/share/doc/{name}/copyright")).unwrap_or_default();
        let depends: Vec<&str> =
            ["Pre-Depends", "Depends"].into_iter().filter_map(|field| fields.get(field)).collect();
        self.packages.push(Known {
            component: Component {
                architecture: fields.get("Architecture").map(str::to_owned),
                distribution: self.distribution.clone(),
                source: Some(source.to_owned()),
                source_version: Some(source_version.to_owned()),
                licences: copyright::licences(&String::from_utf8_lossy(&copyright)),
                ..Component::new(Kind::Deb, name, version)
            },
            depends: depends.join(", "),
            provides: text("Provides"),
            built_using: text("Built-Using"),
        });
        Some(self.packages.len() - 1)
    }

    fn own(&mut self, path: &[u8], index: usize) {
        let path = path.strip_prefix(b".").unwrap_or(path);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if !path.is_empty() {
            self.owners.insert(path.to_vec(), index);
        }
    }

    /// dpkg(1): `status`, and in `info` a list of paths for each package.
    fn dpkg(&mut self, root: &dyn Root) {
        let Some(status) = root.read(STATUS) else { return };
        for fields in paragraphs::read(&String::from_utf8_lossy(&status)) {
            let state = fields.get("Status").and_then(|status| status.split(' ').nth(2));
            // What was removed may have left its configuration; anything else has its files there.
            if matches!(state, None | Some("not-installed" | "config-files")) {
                continue;
            }
            let Some(index) = self.deb(root, &fields) else { continue };
            let name = self.packages[index].component.name.clone();
            let of_cpu = fields.get("Architecture").map(|cpu| format!("{name}:{cpu}"));
            let lists = [Some(name), of_cpu].into_iter().flatten();
            let list =
                lists.filter_map(|name| root.read(&format!("var/lib/dpkg/info/{name}.list"))).next_back();
            for path in list.unwrap_or_default().split(|byte| *byte == b'\n') {
                self.own(path, index);
            }
        }
    }

    /// Images that are built from packages without dpkg: a file for each package, and one with its files'
    /// digests.
    fn without_dpkg(&mut self, root: &dyn Root) {
        for name in root.names(STATUS_D).into_iter().filter(|name| !name.ends_with(".md5sums")) {
            let Some(text) = root.read(&format!("{STATUS_D}/{name}")) else { continue };
            let Some(fields) = paragraphs::read(&String::from_utf8_lossy(&text)).into_iter().next() else {
                continue;
            };
            let Some(index) = self.deb(root, &fields) else { continue };
            let sums = root.read(&format!("{STATUS_D}/{name}.md5sums")).unwrap_or_default();
            for line in sums.split(|byte| *byte == b'\n') {
                // Digest, two blanks, path.
                self.own(line.get(34..).unwrap_or_default(), index);
            }
        }
    }

    /// apk's database: lines of a letter, a colon and a value; directories (`F`) before the files in them (`R`).
    fn apk(&mut self, root: &dyn Root) {
        let Some(text) = root.read(APK) else { return };
        let text = String::from_utf8_lossy(&text);
        for paragraph in text.split("\n\n") {
            let lines = || paragraph.lines().filter_map(|line| line.split_once(':'));
            let field =
                |letter: &str| lines().find(|(name, _)| *name == letter).map(|(_, value)| value.to_owned());
            let (Some(name), Some(version)) = (field("P"), field("V")) else { continue };
            let index = self.packages.len();
            self.packages.push(Known {
                component: Component {
                    architecture: field("A"),
                    distribution: self.distribution.clone(),
                    source: field("o"),
                    licences: field("L").into_iter().collect(),
                    ..Component::new(Kind::Apk, &name, &version)
                },
                // `so:libc.musl-x86_64.so.1 busybox>=1.3`: names alone, as Debian writes them.
                depends: field("D").map(|names| relations(&names)).unwrap_or_default(),
                provides: field("p").map(|names| relations(&names)).unwrap_or_default(),
                built_using: String::new(),
            });
            let mut directory = String::new();
            for (letter, value) in lines() {
                match letter {
                    "F" => value.clone_into(&mut directory),
                    "R" if directory.is_empty() => self.own(value.as_bytes(), index),
                    "R" => self.own(format!("{directory}/{value}").as_bytes(), index),
                    _ => {}
                }
            }
        }
    }
}

/// apk's names of what is needed or provided, as a field of Debian's. A colon would end a name there.
fn relations(names: &str) -> String {
    let names = names.split(' ').filter(|name| !name.is_empty() && !name.starts_with('!'));
    let plain =
        names.map(|name| name.split(['<', '>', '=', '~']).next().unwrap_or_default().replace(':', "_"));
    plain.collect::<Vec<_>>().join(", ")
}

/// `debian-13`: os-release(5).
fn distribution(root: &dyn Root) -> Option<String> {
    let text = OS_RELEASE.iter().find_map(|path| root.read(path))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        let value = value.trim().trim_matches(['"', '\'']);
        let is_plain = value.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        (!value.is_empty() && is_plain).then(|| value.to_owned())
    };
    let id = field("ID")?;
    // Debian's unstable release has no number.
    Some(match field("VERSION_ID").or_else(|| field("VERSION_CODENAME")) {
        Some(version) => format!("{id}-{version}"),
        None => id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::packages;

    struct Files(&'static [(&'static str, &'static str)]);

    impl Root for Files {
        fn read(&self, path: &str) -> Option<Vec<u8>> {
            Some(self.0.iter().find(|(name, _)| *name == path)?.1.into())
        }

        fn names(&self, directory: &str) -> Vec<String> {
            let names = self.0.iter().filter_map(|(path, _)| path.strip_prefix(directory)?.strip_prefix('/'));
            names.map(str::to_owned).collect()
        }
    }

    fn told(installed: &Installed, path: &str) -> Option<String> {
        installed.owner(path.as_bytes()).map(|index| installed.packages[index].component.name.clone())
    }

    #[test]
    fn dpkgs_files_belong_to_what_is_installed_wherever_usr_is_merged() {
        let installed = Installed::of(&Files(&[
            ("etc/os-release", "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"13\"\nID=debian\n"),
            (
                STATUS,
                "Package: a\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1:2-3+b1\n\
                 Source: s (1:2-3)\nDepends: libb:any (>= 1),\n c\nDescription: x\n more\n\n\
                 Package: libb\nStatus: install ok installed\nArchitecture: arm64\nMulti-Arch: same\nVersion: 4\n\n\
                 Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n",
            ),
            ("var/lib/dpkg/info/a.list", "/.\n/bin\n/bin/a\n/usr/share/a\n"),
            ("var/lib/dpkg/info/libb:arm64.list", "/usr/lib/b.so\n"),
            ("var/lib/dpkg/info/gone.list", "/etc/gone\n"),
        ]));
        assert_eq!(installed.distribution.as_deref(), Some("debian-13"));
        let is =
            |path: &str, owner: Option<&str>| assert_eq!(told(&installed, path).as_deref(), owner, "{path}");
        is("bin/a", Some("a"));
        is("usr/bin/a", Some("a"));
        is("usr/lib/b.so", Some("libb"));
        is("etc/gone", None);
        is("usr/bin/other", None);
        let facts = packages::facts(installed.packages);
        let [a, b] = &facts.components[..] else { panic!("{facts:?}") };
        assert_eq!((a.source.as_deref(), a.source_version.as_deref()), (Some("s"), Some("1:2-3")));
        assert_eq!((&a.depends[..], b.name.as_str()), (&[1][..], "libb"));
    }

    #[test]
    fn apks_files_and_those_of_images_without_dpkg_have_owners_too() {
        let installed = Installed::of(&Files(&[
            ("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.22.1\n"),
            (
                APK,
                "P:musl\nV:1.2.5-r10\nA:aarch64\nL:MIT\no:musl\np:so:libc.musl-aarch64.so.1=1\nF:lib\nR:ld-musl.so\n\n\
                 P:busybox\nV:1.37.0-r19\nA:aarch64\nL:GPL-2.0-only\nD:so:libc.musl-aarch64.so.1\nF:bin\nR:busybox\nF:\nR:x\n",
            ),
            ("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 1\nArchitecture: all\n"),
            (
                "var/lib/dpkg/status.d/tzdata.md5sums",
                "d41d8cd98f00b204e9800998ecf8427e  usr/share/zoneinfo/UTC\n",
            ),
        ]));
        for (path, owner) in [
            ("lib/ld-musl.so", "musl"),
            ("bin/busybox", "busybox"),
            ("x", "busybox"),
            ("usr/share/zoneinfo/UTC", "tzdata"),
        ] {
            assert_eq!(told(&installed, path).as_deref(), Some(owner), "{path}");
        }
        assert_eq!(installed.distribution.as_deref(), Some("alpine-3.22.1"));
        let facts = packages::facts(installed.packages);
        let named = |name: &str| facts.components.iter().position(|one| one.name == name).expect("there");
        assert_eq!(facts.components[named("busybox")].depends, [named("musl")]);
    }
}
