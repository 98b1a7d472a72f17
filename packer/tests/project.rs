//! `unibin.toml`: what it makes, that it makes the same everywhere, and that nothing half made, foreign or
//! unknown is published.

mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use end_to_end::needs;
use scene::{AARCH64, ET_EXEC, Elf, RISCV64, Run, Scene, X86_64, elf, names, program, sha256};
use serde_json::Value;

const PROJECT: &str = r#"
schema = 1

[app]
name = "tool"
version = "1.2"

[[app.build]]
arch = "riscv64"
file = "build/{name}-riscv64"
command = "mkdir -p build; cp src/riscv64 build/tool-riscv64; echo once >> build/runs"

[[app.build]]
arch = "x86_64"
file = "build/{name}-x86_64"
command = "cp src/x86_64 build/tool-x86_64"

[hosts]
hosts = ["x86_64", "aarch64", "riscv64"]
emulator = ["x86_64=src/emulator-x", "aarch64=src/emulator-a"]

[start]
arg = ["--version={version}"]

[release]
thin = ["x86_64", "aarch64"]
"#;

/// A project in the work directory.
fn scene() -> Scene {
    let scene = Scene::new();
    fs::create_dir(scene.at("w/src")).expect("a directory");
    scene.write("src/riscv64", &program(RISCV64));
    scene.write("src/x86_64", &program(X86_64));
    let emulator = |machine| {
        elf(Elf {
            class: 2,
            osabi: 0,
            machine,
            kind: ET_EXEC,
            loader: None,
            needed: &[],
            contents: b"emulator",
        })
    };
    scene.write("src/emulator-x", &emulator(X86_64));
    scene.write("src/emulator-a", &emulator(AARCH64));
    scene.write("unibin.toml", PROJECT.as_bytes());
    scene
}

/// Runs `script` by a shell in `directory`, with `unibin` as `$unibin`.
#[track_caller]
fn sh(scene: &Scene, directory: &Path, script: &str) -> Run {
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(directory)
        .env("unibin", env!("CARGO_BIN_EXE_unibin"))
        .env("UNIBIN_STORE", scene.at("store"))
        .env("UNIBIN_LAUNCHERS", scene.at("launchers"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("sh starts");
    Run::of(&output)
}

const FILES: [&str; 6] =
    ["SHA256SUMS", "artifacts.json", "provenance.json", "tool", "tool-aarch64", "tool-x86_64"];

#[test]
fn a_release_is_what_pack_and_thin_make_with_true_descriptions_of_it() {
    let scene = scene();
    let told = scene.run(["release"]).ok();
    assert!(told.out.contains("tool-aarch64") && told.err.contains("names no commit"), "{told:?}");
    assert_eq!(names(&scene.at("w/dist")), FILES);
    assert_eq!(scene.names(), ["build", "dist", "src", "unibin.toml"]);
    assert_eq!(fs::read_to_string(scene.at("w/build/runs")).expect("a file"), "once\n");

    // The bundles are those of the commands that one would type.
    scene.run(["pack"]).ok();
    let bytes = |name: &str| fs::read(scene.at("w").join(name)).expect("a file");
    assert!(bytes("tool.bundle") == bytes("dist/tool"));
    scene.run(["thin", "tool.bundle", "--hosts", "aarch64", "-o", "thin"]).ok();
    assert!(bytes("thin") == bytes("dist/tool-aarch64"));
    let words = "pack build/tool-riscv64 --native x86_64=build/tool-x86_64 --hosts x86_64,aarch64,riscv64 \
                 --emulator x86_64=src/emulator-x --emulator aarch64=src/emulator-a --arg --version=1.2 -o typed";
    scene.run(words.split_whitespace()).ok();
    assert!(bytes("typed") == bytes("dist/tool"));

    // The descriptions: by a tool that is not ours, and against the files.
    let checked = sh(&scene, &scene.at("w/dist"), "sha256sum -c --strict SHA256SUMS").ok();
    assert_eq!(checked.out.lines().count(), FILES.len() - 1, "{checked:?}");
    let artifacts: Value = serde_json::from_slice(&bytes("dist/artifacts.json")).expect("JSON");
    assert_eq!(artifacts["version"], "1.2");
    let rows = artifacts["artifacts"].as_array().expect("a list");
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        let file = bytes(&format!("dist/{name}"));
        assert_eq!(row["sha256"], sha256(&file).to_string(), "{name}");
        assert_eq!(row["length"], file.len(), "{name}");
    }
    let bundle = rows.iter().find(|row| row["name"] == "tool").expect("the bundle");
    assert_eq!((&bundle["kind"], bundle["hosts"].as_array().map(Vec::len)), (&"bundle".into(), Some(3)));

    let statement: Value = serde_json::from_slice(&bytes("dist/provenance.json")).expect("JSON");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let digest = |list: &Value, name: &str| {
        let row = list.as_array().and_then(|rows| rows.iter().find(|row| row["name"] == name));
        row.map(|row| row["digest"]["sha256"].as_str().unwrap_or_default().to_owned())
    };
    let wanted = |name: &str| Some(sha256(&bytes(name)).to_string());
    assert_eq!(digest(&statement["subject"], "tool-aarch64"), wanted("dist/tool-aarch64"));
    let definition = &statement["predicate"]["buildDefinition"];
    let dependencies = &definition["resolvedDependencies"];
    assert_eq!(digest(dependencies, "build/tool-x86_64"), wanted("build/tool-x86_64"));
    assert_eq!(digest(dependencies, "unibin.toml"), wanted("unibin.toml"));
    assert!(digest(dependencies, "emulator riscv64-on-x86_64").is_some(), "{dependencies}");
    assert_eq!(definition["externalParameters"]["commands"].as_array().map(Vec::len), Some(2));
    assert!(statement["predicate"]["runDetails"]["builder"]["id"].is_string());
    assert!(statement["predicate"]["runDetails"]["metadata"].is_null(), "no clock is asked");
}

/// As in-toto's own library checks a statement, and its schema of SLSA's predicate: a field that it does not
/// know is an error.
const IN_TOTO: &str = "
import sys
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Proto
statement = json_format.Parse(open(sys.argv[1]).read(), Proto())
Statement.copy_from_pb(statement).validate()
predicate = json_format.ParseDict(json_format.MessageToDict(statement.predicate), Provenance())
definition, details = predicate.build_definition, predicate.run_details
assert definition.build_type and definition.external_parameters and details.builder.id, 'a field is missing'
for resource in definition.resolved_dependencies:
    ResourceDescriptor.copy_from_pb(resource).validate()
";

#[test]
fn a_provenance_is_what_in_totos_own_library_accepts() {
    let scene = scene();
    let Some(python) = scene::python("in_toto_attestation.v1.statement") else { return };
    let check = |file: &str| {
        let checked = Command::new(&python).args(["-c", IN_TOTO, file]).current_dir(scene.at("w")).output();
        Run::of(&checked.expect("python starts"))
    };
    for time in [None, Some("1700000000")] {
        let mut release = scene.unibin();
        release.arg("release").envs(time.map(|time| ("SOURCE_DATE_EPOCH", time)));
        Run::of(&release.output().expect("unibin starts")).ok();
        check("dist/provenance.json").ok();
    }
    // What is not valid is found: a field that is not SLSA's, another type, a subject without a digest.
    let statement = fs::read_to_string(scene.at("w/dist/provenance.json")).expect("text");
    let mut without: Value = serde_json::from_str(&statement).expect("JSON");
    without["subject"][0]["digest"] = serde_json::json!({});
    let renamed = statement.replace("\"buildType\"", "\"kind\"");
    let other = statement.replace("/Statement/v1", "/Statement/v2");
    for bad in [renamed, other, without.to_string()] {
        scene.write("bad.json", bad.as_bytes());
        assert_ne!(check("bad.json").code, Some(0), "{bad}");
    }
}

#[test]
fn two_clones_give_the_same_directory_wherever_whenever_and_whoever() {
    let scene = scene();
    let git = "git init -q . && git config user.email a@b && git config user.name a && echo build > .gitignore && \
               echo dist >> .gitignore && git add . && git commit -qm a && git tag v1.2";
    sh(&scene, &scene.at("w"), git).ok();
    let clone = |to: &str, settings: &str| {
        let script = format!(
            "mkdir -p {to} && git clone -q w {to}/c && cd {to}/c && {settings} && \
             export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) && $unibin release"
        );
        sh(&scene, &scene.at(""), &script).ok();
        scene.at(to).join("c/dist")
    };
    let one = clone("a", "umask 022; export LC_ALL=C TZ=UTC");
    let other = clone(
        "b/longer/way",
        "umask 077; export LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo; touch -d 2001-01-01 src/*",
    );
    assert_eq!(names(&one), FILES);
    for name in FILES {
        let read = |directory: &Path| {
            let path = directory.join(name);
            (fs::metadata(&path).expect("a file").permissions().mode(), fs::read(path).expect("a file"))
        };
        assert!(read(&one) == read(&other), "{name}");
    }
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode(&other), mode(&other.join("tool")), mode(&other.join(FILES[0]))), (0o755, 0o755, 0o644));
    let statement = fs::read_to_string(other.join("provenance.json")).expect("text");
    let commit = sh(&scene, &scene.at("w"), "git rev-parse HEAD").ok().out;
    assert!(statement.contains(&format!("\"gitCommit\": \"{}\"", commit.trim())), "{statement}");
    assert!(statement.contains("\"startedOn\": \"20"), "{statement}");

    // A git that knows the commit and fails then says nothing about the files.
    let broken = "git config status.relativePaths maybe; $unibin release";
    sh(&scene, &scene.at("a/c"), broken).refused(1, &["`git status ", "status.relativepaths", "--snapshot"]);
    sh(&scene, &scene.at("a/c"), "git config --unset status.relativePaths; $unibin release").ok();

    // What differs from the commit is no release of it; neither is another version than the tag's.
    let changed = "echo '# more' >> unibin.toml; $unibin release";
    sh(&scene, &scene.at("a/c"), changed)
        .refused(3, &["differ from the commit", "unibin.toml", "--snapshot"]);
    sh(&scene, &scene.at("a/c"), "$unibin release --snapshot").ok();
    let artifacts = fs::read_to_string(one.join("artifacts.json")).expect("text");
    assert!(artifacts.contains("\"version\": \"1.2-snapshot\"") && artifacts.contains("\"snapshot\": true"));
    assert!(!one.join("provenance.json").exists());
    let tagged = "git checkout -q unibin.toml; git tag -d v1.2 >/dev/null; git tag v1.3; $unibin release";
    sh(&scene, &scene.at("a/c"), tagged).refused(3, &["tagged v1.3, but the version is 1.2"]);
    // A build that changes what is released.
    let other = "git tag -d v1.3 >/dev/null; sed -i 's/cp src.x86_64/echo >> src\\/riscv64; &/' unibin.toml; \
                 git -c user.name=a -c user.email=b commit -qam b; $unibin release";
    sh(&scene, &scene.at("a/c"), other).refused(3, &["differ from the commit", "src/riscv64"]);
}

#[test]
fn nothing_is_published_that_failed_and_nothing_removed_that_is_not_ours() {
    let scene = scene();
    scene.run(["release"]).ok();
    // What is there stays until the next release is complete.
    let before = fs::read(scene.at("w/dist/tool")).expect("a file");
    let with = |from: &str, to: &str| {
        assert!(PROJECT.contains(from), "{from}");
        scene.write("unibin.toml", PROJECT.replace(from, to).as_bytes());
    };
    with("cp src/x86_64", "false; cp src/x86_64");
    scene.run(["release"]).refused(1, &["the command of a build ended with exit status: 1", "false; cp"]);
    with("build/{name}-x86_64", "build/{name}-i686");
    scene.run(["release"]).refused(3, &["`build/tool-i686` that `unibin.toml` names does not exist"]);
    with("thin = [\"x86_64\", ", "thin = [\"s390x\", ");
    scene.run(["release"]).refused(4, &["does not run on s390x"]);
    assert_eq!(
        (names(&scene.at("w/dist")), fs::read(scene.at("w/dist/tool")).ok()),
        (FILES.map(Into::into).to_vec(), Some(before))
    );
    assert_eq!(scene.names(), ["build", "dist", "src", "unibin.toml"], "nothing unfinished stays");

    // Another release takes the place of the first, and nothing of that stays.
    with("thin = [\"x86_64\", \"aarch64\"]", "thin = []");
    scene.run(["release"]).ok();
    assert!(!scene.at("w/dist/tool-aarch64").exists());
    scene.write("dist/notes", b"mine");
    scene.run(["release"]).refused(1, &["`dist` has `notes`", "--dist"]);
    scene.run(["release", "--dist", "src"]).refused(1, &["`src` has `"]);
    scene.run(["release", "--dist", "."]).refused(1, &["`.` has `"]);
    assert_eq!(fs::read(scene.at("w/dist/notes")).expect("a file"), b"mine");
    scene.run(["release", "--dist", "other"]).ok();
    fs::remove_file(scene.at("w/dist/notes")).expect("removed");
    // Nor what was changed since, nor what another tool has listed.
    let sums = fs::read(scene.at("w/dist/artifacts.json")).expect("a file");
    scene.write("dist/artifacts.json", b"changed");
    scene.run(["release"]).refused(1, &["`dist` has `artifacts.json`"]);
    scene.write("dist/artifacts.json", &sums);
    fs::create_dir(scene.at("w/images")).expect("a directory");
    scene.write("images/disk.iso", b"");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    scene.write("images/SHA256SUMS", format!("{empty}  disk.iso\n").as_bytes());
    scene.run(["release", "--dist", "images"]).refused(1, &["`images` has `"]);
    assert!(scene.at("w/images/disk.iso").exists());
    scene.run(["release"]).ok();
}

#[test]
fn a_plan_executes_and_writes_nothing_and_is_what_is_made() {
    let scene = scene();
    let plan: Value = serde_json::from_str(&scene.run(["plan", "--json"]).ok().out).expect("JSON");
    assert_eq!(scene.names(), ["src", "unibin.toml"]);
    let told = scene.run(["plan"]).ok().out;
    assert!(told.contains("host  x86_64       native") && told.contains("cp src/x86_64"), "{told}");
    let routes: Vec<_> = plan["hosts"].as_array().expect("a list").iter().map(|row| &row["route"]).collect();
    assert_eq!(routes, ["native", "emulated", "native"]);
    scene.run(["release"]).ok();
    let mut files: Vec<_> = plan["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["name"].as_str().expect("a name"))
        .collect();
    files.sort_unstable();
    assert_eq!(files, names(&scene.at("w/dist")));
}

#[test]
fn pack_uses_the_file_and_the_command_line_comes_after_it() {
    let scene = scene();
    scene.run(["pack"]).refused(3, &["`build/tool-riscv64`", "`unibin release` runs the `command`"]);
    scene.run(["release"]).ok();
    scene.run(["pack", "--hosts", "x86_64,riscv64,aarch64", "-o", "fewer", "--arg", "more"]).ok();
    let told = scene.run(["inspect", "fewer"]).ok().out + &scene.run(["inspect", "fewer", "--json"]).ok().out;
    assert!(told.contains("--version=1.2") && told.contains("argument more"), "{told}");
    // From another directory: paths are relative to the file.
    let elsewhere = sh(&scene, &scene.at("launchers"), "$unibin pack --project ../w/unibin.toml");
    elsewhere.ok();
    let bytes = |name: &str| fs::read(scene.at("w").join(name)).expect("a file");
    assert!(bytes("tool.bundle") == bytes("dist/tool"));
    // What names an app is packed, whatever the file says; a directory above is not searched for one.
    scene.run(["pack", "src/x86_64", "--hosts", "x86_64", "-o", "own"]).ok();
    let nothing = sh(&scene, &scene.at("w/src"), "$unibin pack");
    nothing.refused(2, &["nothing says what to pack", "unibin init"]);
    scene.write("unibin.toml", PROJECT.replace("hosts = [", "hosts = [\"vax\", ").as_bytes());
    scene.run(["pack"]).refused(3, &["`unibin.toml`: invalid value 'vax,x86_64", "--hosts", "unknown host"]);
}

#[test]
fn init_writes_a_file_that_plan_reads() {
    for (name, text, wanted) in [
        (
            "Cargo.toml",
            "[package]\nname = 'tool'\nversion = '3.1'\n",
            "target/aarch64-unknown-linux-musl/release/tool",
        ),
        ("go.mod", "module example.org/tool\n", "GOARCH=riscv64"),
        (
            "pyproject.toml",
            "[project]\nname = 'tool'\nversion = '3.1'\n[project.scripts]\ntool = 'a:b'\n",
            "tool-3.1-py3",
        ),
        ("package.json", r#"{"name": "tool", "version": "3.1", "bin": "a.js"}"#, "tool-3.1.tgz"),
    ] {
        let scene = Scene::new();
        scene.run(["init"]).refused(3, &["nothing here to begin with", "Cargo.toml, go.mod"]);
        scene.write(name, text.as_bytes());
        let told = scene.run(["init"]).ok().out;
        assert!(told.contains(&format!("unibin.toml: tool, from {name}")), "{told}");
        let plan = scene.run(["plan"]).ok().out;
        assert!(plan.contains(wanted) && plan.contains("dist/tool"), "{plan}");
        scene.run(["init"]).refused(1, &["`unibin.toml` exists already"]);
    }
    let scene = scene();
    fs::remove_file(scene.at("w/unibin.toml")).expect("removed");
    fs::rename(scene.at("w/src/x86_64"), scene.at("w/tool-x86_64")).expect("renamed");
    scene.run(["init", "src"]).refused(3, &["`src` is a directory"]);
    scene.run(["init", "tool-x86_64", "src/riscv64"]).ok();
    let text = fs::read_to_string(scene.at("w/unibin.toml")).expect("text");
    assert!(
        text.contains("name = \"tool\"") && text.contains("arch = \"riscv64\"\nfile = \"src/riscv64\""),
        "{text}"
    );
    scene.run(["pack", "--hosts", "x86_64,riscv64"]).ok();
    scene.run(["check", "tool.bundle", "--native", "x86_64,riscv64"]).ok();
}

#[test]
fn a_release_is_signed_and_has_its_bills_and_the_plan_says_so() {
    needs!("ssh-keygen");
    let scene = scene();
    sh(&scene, &scene.at("w"), "ssh-keygen -q -t ed25519 -N '' -C me -f key").ok();
    let more =
        "[release]\nsbom = [\"cyclonedx\", \"spdx\"]\nsign = \"key\"\ndetach = [\"ssh\", \"minisign\"]\n";
    scene.write("unibin.toml", PROJECT.replace("[release]\n", more).as_bytes());
    scene.run(["release"]).ok();
    let plan: Value = serde_json::from_str(&scene.run(["plan", "--json"]).ok().out).expect("JSON");
    let rows = plan["files"].as_array().expect("a list");
    let mut planned: Vec<_> = rows.iter().map(|row| row["name"].as_str().expect("a name")).collect();
    planned.sort_unstable();
    assert_eq!(planned, names(&scene.at("w/dist")));
    for name in ["SHA256SUMS.sig", "tool-aarch64.minisig", "tool.cdx.json", "tool.spdx.json"] {
        assert!(planned.contains(&name), "{planned:?}");
    }
    for name in ["tool", "tool-aarch64"] {
        scene.run(["verify", "--key", "key.pub", &format!("dist/{name}")]).ok();
    }
    let check = "sha256sum -c --strict --quiet SHA256SUMS && (printf 'me '; cat ../key.pub) > ../signers && \
                 ssh-keygen -Y verify -f ../signers -I me -n file -s SHA256SUMS.sig < SHA256SUMS";
    sh(&scene, &scene.at("w/dist"), check).ok();
    let bill: Value =
        serde_json::from_slice(&fs::read(scene.at("w/dist/tool.cdx.json")).expect("a file")).expect("JSON");
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["version"], "1.2");

    // The same again, signatures too; a list that was changed is not the signed one.
    scene.run(["release", "--dist", "again"]).ok();
    sh(&scene, &scene.at("w"), "diff -r dist again").ok();
    assert_ne!(
        sh(&scene, &scene.at("w/dist"), &check.replace("< SHA", "< ../unibin.toml # SHA")).code,
        Some(0)
    );
    // A try-out is nobody's, and without the key nothing is begun.
    scene.run(["release", "--snapshot", "--dist", "try"]).ok();
    assert!(!scene.at("w/try/SHA256SUMS.sig").exists());
    scene.run(["verify", "--require-signature", "try/tool"]).refused(5, &[]);
    fs::remove_file(scene.at("w/key")).expect("removed");
    fs::remove_file(scene.at("w/build/runs")).expect("removed");
    scene.run(["release"]).refused(1, &["cannot read `key`"]);
    assert!(!scene.at("w/build/runs").exists());
}
