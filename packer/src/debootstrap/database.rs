//! dpkg's database of packages that are unpacked and not configured (dpkg(1), deb-triggers(5)): what
//! `dpkg --unpack` would have written. Packages that dpkg unpacks itself later are not in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use debian::ControlFile;

use crate::debootstrap::unpack::OpenDeb;
use crate::error::Error;
use crate::system::system_tree::{Inode, Kind, SystemTree};

/// The directory.
pub(crate) const DATABASE: &str = "var/lib/dpkg";

/// Fields in the order in which dpkg writes them; others follow in the order of the control file.
const FIELDS: [&str; 22] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
];
const LATE_FIELDS: [&str; 3] = ["Enhances", "Conffiles", "Description"];

/// Adds the database of `debs` to their tree; `architecture` is the system's own.
pub(crate) fn add(tree: &mut SystemTree, debs: &[OpenDeb<'_>], architecture: &str) -> Result<(), Error> {
    let mut write = |path: &str, text: Vec<u8>, mode: u16| {
        tree.add(format!("{DATABASE}/{path}").as_bytes(), Inode::of_root(Kind::File(text.into()), mode))
    };
    let unpacked = || debs.iter().filter(|deb| !deb.is_unpacked_inside());
    let mut stanzas = BTreeMap::new();
    for deb in unpacked() {
        let control = deb.text("control").unwrap_or_default();
        stanzas.insert(deb.package.name.as_str(), stanza(&control, &deb.conffiles()));
        let name = info_name(&deb.package.name, &deb.package.architecture, &control);
        write(&format!("info/{name}.list"), list(deb), 0o644)?;
        for ControlFile { name: file, mode, bytes } in &deb.control {
            if file != "control" {
                let mode = u16::try_from(mode & 0o7777).unwrap_or(0o644);
                write(&format!("info/{name}.{file}"), bytes.clone(), mode)?;
            }
        }
    }
    write("info/format", b"1\n".to_vec(), 0o644)?;
    let status: String = stanzas.into_values().collect();
    write("status", status.into_bytes(), 0o644)?;
    write("arch", format!("{architecture}\n").into_bytes(), 0o644)?;
    write("arch-native", format!("{architecture}\n").into_bytes(), 0o644)?;
    for lock in ["lock", "lock-frontend"] {
        write(lock, Vec::new(), 0o640)?;
    }
    for (path, text) in
        triggers(unpacked().filter_map(|deb| Some((deb.package.name.as_str(), deb.text("triggers")?))))
    {
        write(&format!("triggers/{path}"), text.into_bytes(), 0o644)?;
    }
    write("triggers/Lock", Vec::new(), 0o600)?;
    write("triggers/Unincorp", Vec::new(), 0o644)?;
    for directory in ["alternatives", "parts", "updates"] {
        let path = format!("{DATABASE}/{directory}");
        tree.add(path.as_bytes(), Inode::of_root(Kind::Directory, 0o755))?;
    }
    let automatic = unpacked().filter(|deb| deb.is_automatic);
    let mut automatic: Vec<String> = automatic
        .map(|deb| {
            format!("Package: {}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n", deb.package.name)
        })
        .collect();
    automatic.sort_unstable();
    let states = Kind::File(automatic.concat().into_bytes().into());
    tree.add(b"var/lib/apt/extended_states", Inode::of_root(states, 0o644))
}

/// The name of a package's files in `info`: with its architecture if there could be several of it.
pub(crate) fn info_name(name: &str, architecture: &str, control: &str) -> String {
    let same = field(control, "Multi-Arch").is_some_and(|value| value.trim() == "same");
    if same { format!("{name}:{architecture}") } else { name.to_owned() }
}

/// The fields of a control file, in their order; values with the lines that continue them.
fn fields(control: &str) -> Vec<(&str, String)> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in control.lines() {
        match (line.starts_with([' ', '\t']), line.split_once(':')) {
            (true, _) => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push('\n');
                    value.push_str(line.trim_end());
                }
            }
            (false, Some((name, value))) => fields.push((name, value.trim().to_owned())),
            (false, None) => {}
        }
    }
    fields
}

fn field(control: &str, name: &str) -> Option<String> {
    fields(control).into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A package's paragraph in `status`, with the empty line after it.
fn stanza(control: &str, conffiles: &[(String, bool)]) -> String {
    let mut fields = fields(control);
    fields.push(("Status", "install ok unpacked".to_owned()));
    if !conffiles.is_empty() {
        let line = |(path, goes): &(String, bool)| {
            format!("\n {path} newconffile{}", if *goes { " remove-on-upgrade" } else { "" })
        };
        fields.push(("Conffiles", conffiles.iter().map(line).collect()));
    }
    let place = |name: &str| {
        FIELDS
            .iter()
            .chain(&LATE_FIELDS)
            .position(|known| known.eq_ignore_ascii_case(name))
            .unwrap_or(usize::MAX)
    };
    fields.sort_by_key(|(name, _)| place(name));
    let mut text = String::new();
    for (name, value) in fields {
        let blank = if value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(text, "{name}:{blank}{value}");
    }
    text + "\n"
}

/// The paths of a package, the root first.
fn list(deb: &OpenDeb<'_>) -> Vec<u8> {
    let mut text = b"/.\n".to_vec();
    for entry in &deb.entries {
        text.push(b'/');
        text.extend(&entry.path);
        text.push(b'\n');
    }
    text
}

/// The files in `triggers` that say who is interested in what: `File` for paths, else one named after the
/// trigger.
fn triggers<'t>(of_packages: impl Iterator<Item = (&'t str, String)>) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::from([("File".to_owned(), String::new())]);
    for (package, text) in of_packages {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else { continue };
            let wait = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            if trigger.starts_with('/') {
                let file = files.entry("File".to_owned()).or_default();
                let _ = writeln!(file, "{trigger} {package}{wait}");
            } else {
                let file = files.entry(trigger.to_owned()).or_default();
                let _ = writeln!(file, "{package}{wait}");
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_has_dpkgs_order_of_fields_and_says_unpacked() {
        let control = "Package: a\nSource: s (1)\nVersion: 1-1\nArchitecture: riscv64\nMaintainer: M <m@m>\n\
                       Depends: b\nPre-Depends: c\nSection: net\nPriority: required\nEssential: yes\n\
                       Homepage: http://h\nDescription: text\n more\n .\n end\nTag: x\n";
        let conffiles = [("/etc/a".to_owned(), false), ("/etc/b".to_owned(), true)];
        let expected = "Package: a\nEssential: yes\nStatus: install ok unpacked\nPriority: required\n\
                        Section: net\nMaintainer: M <m@m>\nArchitecture: riscv64\nSource: s (1)\n\
                        Version: 1-1\nDepends: b\nPre-Depends: c\nConffiles:\n /etc/a newconffile\n \
                        /etc/b newconffile remove-on-upgrade\nDescription: text\n more\n .\n end\n\
                        Homepage: http://h\nTag: x\n\n";
        assert_eq!(stanza(control, &conffiles), expected);
    }

    #[test]
    fn files_of_packages_that_could_be_there_twice_are_named_with_their_architecture() {
        assert_eq!(info_name("libc6", "riscv64", "Package: libc6\nMulti-Arch: same\n"), "libc6:riscv64");
        assert_eq!(info_name("dash", "riscv64", "Package: dash\nMulti-Arch: foreign\n"), "dash");
    }

    #[test]
    fn interests_are_written_by_path_or_by_name_and_activations_are_not() {
        let of = [
            ("libc-bin", "interest-noawait ldconfig\n".to_owned()),
            ("man", "# text\ninterest /usr/share/man\nactivate ldconfig\n".to_owned()),
            ("bf", "interest-noawait /usr/lib32 # why\n".to_owned()),
        ];
        let files = triggers(of.into_iter());
        assert_eq!(files["ldconfig"], "libc-bin/noawait\n");
        assert_eq!(files["File"], "/usr/share/man man\n/usr/lib32 bf/noawait\n");
        assert_eq!(files.len(), 2);
    }
}
