//! Bills of materials: their packages are those of the tree's own database, each file belongs to one
//! component, the same bundle gives the same bytes, and what bundles are made of survives thin, merge and
//! replace.

mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use scene::{AARCH64, RISCV64, Run, Scene, X86_64, emulator, program};
use serde_json::Value;

const STATUS: &str = "Package: base-files\nStatus: install ok installed\nArchitecture: riscv64\nVersion: 13.8\n\n\
    Package: libssl1.0.0\nStatus: install ok installed\nArchitecture: riscv64\nMulti-Arch: same\n\
    Source: openssl (1.0.1e-2)\nVersion: 1.0.1e-2+b1\nDepends: base-files (>= 1)\n\n\
    Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n";

/// A root file system with a shell, two packages, one of them old, and files that no package has.
fn root(scene: &Scene) {
    let write = |path: &str, bytes: &[u8]| {
        let path = scene.at("w/root").join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, bytes).expect("written");
    };
    write("etc/os-release", b"ID=debian\nVERSION_ID=\"13\"\n");
    write("bin/sh", &program(RISCV64));
    let mut mode = fs::metadata(scene.at("w/root/bin/sh")).expect("a file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    fs::set_permissions(scene.at("w/root/bin/sh"), mode).expect("executable");
    write("usr/lib/libssl.so.1.0.0", b"old");
    write("srv/own 100%", b"own");
    write("var/lib/dpkg/status", STATUS.as_bytes());
    write("var/lib/dpkg/info/base-files.list", b"/.\n/bin\n/bin/sh\n/etc/os-release\n");
    write("var/lib/dpkg/info/libssl1.0.0:riscv64.list", b"/lib/libssl.so.1.0.0\n/usr/lib/libssl.so.1.0.0\n");
    write(
        "usr/lib/python3/dist-packages/six-1.0.dist-info/METADATA",
        b"Name: six\nVersion: 1.0\nLicense: MIT\n",
    );
    write(
        "usr/lib/python3/dist-packages/six-1.0.dist-info/RECORD",
        b"six.py,,\nsix-1.0.dist-info/RECORD,,\n",
    );
    write("usr/lib/python3/dist-packages/six.py", b"six");
}

fn packed_system(scene: &Scene) {
    root(scene);
    let words = "pack --system root --hosts riscv64 --level 1 -o sys";
    scene.run(words.split(' ')).ok();
}

fn bill(scene: &Scene, words: &str) -> Value {
    let told = scene.run(["sbom"].into_iter().chain(words.split(' '))).ok().out;
    serde_json::from_str(&told).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Each file of the bill with the component that it belongs to.
fn owners(bill: &Value) -> Vec<(String, String)> {
    let components = rows(&bill["components"]).into_iter();
    let of = |component: Value| {
        let files = rows(&component["components"]).into_iter();
        files.map(move |file| (text(&file["name"]), text(&component["name"]))).collect::<Vec<_>>()
    };
    components.flat_map(of).collect()
}

#[test]
fn a_systems_packages_are_those_that_its_database_has_and_each_file_belongs_to_one() {
    let scene = Scene::new();
    packed_system(&scene);
    let bill = bill(&scene, "sys");
    let purls: BTreeSet<_> = rows(&bill["components"]).iter().map(|one| text(&one["purl"])).collect();
    let debs: Vec<_> = purls.iter().filter(|purl| purl.starts_with("pkg:deb/")).collect();
    // What a scanner looks up, the source included; and not what was removed.
    let wanted = [
        "pkg:deb/debian/base-files@13.8?arch=riscv64&distro=debian-13",
        "pkg:deb/debian/libssl1.0.0@1.0.1e-2%2Bb1?arch=riscv64&distro=debian-13&upstream=openssl%401.0.1e-2",
    ];
    assert_eq!(debs, wanted);
    assert!(purls.contains("pkg:pypi/six@1.0"));
    let owners = owners(&bill);
    let owner: BTreeMap<_, _> = owners.iter().cloned().collect();
    assert_eq!(owner.len(), owners.len(), "no file twice: {owners:?}");
    let extracted = scene.run(["extract", "sys", "out"]).ok();
    let mut files = Vec::new();
    walk(&scene.at("w/out"), "", &mut files);
    assert_eq!(owner.len(), files.len(), "every file: {extracted:?} {files:?}");
    for (file, name) in [
        ("bin/sh", "base-files"),
        ("usr/lib/libssl.so.1.0.0", "libssl1.0.0"),
        ("usr/lib/python3/dist-packages/six.py", "six"),
        ("srv/own 100%25", "sh"),
        ("var/lib/dpkg/status", "sh"),
    ] {
        assert_eq!(owner.get(file).map(String::as_str), Some(name), "{file}");
    }
    let needs = rows(&bill["dependencies"]).into_iter().find(|row| text(&row["ref"]).contains("libssl"));
    assert!(text(&needs.expect("a row")["dependsOn"][0]).contains("/base-files@"));
    // The same for scripts, with the names of the sources.
    let told = scene.run(["inspect", "--json", "sys"]).ok().out;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let packages = rows(&told["variants"][0]["packages"]);
    let ssl = packages.iter().find(|row| row["name"] == "libssl1.0.0").expect("there");
    assert_eq!((text(&ssl["source"]), text(&ssl["source_version"])), ("openssl".into(), "1.0.1e-2".into()));
}

fn walk(directory: &std::path::Path, below: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a kind").is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn the_same_bundle_gives_the_same_bytes_with_the_time_that_was_given() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    scene.run(["pack", "app", "--hosts", "riscv64", "-o", "bundle"]).ok();
    for format in ["cyclonedx", "spdx"] {
        let run = |file: &str, time: &str| {
            let mut unibin = scene.unibin();
            unibin.args(["sbom", "bundle", "--format", format, "-o", file]).env("TZ", "Asia/Tokyo");
            unibin.env("SOURCE_DATE_EPOCH", time);
            Run::of(&unibin.output().expect("unibin starts"))
        };
        for (file, time) in [("one", ""), ("two", ""), ("three", "951868800")] {
            run(file, time).ok();
        }
        let read = |file: &str| fs::read_to_string(scene.at("w").join(file)).expect("a bill");
        assert_eq!(read("one"), read("two"));
        assert!(read("three").contains("2000-03-01T00:00:00Z"), "{format}");
        assert!(!read("one").contains("2000-"), "{format}");
        run("four", "yesterday").refused(3, &["SOURCE_DATE_EPOCH is `yesterday`", "hint: "]);
        assert!(!scene.at("w/four").exists(), "nothing is written on an error");
        let mode = fs::metadata(scene.at("w/one")).expect("a file").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o111, 0, "a bill is no program");
    }
    let bill = bill(&scene, "bundle --name tool --app-version 1.2");
    assert_eq!(bill["metadata"]["component"]["version"], "1.2");
    assert_eq!(bill["metadata"]["component"]["name"], "tool");
    assert!(bill["metadata"]["timestamp"].is_null());
    let digest = scene::sha256(&program(RISCV64)).to_string();
    assert!(bill.to_string().contains(&digest), "a local file by its digest");
}

#[test]
fn what_parts_are_made_of_survives_being_thinned_merged_and_replaced() {
    let scene = Scene::new();
    for (name, machine) in [("app-x86_64", X86_64), ("app-aarch64", AARCH64), ("app", RISCV64)] {
        scene.write(name, &program(machine));
    }
    scene.write("emulator", &emulator(X86_64));
    let run = |words: &str| scene.run(words.split(' ')).ok();
    run("pack app --hosts x86_64,riscv64 --emulator x86_64=emulator -o all");
    run("thin all --hosts riscv64 -o thin");
    run("merge all app-aarch64 -o merged");
    run("replace merged --native aarch64=app-aarch64 -o replaced");
    for (file, parts) in [
        (
            "all",
            "launcher:x86_64 launcher:riscv64 broker:x86_64 broker:riscv64 stub app:riscv64 emulator:x86_64",
        ),
        ("thin", "launcher:riscv64 broker:riscv64 stub app:riscv64"),
        (
            "merged",
            "launcher:x86_64 launcher:aarch64 launcher:riscv64 broker:x86_64 broker:aarch64 broker:riscv64 stub \
             app:riscv64 app:aarch64 emulator:x86_64",
        ),
        (
            "replaced",
            "launcher:x86_64 launcher:aarch64 launcher:riscv64 broker:x86_64 broker:aarch64 broker:riscv64 stub \
             app:riscv64 app:aarch64 emulator:x86_64",
        ),
    ] {
        let told = scene.run(["sbom", file]).ok();
        assert!(!told.err.contains("does not say"), "{file}: {told:?}");
        let bill: Value = serde_json::from_str(&told.out).expect("JSON");
        let depends =
            rows(&bill["dependencies"][0]["dependsOn"]).iter().map(text).collect::<Vec<_>>().join(" ");
        assert_eq!(depends, parts, "{file}");
        assert_eq!(bill["compositions"][0]["aggregate"], "complete");
    }
}

#[test]
fn both_forms_are_what_others_validators_accept() {
    let scene = Scene::new();
    packed_system(&scene);
    for (format, file) in [("cyclonedx", "cdx.json"), ("spdx", "spdx.json")] {
        scene.run(["sbom", "sys", "--format", format, "-o", file]).ok();
    }
    let cyclonedx = "import sys\nfrom cyclonedx.schema import SchemaVersion\n\
                     from cyclonedx.validation.json import JsonStrictValidator\n\
                     sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) and 1)";
    let spdx = "import sys\nfrom spdx_tools.spdx.parser.parse_anything import parse_file\n\
                from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document\n\
                sys.exit('\\n'.join(str(m) for m in validate_full_spdx_document(parse_file(sys.argv[1]))) or 0)";
    for (module, script, file) in [
        ("cyclonedx.validation.json", cyclonedx, "cdx.json"),
        ("spdx_tools.spdx.validation", spdx, "spdx.json"),
    ] {
        let Some(python) = scene::python(module) else { continue };
        let check = |file: &str| {
            let checked =
                Command::new(&python).args(["-c", script, file]).current_dir(scene.at("w")).output();
            Run::of(&checked.expect("python starts"))
        };
        check(file).ok();
        // What is not valid is found.
        let bad = fs::read_to_string(scene.at("w").join(file)).expect("a bill");
        let bad = bad.replace("\"urn:uuid:", "\"urn:").replace("SPDXRef-Bundle", "SPDXRef-No_such");
        scene.write("bad.json", bad.as_bytes());
        assert_ne!(check("bad.json").code, Some(0), "{module}");
    }
}
