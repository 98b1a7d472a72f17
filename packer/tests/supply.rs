//! Which emulators are taken: lock files, copies of a store as directory, archive and server, translators of
//! one's own.

mod scene;

use std::fs;
use std::path::{Path, PathBuf};

use scene::server::{Ranges, Server};
use scene::{AARCH64, ET_EXEC, Elf, RISCV64, Run, Scene, X86_64, elf, lock, pack, program, sha256};

/// A program that passes for an emulator on `x86_64`, different for each `contents`.
fn emulator(contents: &[u8]) -> Vec<u8> {
    elf(Elf { class: 2, osabi: 0, machine: X86_64, kind: ET_EXEC, loader: None, needed: &[], contents })
}

/// A scene with a riscv64 app in it, and in its store an emulator for it on `x86_64`.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    add(&scene, b"one");
    scene
}

fn add(scene: &Scene, contents: &[u8]) {
    scene.write("emulator", &emulator(contents));
    scene.run(["emulator", "add", "--target", "riscv64", "--host", "x86_64", "emulator"]).ok();
}

#[test]
fn another_emulator_than_the_locked_one_is_refused_and_the_locked_one_packed() {
    let scene = scene();
    pack(&scene, &["--locked"]).refused(1, &["unibin.lock", "`unibin emulator lock"]);
    lock(&scene).ok();
    let locked = fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file");
    assert!(locked.contains(&sha256(&emulator(b"one")).to_string()), "{locked}");
    let first = pack(&scene, &["--locked"]).ok();
    let bytes = fs::read(scene.at("w/bundle")).expect("a bundle");

    add(&scene, b"two");
    pack(&scene, &["--locked"]).ok();
    assert_eq!(fs::read(scene.at("w/bundle")).expect("a bundle"), bytes, "the store still has its bytes");
    fs::remove_file(blob(&scene.at("store"), b"one")).expect("removed");
    pack(&scene, &[]).refused(1, &["the locked version unknown", "riscv64-on-x86_64"]);
    let given = scene.write("given", &emulator(b"two"));
    let given = format!("x86_64={}", given.display());
    pack(&scene, &["--emulator", &given]).refused(5, &["differs from the locked one", "offered: "]);
    assert_eq!(fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file"), locked);

    add(&scene, b"one");
    let again = pack(&scene, &["--locked"]).ok();
    assert_eq!((again.out, fs::read(scene.at("w/bundle")).expect("a bundle")), (first.out, bytes));
}

#[test]
fn an_older_emulator_than_the_locked_one_is_not_locked_and_the_same_is() {
    let scene = scene();
    // What a user adds is of version `unknown`, which sorts before `v9` and after `9`.
    let text = |version: &str| {
        let text = locked_text(b"zero").replace("\"mine\"", "\"qemu-user\"");
        text.replace("version = \"3\"", &format!("version = \"{version}\""))
    };
    scene.write("unibin.lock", text("v9").as_bytes());
    lock(&scene).refused(
        5,
        &[
            "riscv64-on-x86_64 is locked at version v9, but only the older version unknown is offered",
            "hint: ",
        ],
    );
    assert_eq!(fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file"), text("v9"));
    scene.write("unibin.lock", text("9").as_bytes());
    lock(&scene).ok();
    let locked = fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file");
    assert!(locked.contains(&sha256(&emulator(b"one")).to_string()), "{locked}");
}

#[test]
fn a_pair_that_is_not_locked_is_refused_by_locked_and_added_without() {
    let scene = scene();
    scene.write("other.lock", b"version = 1\n");
    let refused = pack(&scene, &["--lock", "other.lock", "--locked"]);
    refused.refused(
        5,
        &[
            "riscv64-on-x86_64 is not in the lock file",
            "`unibin emulator lock --target riscv64 --hosts x86_64`",
        ],
    );
    assert_eq!(fs::read(scene.at("w/other.lock")).expect("a lock file"), b"version = 1\n");
    pack(&scene, &["--lock", "other.lock"]).ok();
    pack(&scene, &["--lock", "other.lock", "--locked"]).ok();
    pack(&scene, &["--lock", "missing.lock"]).refused(1, &["missing.lock"]);
    scene.write("bad.lock", b"version = 1\nspeed = 3\n");
    pack(&scene, &["--lock", "bad.lock"]).refused(3, &["bad.lock", "speed"]);
    assert!(!scene.at("w/unibin.lock").exists(), "nobody asked for one");
}

#[test]
fn what_is_exported_is_imported_elsewhere_and_a_changed_byte_is_refused() {
    let from = scene();
    for name in ["directory", "all.tar", "all.tar.zst"] {
        let exported = from.run(["emulator", "export", name]).ok();
        assert!(exported.out.starts_with("riscv64-on-x86_64"), "{exported:?}");
        let to = Scene::new();
        to.write("app", &program(RISCV64));
        pack(&to, &["--debian-emulators"]).refused(1, &["network access is disabled"]);
        let copy = from.at("w").join(name).display().to_string();
        let imported = to.run(["emulator", "import", &copy]).ok();
        assert_eq!(imported.out, exported.out, "{name}");
        pack(&to, &[]).ok();
    }
    let path = blob(&from.at("w/directory"), b"one");
    let whole = fs::read(&path).expect("a program");
    let to = Scene::new();
    let directory = from.at("w/directory").display().to_string();
    let mut changed = whole.clone();
    changed[121] ^= 1;
    fs::write(&path, changed).expect("written");
    to.run(["emulator", "import", &directory]).refused(5, &["is damaged", "computed sha256"]);
    fs::write(&path, whole).expect("written");
    to.write("unibin.lock", locked_text(b"two").as_bytes());
    to.run(["emulator", "import", &directory]).refused(5, &["differs from the locked one"]);
    to.write("unibin.lock", locked_text(b"one").as_bytes());
    to.run(["emulator", "import", &directory]).ok();
}

fn blob(root: &Path, contents: &[u8]) -> PathBuf {
    root.join("blobs/sha256").join(sha256(&emulator(contents)).to_string())
}

/// A lock file for the emulator of these contents.
fn locked_text(contents: &[u8]) -> String {
    let program = emulator(contents);
    format!(
        "version = 1\n[[emulator]]\nhost = \"x86_64\"\ntarget = \"riscv64\"\ntranslator = \"mine\"\nversion = \"3\"\n\
         licence = \"NOASSERTION\"\nsize = {}\nsha256 = \"{}\"\nsource = {{ name = \"\", version = \"\", \
         built-using = \"\" }}\n",
        program.len(),
        sha256(&program)
    )
}

#[test]
fn a_server_gives_what_is_locked_and_nothing_else() {
    let from = scene();
    from.run(["emulator", "export", "directory"]).ok();
    let url = Server::files(from.at("w/directory"), Ranges::Ignored).url();
    let to = Scene::new();
    to.write("app", &program(RISCV64));
    fs::create_dir(to.at("mirror")).expect("a directory");
    let mirror = to.at("mirror").display().to_string();
    let pack = || {
        let pack = ["pack", "app", "--hosts", "x86_64", "-o", "bundle", "--debian-emulators"];
        to.run(pack.into_iter().chain(["--mirror", &mirror, "--emulators", &url]))
    };
    // Nothing vouches for what a server says.
    pack().refused(1, &["neither locked nor pinned", "could not be fetched"]);
    to.write("unibin.lock", locked_text(b"two").as_bytes());
    pack().refused(5, &["differs from the locked one", "offered: "]);
    to.write("unibin.lock", locked_text(b"one").as_bytes());
    let path = blob(&from.at("w/directory"), b"one");
    let whole = fs::read(&path).expect("a program");
    let mut changed = whole.clone();
    changed[121] ^= 1;
    fs::write(&path, changed).expect("written");
    pack().refused(5, &["is not the file that was expected"]);
    assert!(!to.at("w/bundle").exists(), "nothing was packed");
    fs::write(&path, whole).expect("written");
    pack().ok();
    let offline = ["pack", "app", "--hosts", "x86_64", "--offline", "--locked", "-o", "again"];
    to.run(offline).ok();
    assert_eq!(fs::read(to.at("w/bundle")).expect("one"), fs::read(to.at("w/again")).expect("two"));
    // What the lock file alone vouches for is nothing without it.
    fs::remove_file(to.at("w/unibin.lock")).expect("removed");
    self::pack(&to, &["--debian-emulators"]).refused(1, &["network access is disabled"]);
}

#[test]
fn a_directory_serves_as_its_owner_says_without_any_connection() {
    let from = scene();
    from.run(["emulator", "export", "directory with space"]).ok();
    let to = Scene::new();
    to.write("app", &program(RISCV64));
    let directory = from.at("w/directory with space").display().to_string();
    pack(&to, &["--debian-emulators", "--emulators", "/nowhere"]).refused(1, &["network access is disabled"]);
    pack(&to, &["--emulators", &directory]).ok();
}

#[test]
fn own_translators_come_first_in_their_order_and_the_catalogues_last() {
    let scene = scene();
    scene.write("fast", &emulator(b"fast"));
    scene.write("slow", &emulator(b"slow"));
    let row = |name: &str, more: &str| {
        format!(
            "[[translator]]\nhost = \"x86_64\"\ntarget = \"riscv64\"\nname = \"{name}\"\nversion = \"1\"\n\
             program = \"{name}\"\n{more}\n"
        )
    };
    let probe = "probe = [\"--version\"]\narguments = [\"--run\", \"{program}\", \"{arguments}\"]\nset = { A = \"b\" }";
    scene.write("emulators.toml", (row("fast", probe) + &row("slow", "probe = [\"-v\"]")).as_bytes());
    pack(&scene, &["--translators", "emulators.toml"]).ok();
    let shown = scene.run(["inspect", "--json", "bundle"]).ok().out;
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("`{text}` is missing in {shown}"));
    let order = [at("\"name\": \"fast\""), at("\"name\": \"slow\""), at("\"name\": \"qemu-user\"")];
    assert!(order.is_sorted(), "{shown}");
    for rule in ["argument --run", "probe --version", "set A b"] {
        at(rule);
    }
    // All of a host's are in one frame.
    let lines = scene.run(["inspect", "bundle"]).ok().out;
    assert_eq!(lines.matches("blob      emulator ").count(), 1, "{lines}");
    scene.run(["verify", "bundle"]).ok();
    scene.run(["extract", "--emulators", "bundle", "out"]).ok();
    let members = scene::names(&scene.at("w/out/emulators/x86_64"));
    assert_eq!(members.len(), 3, "{members:?}");
    assert_eq!(
        fs::read(scene.at("w/out/emulators/x86_64").join(&members[0])).expect("a program"),
        emulator(b"fast")
    );
    scene.write("fast", &program(AARCH64));
    pack(&scene, &["--translators", "emulators.toml"]).refused(3, &["fast", "not for x86_64"]);
    let digest = format!("sha256 = \"{}\"", sha256(&emulator(b"fast")));
    scene.write("emulators.toml", row("fast", &digest).as_bytes());
    scene.write("fast", &emulator(b"slow"));
    pack(&scene, &["--translators", "emulators.toml"])
        .refused(5, &["does not match the digest in `emulators.toml`"]);
    scene.write("fast", &emulator(b"fast"));
    pack(&scene, &["--translators", "emulators.toml"]).ok();
    scene.write("emulators.toml", b"catalogue = perhaps\n");
    pack(&scene, &["--translators", "emulators.toml"]).refused(3, &["emulators.toml"]);
}

#[test]
fn locked_refuses_own_translators_that_nobody_locked_and_takes_those_that_are() {
    let scene = scene();
    scene.write("fast", &emulator(b"fast"));
    let row = |digest: &str| {
        format!(
            "[[translator]]\nhost = \"x86_64\"\ntarget = \"riscv64\"\nname = \"fast\"\nversion = \"1\"\n\
             program = \"{}\"\n{digest}\n",
            scene.at("w/fast").display()
        )
    };
    let pinned = row(&format!("sha256 = \"{}\"", sha256(&emulator(b"fast"))));
    let config = scene.at("config/unibin/emulators.toml");
    fs::create_dir_all(config.parent().expect("a directory")).expect("a directory");
    let pack = |more: &[&str]| {
        let pack = ["pack", "app", "--offline", "--hosts", "x86_64", "-o", "bundle"];
        let mut command = scene.unibin();
        command.env("XDG_CONFIG_HOME", scene.at("config")).args(pack).args(more);
        Run::of(&command.output().expect("unibin starts"))
    };
    let refused = [
        "`fast` for riscv64-on-x86_64 is neither in the lock file nor pinned",
        "`--translators`",
        "`sha256`",
    ];
    lock(&scene).ok();

    // The user's own file, found without being named: what it pins is not what the project has locked.
    fs::write(&config, row("")).expect("written");
    pack(&["--locked"]).refused(5, &refused);
    pack(&[]).ok();
    fs::write(&config, &pinned).expect("written");
    pack(&["--locked"]).refused(5, &refused);
    scene.write("named.toml", row("").as_bytes());
    pack(&["--locked", "--translators", "named.toml"]).refused(5, &refused);
    scene.write("named.toml", pinned.as_bytes());
    pack(&["--locked", "--translators", "named.toml"]).ok();
    // Each that is tried counts, not the first alone.
    let probed = pinned.replace("\"fast\"\nversion", "\"first\"\nversion") + "probe = [\"-v\"]\n";
    scene.write("named.toml", (probed + &row("")).as_bytes());
    pack(&["--locked", "--translators", "named.toml"]).refused(5, &refused);

    scene.write("unibin.lock", locked_text(b"other").as_bytes());
    pack(&["--locked"]).refused(5, &refused);
    scene.write("unibin.lock", locked_text(b"fast").as_bytes());
    pack(&["--locked"]).ok();
    let shown = scene.run(["inspect", "bundle"]).ok().out;
    assert!(shown.contains("fast 1"), "{shown}");
}

#[test]
fn the_emulator_alone_is_packed_as_an_app_of_each_host() {
    let scene = scene();
    let only = ["pack", "--emulator-only", "--offline", "--hosts", "x86_64"];
    scene.run(only).refused(2, &["--target"]);
    scene.run(only.iter().chain(&["--target", "riscv64", "app"])).refused(2, &["cannot be used with"]);
    scene.run(only.iter().chain(&["--target", "hexagon"])).refused(1, &["network access is disabled"]);
    let packed = scene.run(only.iter().chain(&["--target", "riscv64"])).ok();
    assert!(packed.out.contains("qemu-riscv64"), "{packed:?}");
    let shown = scene.run(["inspect", "qemu-riscv64"]).ok().out;
    assert!(shown.contains("native") && shown.contains("notices"), "{shown}");
    scene.run(["extract", "qemu-riscv64", "out"]).ok();
    assert_eq!(fs::read(scene.at("w/out/qemu-riscv64")).expect("a program"), emulator(b"one"));
}
