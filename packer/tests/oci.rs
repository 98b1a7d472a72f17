//! Container images out of a bundle: one name for all hosts, the app's tree once for all that emulate it, the
//! same digests for the same bundle, and nothing out of what is damaged.

mod scene;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bundle::{Footer, Manifest};
use scene::{RISCV64, Scene, X86_64, program, sha256};
use serde_json::Value;

const PACK: &str = "pack tree --target riscv64 --entry app=bin/app --entry other=bin/other \
                    --hosts x86_64,aarch64,riscv64 --emulator x86_64=emulator-x --emulator aarch64=emulator-a \
                    --env GREETING=hello --env HERE={tree}/etc --arg --config={tree}/etc/app.conf -o all";

/// A tree with two programs and their data, and emulators of riscv64 programs for two hosts.
fn scene() -> Scene {
    let scene = Scene::new();
    for directory in ["tree", "tree/bin", "tree/etc"] {
        fs::create_dir(scene.at("w").join(directory)).expect("a directory");
    }
    let app = scene.write("tree/bin/app", &program(RISCV64));
    let other = scene.write("tree/bin/other", &[&program(RISCV64)[..], b"another"].concat());
    for path in [app, other] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    scene.write("tree/etc/app.conf", b"configured\n");
    scene.write("app-x86_64", &program(X86_64));
    scene.write_emulators();
    scene
}

impl Scene {
    fn unibin_ok(&self, words: &str) -> String {
        self.run(words.split_whitespace()).ok().out
    }
}

/// An OCI layout, read without what wrote it: each blob is what its name says.
struct Layout(std::path::PathBuf);

impl Layout {
    fn of(scene: &Scene, name: &str) -> Self {
        let layout = Self(scene.at("w").join(name));
        for name in scene::names(&layout.0.join("blobs/sha256")) {
            assert_eq!(sha256(&layout.bytes(&name)).to_string(), name);
        }
        layout
    }

    fn bytes(&self, digest: &str) -> Vec<u8> {
        let name = digest.strip_prefix("sha256:").unwrap_or(digest);
        fs::read(self.0.join("blobs/sha256").join(name)).expect("a blob")
    }

    fn json(&self, descriptor: &Value) -> Value {
        let bytes = self.bytes(descriptor["digest"].as_str().expect("a digest"));
        assert_eq!(descriptor["size"], bytes.len());
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn root(&self) -> Value {
        let text = fs::read(self.0.join("index.json")).expect("an index");
        serde_json::from_slice::<Value>(&text).expect("JSON")["manifests"][0].clone()
    }

    /// Manifest and configuration of each platform.
    fn images(&self) -> BTreeMap<String, (Value, Value)> {
        let index = self.json(&self.root());
        let images = index["manifests"].as_array().expect("a list").iter().map(|row| {
            let platform = &row["platform"];
            assert_eq!(platform["os"], "linux");
            let [name, variant] =
                ["architecture", "variant"].map(|key| platform[key].as_str().unwrap_or_default());
            let manifest = self.json(row);
            let config = self.json(&manifest["config"]);
            assert_eq!(
                (&config["architecture"], &config["os"]),
                (&platform["architecture"], &platform["os"])
            );
            (format!("{name}{variant}"), (manifest, config))
        });
        images.collect()
    }

    /// What lies in all layers of an image, the upper ones over the lower: modes, owners, contents.
    fn files(&self, (manifest, config): &(Value, Value)) -> BTreeMap<String, (u32, u64, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let layers = manifest["layers"].as_array().expect("a list");
        let unpacked = config["rootfs"]["diff_ids"].as_array().expect("a list");
        assert_eq!(layers.len(), unpacked.len());
        for (layer, unpacked) in layers.iter().zip(unpacked) {
            assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
            let stored = self.bytes(layer["digest"].as_str().expect("a digest"));
            let mut tar = Vec::new();
            flate2::read::GzDecoder::new(&stored[..]).read_to_end(&mut tar).expect("gzip");
            assert_eq!(format!("sha256:{}", sha256(&tar)), unpacked.as_str().expect("a digest"));
            for entry in tar::Archive::new(&tar[..]).entries().expect("a tar") {
                let mut entry = entry.expect("an entry");
                let header = entry.header();
                assert_eq!(header.mtime().expect("a number"), 0);
                let (mode, uid) = (header.mode().expect("a number"), header.uid().expect("a number"));
                let path = entry.path().expect("a path").display().to_string();
                let mut content =
                    entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
                entry.read_to_end(&mut content).expect("its bytes");
                files.insert(path, (mode, uid, content));
            }
        }
        files
    }
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned));
    words.map(Iterator::collect).unwrap_or_default()
}

#[test]
fn one_index_runs_one_tree_on_every_host() {
    let scene = scene();
    scene.unibin_ok(PACK);
    let told = scene.unibin_ok("oci all -o image");
    assert!(
        told.contains("linux/amd64") && told.contains("riscv64 by ") && told.contains("native"),
        "{told}"
    );
    assert!(told.contains("note: on linux/amd64, linux/arm64 the app cannot start programs"), "{told}");
    let layout = Layout::of(&scene, "image");
    assert_eq!(layout.root()["annotations"]["org.opencontainers.image.ref.name"], "latest");
    let images = layout.images();
    assert_eq!(images.keys().collect::<Vec<_>>(), ["amd64", "arm64", "riscv64"]);

    let layers = |name: &str| {
        words(&Value::Array(
            images[name].0["layers"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|row| row["digest"].clone())
                .collect(),
        ))
    };
    let [amd, arm, native] = ["amd64", "arm64", "riscv64"].map(layers);
    assert_eq!((amd.len(), arm.len(), native.len()), (4, 4, 3));
    assert!(amd[..2] == native[..2] && arm[..2] == native[..2], "accounts and tree are the same everywhere");
    assert_ne!(amd[2], arm[2], "each host has its emulator");

    let start = |name: &str| &images[name].1["config"];
    let app = ["/opt/tree/bin/app", "--config=/etc/app.conf"];
    assert_eq!(words(&start("riscv64")["Entrypoint"]), app, "natively the program itself");
    let emulated = ["/.unibin/as/app", "-L", "/", "-0", "/opt/tree/bin/app"];
    assert_eq!(words(&start("amd64")["Entrypoint"]), [&emulated[..], &app[..]].concat());
    for (name, host) in [("amd64", "x86_64"), ("arm64", "aarch64"), ("riscv64", "riscv64")] {
        let env = words(&start(name)["Env"]);
        for variable in [
            "GREETING=hello",
            "HERE=/etc",
            "PATH=/opt/tree/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "UNIBIN_TARGET=riscv64",
            &format!("UNIBIN_HOST={host}"),
        ] {
            assert!(env.iter().any(|other| other == variable), "{variable}: {env:?}");
        }
        assert_eq!(start(name)["User"], "65532:65532");
        assert_eq!(images[name].1["created"], "1970-01-01T00:00:00Z");
    }

    let files = layout.files(&images["amd64"]);
    let content = |path: &str| &files[path].2;
    assert!(*content("opt/tree/bin/app") == program(RISCV64) && files["opt/tree/bin/app"].0 == 0o755);
    assert!(content("etc/passwd").starts_with(b"root:x:0:0:"));
    assert_eq!(content(".unibin/as/app"), b"../qemu-riscv64");
    assert_eq!(content(".unibin/as/other"), b"../qemu-riscv64");
    assert!(*content(".unibin/qemu-riscv64") == fs::read(scene.at("w/emulator-x")).expect("a file"));
    assert_eq!((files["tmp"].0, files["home/nonroot"].0, files["home/nonroot"].1), (0o1777, 0o700, 65532));
    assert!(!files.contains_key(".unibin-view"), "nothing lies over a root");
    let texts = |name: &str| {
        let exec = layout.files(&images[name])[".unibin/exec"].2.clone();
        String::from_utf8_lossy(&exec)
            .split('\0')
            .filter(|text| text.is_ascii())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(
        texts("amd64").ends_with(&["/.unibin/qemu-riscv64", "-L", "/", ""].map(str::to_owned)),
        "its call"
    );
    assert!(!texts("riscv64").iter().any(|text| text.contains('/')), "nothing, natively");
    assert!(content(".unibin/notices/emulator.txt").starts_with(b"licence: "));
    assert!(layout.files(&images["riscv64"]).keys().all(|path| !path.contains("qemu")));
}

#[test]
fn the_same_bundle_gives_the_same_digests_at_any_time_and_place() {
    let scene = scene();
    scene.unibin_ok(PACK);
    let digest = |run: scene::Run| run.ok().out.lines().last().expect("a line").trim().to_owned();
    let first = digest(scene.run(["oci", "all", "-o", "one"]));
    fs::rename(scene.at("w/all"), scene.at("w/renamed")).expect("renamed");
    let mut again = scene.unibin();
    again.args(["oci", "renamed", "-o", "two"]).env("TZ", "Asia/Tokyo").env("LC_ALL", "tr_TR.UTF-8");
    assert_eq!(digest(scene::Run::of(&again.output().expect("unibin starts"))), first);
    let [one, two] = ["one", "two"].map(|name| scene::names(&scene.at("w").join(name).join("blobs/sha256")));
    assert_eq!(one, two);

    // An archive has the same parts. That of one host is one of `docker save` too.
    scene.unibin_ok("oci renamed -o all.tar");
    scene.unibin_ok("oci renamed -o all2.tar");
    let [all, again] =
        ["all.tar", "all2.tar"].map(|name| fs::read(scene.at("w").join(name)).expect("a file"));
    assert!(all == again);
    let names = |bytes: &[u8]| {
        let mut tar = tar::Archive::new(bytes);
        let names = tar
            .entries()
            .expect("a tar")
            .map(|entry| entry.expect("an entry").path().expect("a path").display().to_string());
        names.collect::<Vec<_>>()
    };
    assert!(one.iter().all(|digest| names(&all).contains(&format!("blobs/sha256/{digest}"))));
    assert!(!names(&all).contains(&"manifest.json".to_owned()), "it would have to leave out the other hosts");
    scene.unibin_ok("oci renamed -o one.tar --hosts x86_64 --tag example.org/team/app:1");
    let bytes = fs::read(scene.at("w/one.tar")).expect("a file");
    assert!(names(&bytes).contains(&"manifest.json".to_owned()));

    let mut later = scene.unibin();
    later.args(["oci", "renamed", "-o", "later"]).env("SOURCE_DATE_EPOCH", "951782400");
    assert_ne!(digest(scene::Run::of(&later.output().expect("unibin starts"))), first);
    let later = Layout::of(&scene, "later");
    assert_eq!(later.images()["amd64"].1["created"], "2000-02-29T00:00:00Z");
}

#[test]
fn an_image_is_what_was_asked_for() {
    let scene = scene();
    scene.unibin_ok(PACK);
    scene.unibin_ok(
        "oci all -o image --hosts aarch64 --entry other --user 0 --tag 1.2 --annotation org.opencontainers.image.version=1.2",
    );
    let layout = Layout::of(&scene, "image");
    assert_eq!(layout.root()["annotations"]["org.opencontainers.image.ref.name"], "1.2");
    let images = layout.images();
    assert_eq!(images.keys().collect::<Vec<_>>(), ["arm64"]);
    let (manifest, config) = &images["arm64"];
    assert_eq!(config["config"]["User"], "0");
    assert_eq!(words(&config["config"]["Entrypoint"])[0], "/.unibin/as/other");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.2");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "other");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "1.2");
}

#[test]
fn a_native_build_has_its_own_tree_and_a_level_its_own_image() {
    let scene = scene();
    scene.write("app", &program(RISCV64));
    let mut other = program(X86_64);
    other.extend_from_slice(b"for newer processors");
    scene.write("app-v3", &other);
    scene.unibin_ok(
        "pack app --hosts x86_64,aarch64,riscv64 --emulator aarch64=emulator-a --native x86_64=app-x86_64 \
         --native x86_64-v3=app-v3 --emulator x86_64=emulator-x -o all",
    );
    scene.unibin_ok("oci all -o image");
    let layout = Layout::of(&scene, "image");
    let images = layout.images();
    assert_eq!(images.keys().collect::<Vec<_>>(), ["amd64", "amd64v3", "arm64", "riscv64"]);
    let index = layout.json(&layout.root());
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    assert_eq!(index["manifests"][0]["platform"]["variant"], Value::Null, "the baseline comes first");
    let app = |name: &str| {
        let entrypoint = words(&images[name].1["config"]["Entrypoint"]);
        let path = entrypoint.last().expect("a word").trim_start_matches('/');
        layout.files(&images[name])[path].2.clone()
    };
    assert!(app("amd64") == program(X86_64) && app("amd64v3") == other && app("arm64") == program(RISCV64));
    assert_eq!(words(&images["amd64"].1["config"]["Entrypoint"]), ["/app-x86_64"]);
    assert_eq!(words(&images["arm64"].1["config"]["Entrypoint"])[..3], ["/.unibin/as/app", "-0", "/app"]);
}

#[test]
fn what_cannot_be_right_is_refused_and_nothing_is_written() {
    let scene = scene();
    scene.unibin_ok(PACK);
    let refused = |words: &str, code, texts: &[&str]| {
        scene.run(words.split_whitespace()).refused(code, texts);
        assert!(!scene.at("w/out").exists() && !scene.at("w/out.tar").exists(), "{words}");
    };
    refused("oci all -o out --hosts s390x", 4, &["does not run on s390x", "x86_64, aarch64, riscv64"]);
    refused("oci all -o out --entry nope", 3, &["no entry `nope` for riscv64", "app, other"]);
    refused("oci all -o out.tar --push host/name", 3, &["does not begin with `docker://`"]);
    scene.run(["oci", "all"]).refused(2, &["--output", "--push"]);
    scene.run(["oci", "all", "-o", "out", "--tag", "a b"]).refused(2, &["letters, digits"]);

    let file = fs::File::options().read(true).write(true).open(scene.at("w/all")).expect("a file");
    let at = place_of_app(&scene.at("w/all"));
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
    refused("oci all -o out", 5, &["digest", "app riscv64"]);
    file.write_all_at(&byte, at).expect("written");
    scene.unibin_ok("oci all -o out");
    scene.run(["oci", "all", "-o", "out"]).refused(1, &["cannot write `out`", "does not exist yet"]);

    // The place of the emulator.
    scene.write("file", b"x");
    scene.unibin_ok(&format!("{PACK} --add file:/.unibin/file"));
    scene.run(["oci", "all", "-o", "out2"]).refused(3, &["has files in `/.unibin`"]);
}

fn place_of_app(path: &Path) -> u64 {
    let bytes = fs::read(path).expect("a file");
    let footer = Footer::read(&bytes.as_slice()).expect("a footer");
    let start = usize::try_from(footer.manifest_offset).expect("small");
    let end = start + usize::try_from(footer.manifest_length).expect("small");
    let manifest = Manifest::decode(&bytes[start..end], footer.manifest_offset).expect("a manifest");
    manifest.variants().next().expect("a variant").app.offset() + 20
}
