//! What is left to do inside an unpacked system, as a script for its own shell. It runs the preinst scripts
//! of the smallest system, as dpkg would have before unpacking; lets dpkg configure that; unpacks with dpkg
//! the packages whose own preinst does something; and lets dpkg configure all the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use debian::{Alternative, ControlFile, relations};

use crate::debootstrap::unpack::OpenDeb;
use crate::error::Error;
use crate::system::system_tree::{Inode, Kind, SystemTree};
use crate::tree::content::Content;

/// The directory in the tree for the script and its files.
pub(crate) const DIRECTORY: &str = ".unibin-configure";

/// The script's path in the tree.
pub(crate) const SCRIPT: &str = ".unibin-configure/run";

/// While it exists and exits with 101, no service is started (invoke-rc.d(8)).
pub(crate) const POLICY: &str = "usr/sbin/policy-rc.d";

/// What is left to do in an unpacked system.
pub(crate) struct Left {
    /// The script's text.
    pub(crate) script: String,
    /// Control files of packages whose preinst it runs, by their paths in [`DIRECTORY`]: where a script looks
    /// for those beside itself.
    pub(crate) control: Vec<(String, ControlFile)>,
    /// Packages that dpkg unpacks inside: name of the file in [`DIRECTORY`], and where it is.
    pub(crate) files: Vec<(String, std::path::PathBuf)>,
}

impl Left {
    /// The command that does it in a system where nothing has been configured.
    pub(crate) fn command(&self) -> String {
        if self.is_dpkg_alone() { "dpkg --configure -a".to_owned() } else { format!("/{SCRIPT}") }
    }

    /// Whether dpkg alone can do it, since no preinst is left to run, such as those that make the first users
    /// and groups.
    fn is_dpkg_alone(&self) -> bool {
        self.control.is_empty() && self.files.is_empty()
    }
}

/// The script for `debs`, which are in the order of their dependencies. A machine gets its initrd from
/// elsewhere: building one inside would take longer than all the rest.
pub(crate) fn left(debs: &[OpenDeb<'_>], architecture: &str, epoch: u64, is_machine: bool) -> Left {
    let mut script = format!(
        "#!/bin/sh\nset -eu\numask 022\ncd /\n\
         export LC_ALL=C LANG=C TZ=UTC TERM=dumb HOME=/root SOURCE_DATE_EPOCH={epoch}\n\
         export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true\n\
         # What an import would leave beside a module has the time of that in it.\n\
         export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1\n\
         preinst() {{\n\
         \tln -s /{DIRECTORY}/$1 /var/lib/dpkg/tmp.ci\n\
         \tDPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$2 DPKG_MAINTSCRIPT_NAME=preinst \
         DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg \
         /var/lib/dpkg/tmp.ci/preinst install\n\
         \trm /var/lib/dpkg/tmp.ci\n}}\n"
    );
    if is_machine {
        // For the scripts in `/etc/kernel/postinst.d`.
        script.push_str("export INITRD=No\n");
    }
    let mut control = Vec::new();
    for deb in debs.iter().filter(|deb| deb.is_base && deb.has_active_preinst()) {
        let package = deb.package;
        // An architecture-independent package is told the system's own (dpkg(1)).
        let own = if package.architecture == "all" { architecture } else { &package.architecture };
        let _ = writeln!(script, "preinst {} {own}", package.name);
        let of = |file: &ControlFile| (format!("{}/{}", package.name, file.name), file.clone());
        control.extend(deb.control.iter().map(of));
    }
    let inside: Vec<&OpenDeb<'_>> = debs.iter().filter(|deb| deb.is_unpacked_inside()).collect();
    let mut files = Vec::new();
    if !inside.is_empty() {
        configure(&mut script, debs.iter().filter(|deb| deb.is_base));
    }
    // dpkg fails where it is told to configure what is configured.
    let mut configured = BTreeSet::new();
    for (number, deb) in inside.into_iter().enumerate() {
        // Numbered: a version may have characters that a name is better without.
        let name = format!("{number}.deb");
        let mut needed = before(deb, debs);
        needed.retain(|deb| configured.insert(deb.package.name.as_str()));
        if !needed.is_empty() {
            configure(&mut script, needed.into_iter());
        }
        let _ = writeln!(script, "dpkg --force-unsafe-io --unpack /{DIRECTORY}/{name}");
        files.push((name, deb.file.clone()));
    }
    script.push_str("dpkg --force-unsafe-io --configure -a\n");
    // Says something only where something is wrong.
    script.push_str("wrong=$(dpkg --audit)\n[ -z \"$wrong\" ] || { echo \"$wrong\"; exit 1; }\n");
    Left { script, control, files }
}

fn configure<'d, 'i: 'd>(script: &mut String, debs: impl Iterator<Item = &'d OpenDeb<'i>>) {
    script.push_str("dpkg --force-unsafe-io --configure");
    for deb in debs {
        let _ = write!(script, " {}", deb.package.name);
    }
    script.push('\n');
}

/// The packages outside of the smallest system that must be configured before `deb` may be unpacked: those
/// that meet its `Pre-Depends`, and all that they need themselves.
fn before<'d, 'i>(deb: &OpenDeb<'i>, debs: &'d [OpenDeb<'i>]) -> Vec<&'d OpenDeb<'i>> {
    let meeting = |field: &str| -> Vec<usize> {
        let groups = relations(field);
        let meets = |package: &debian::Package| {
            let meets = |one: &Alternative| package.meets(one);
            groups.iter().any(|group| group.iter().any(meets))
        };
        let found = debs.iter().enumerate().filter(|(_, other)| !other.is_base && meets(other.package));
        found.map(|(number, _)| number).collect()
    };
    let mut found: BTreeMap<usize, &OpenDeb<'i>> = BTreeMap::new();
    let mut left = meeting(&deb.package.pre_depends);
    while let Some(number) = left.pop() {
        if let Some(other) = debs.get(number)
            && found.insert(number, other).is_none()
        {
            left.extend(meeting(&other.package.depends));
        }
    }
    found.into_values().collect()
}

/// Adds the script and what it needs to the tree in which it will run.
pub(crate) fn add(tree: &mut SystemTree, left: &Left) -> Result<(), Error> {
    let mut file = |path: &str, content: Content, mode: u16| {
        tree.add(path.as_bytes(), Inode::of_root(Kind::File(content), mode))
    };
    file(SCRIPT, left.script.clone().into_bytes().into(), 0o755)?;
    file(POLICY, b"#!/bin/sh\nexit 101\n".to_vec().into(), 0o755)?;
    for (path, ControlFile { mode, bytes, .. }) in &left.control {
        let mode = u16::try_from(mode & 0o7777).unwrap_or(0o755);
        file(&format!("{DIRECTORY}/{path}"), bytes.clone().into(), mode)?;
    }
    for (name, path) in &left.files {
        let opened = std::fs::File::open(path).and_then(Content::whole);
        file(
            &format!("{DIRECTORY}/{name}"),
            opened.map_err(|source| Error::io("read", path, source))?,
            0o644,
        )?;
    }
    Ok(())
}

/// Prepares the tree so that whoever starts the system can finish it.
pub(crate) fn postpone(tree: &mut SystemTree, left: &Left) -> Result<(), Error> {
    if !left.is_dpkg_alone() {
        add(tree, left)?;
        // The system is its user's, who may want services to start.
        tree.remove(POLICY.as_bytes());
        if let Some(Inode { kind: Kind::File(script), .. }) = tree.get_mut(SCRIPT.as_bytes()) {
            *script = format!("{}rm -r /{DIRECTORY}\n", left.script).into_bytes().into();
        }
    }
    Ok(())
}

/// Removes what [`add`] has added.
pub(crate) fn remove(tree: &mut SystemTree) {
    tree.remove(DIRECTORY.as_bytes());
    tree.remove(POLICY.as_bytes());
}

#[cfg(test)]
mod tests {
    use debian::PackageIndex;

    use super::*;

    #[test]
    fn what_a_preinst_expects_is_configured_before_and_nothing_is_twice() {
        let zero = "0".repeat(64);
        let fields = [
            ("base", ""),
            ("late", ""),
            ("lib", "Depends: base\n"),
            ("one", "Pre-Depends: lib, base\n"),
            ("two", "Pre-Depends: lib | nothing\n"),
        ];
        let text = fields.iter().fold(String::new(), |text, (name, fields)| {
            text + &format!(
                "Package: {name}\nVersion: 1\nArchitecture: all\nSize: 3\nSHA256: {zero}\n\
                 Filename: pool/{name}.deb\n{fields}\n"
            )
        });
        let index = PackageIndex::read(text.as_bytes(), zero.parse().expect("a digest")).expect("an index");
        let deb = |name: &str, is_base: bool, preinst: &str| OpenDeb {
            package: index.find(name).expect("listed"),
            is_base,
            is_automatic: false,
            file: format!("/{name}.deb").into(),
            control: vec![ControlFile { name: "preinst".to_owned(), mode: 0o755, bytes: preinst.into() }],
            entries: Vec::new(),
        };
        let active = "#!/bin/sh\nuseradd x\n";
        let debs = [
            deb("base", true, active),
            deb("lib", false, ""),
            deb("one", false, active),
            deb("two", false, active),
            deb("late", false, "#!/bin/sh\nset -e\n"),
        ];
        let left = left(&debs, "riscv64", 7, false);
        let commands: Vec<&str> = left.script.lines().skip_while(|line| *line != "}").skip(1).collect();
        let expected = [
            "preinst base riscv64",
            "dpkg --force-unsafe-io --configure base",
            "dpkg --force-unsafe-io --configure lib",
            "dpkg --force-unsafe-io --unpack /.unibin-configure/0.deb",
            "dpkg --force-unsafe-io --unpack /.unibin-configure/1.deb",
            "dpkg --force-unsafe-io --configure -a",
        ];
        assert_eq!(commands[..6], expected);
        assert_eq!(left.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["0.deb", "1.deb"]);
        assert!(left.script.contains("SOURCE_DATE_EPOCH=7\n"));
        assert_eq!(left.command(), "/.unibin-configure/run");
        assert!(!left.script.contains("INITRD"));
        let of_machine = super::left(&debs, "riscv64", 7, true);
        assert!(of_machine.script.contains("\nexport INITRD=No\n"));
    }
}
