//! What `pack` says that a loader will find is what the target's own loader finds, asked under the emulator
//! with `--list`: the same files, for programs and plug-ins of real packages, glibc and musl.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::Arch;
use end_to_end::{
    Outcome, Sandbox, compile_musl, emulator_of, lacking, needs, not_run, own, pack_by_hand, unibin,
};
use serde_json::Value;

/// What `pack` lists, and the tree that it has made.
struct Packed {
    libraries: Vec<Value>,
    tree: PathBuf,
    entry: PathBuf,
}

/// `None`, loudly, where the mirror lacks a package of its own index: other rows show the same.
fn packed(sandbox: &Sandbox, arguments: &[&str]) -> Option<Packed> {
    let (bundle, tree) = (sandbox.at("bundle"), sandbox.at("tree"));
    let options = ["--hosts", "x86_64", "--level", "1", "--json"];
    let told = pack_by_hand(&[arguments, &options].concat(), &bundle);
    if let Some(lacking) = lacking(&told.errors()) {
        not_run("mirror-whole", lacking);
        return None;
    }
    let told: Value = serde_json::from_str(&told.must_succeed()).expect("JSON");
    let extracted = unibin().arg("extract").arg(&bundle).arg(&tree).output().expect("unibin starts");
    Outcome::from(extracted).must_succeed();
    let libraries = told["tree"]["libraries"].as_array().expect("libraries").clone();
    let entry = told["entries"][0]["path"].as_str().expect("a path");
    Some(Packed { libraries, entry: tree.join(entry), tree })
}

impl Packed {
    /// The files that are loaded for the program, as `pack` says.
    fn said(&self) -> BTreeSet<PathBuf> {
        let text = |row: &Value, key: &str| row[key].as_str().expect("text").to_owned();
        let mut plugins: BTreeSet<String> = BTreeSet::new();
        let mut said = BTreeSet::new();
        for row in &self.libraries {
            let (path, rule) = (text(row, "path"), text(row, "rule"));
            // What a plug-in needs is not the program's.
            if rule == "plug-in" || plugins.contains(&file_name(&text(row, "by"))) {
                plugins.insert(file_name(&text(row, "name")));
                plugins.insert(file_name(&path));
            } else if rule != "glibc-hwcaps" {
                said.insert(real(&self.tree, &path));
            }
        }
        said
    }

    /// The files that the target's loader finds for `object`.
    fn found(&self, emulator: &Path, object: &Path) -> BTreeSet<PathBuf> {
        let loader = self.libraries.iter().find(|row| row["rule"] == "PT_INTERP").expect("a loader");
        let loader = real(&self.tree, loader["path"].as_str().expect("a path"));
        let listed =
            Command::new(emulator).arg("-L").arg(&self.tree).arg(&loader).arg("--list").arg(object).output();
        let listed = Outcome::from(listed.expect("the emulator starts")).must_succeed();
        assert!(!listed.contains("not found"), "{}: {listed}", object.display());
        let mut found = BTreeSet::from([loader]);
        for line in listed.lines().map(str::trim) {
            let path = line.split_once("=> ").map_or(line, |(_, path)| path);
            let path = path.split(" (").next().unwrap_or_default();
            if path.starts_with('/') {
                found.insert(real(&self.tree, path));
            }
        }
        found
    }
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where a path that a program sees leads: into the tree if that has it, as the emulator takes it.
fn real(tree: &Path, path: &str) -> PathBuf {
    let path = Path::new(path);
    let inside = if path.starts_with(tree) {
        path.to_owned()
    } else {
        tree.join(path.strip_prefix("/").expect("absolute"))
    };
    inside.canonicalize().unwrap_or_else(|error| panic!("{} is not in the tree: {error}", path.display()))
}

fn agrees(package: &str, entry: &str, target: Arch) {
    let sandbox = Sandbox::new();
    let options = ["--deb", package, "--entry", entry, "--target", target.name()];
    let Some(packed) = packed(&sandbox, &options) else { return };
    let emulator = emulator_of(target);
    let said = packed.said();
    assert!(said.len() > 2, "{package}: {said:?}");
    assert_eq!(said, packed.found(&emulator, &packed.entry), "{package} for {target}");
}

/// One test for each program: they run at the same time.
macro_rules! glibcs_loader_finds_what_was_said {
    ($($name:ident: $package:literal $entry:literal $target:ident;)+) => {
        mod glibcs_loader_finds_what_was_said {
            use super::*;

            $(#[test]
            fn $name() {
                needs!("network");
                agrees($package, $entry, Arch::$target);
            })+
        }
    };
}

glibcs_loader_finds_what_was_said! {
    for_ls: "coreutils" "/usr/bin/ls" Riscv64;
    for_curl: "curl" "/usr/bin/curl" Riscv64;
    for_gawk: "gawk" "/usr/bin/gawk" S390x;
    for_sqlite3: "sqlite3" "/usr/bin/sqlite3" Armv7;
    for_nano: "nano" "/usr/bin/nano" Ppc64le;
    // Libraries of its own in a directory of its own, by RUNPATH.
    for_systemctl: "systemd" "/usr/bin/systemctl" Aarch64;
    for_pactl: "pulseaudio-utils" "/usr/bin/pactl" I686;
}

#[test]
fn every_module_of_python_has_what_its_loader_looks_for() {
    needs!("network");
    let target = Arch::Aarch64;
    let sandbox = Sandbox::new();
    let options = ["--deb", "python3", "--entry", "/usr/bin/python3", "--target", target.name()];
    let Some(packed) = packed(&sandbox, &options) else { return };
    let emulator = emulator_of(target);
    let modules = fs::read_dir(packed.tree.join("usr/lib/python3.13/lib-dynload")).expect("modules");
    let modules: Vec<PathBuf> = modules.map(|module| module.expect("an entry").path()).collect();
    assert!(modules.len() > 30, "{modules:?}");
    let all: BTreeSet<PathBuf> = packed
        .libraries
        .iter()
        .map(|row| real(&packed.tree, row["path"].as_str().expect("a path")))
        .collect();
    for module in modules {
        let found = packed.found(&emulator, &module);
        let unsaid: Vec<_> = found.difference(&all).collect();
        assert!(unsaid.is_empty(), "{}: {unsaid:?}", module.display());
    }
}

#[test]
fn musls_loader_finds_a_vendored_library_where_it_was_said_to() {
    needs!("network");
    for target in [Arch::Riscv64, Arch::S390x] {
        let sandbox = Sandbox::new();
        let directory = sandbox.make_directory("own");
        let shared = ["-shared", "-fPIC", "-Wl,-soname,libanswer.so"];
        let Some(library) = compile_musl("answer", &[own("answer.c")], target, &shared) else { return };
        fs::copy(library, directory.join("libanswer.so")).expect("copied");
        let sources = [own("place.c"), directory.join("libanswer.so")];
        let Some(program) = compile_musl("place", &sources, target, &["-Wl,-rpath,$ORIGIN/../own"]) else {
            return;
        };
        let place = sandbox.make_directory("bin").join("place");
        fs::copy(program, &place).expect("copied");
        let options = [place.to_str().expect("text"), "--libs", "debian"];
        let Some(packed) = packed(&sandbox, &options) else { continue };
        let said = packed.said();
        assert!(said.iter().any(|path| path.ends_with("own/libanswer.so")), "{said:?}");
        let found = packed.found(&emulator_of(target), &packed.entry);
        assert_eq!(said, found, "{target}");
    }
}
