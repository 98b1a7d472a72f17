//! Container images: every blob against its digest, the platform that was asked for, archives and registries
//! alike. What layers make of each other is tested beside the code that applies them.

mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use end_to_end::{file, link, raw_tar};
use scene::image::{self, Image};
use scene::registry::{Manner, registry};
use scene::server::{Server, nobody};
use scene::{AARCH64, Run, Scene, X86_64, program};

/// What every image here is started by.
const CONFIG: &str =
    r#"{"Entrypoint":["/app"],"Cmd":["serve"],"Env":["A=b"],"User":"7:8","WorkingDir":"/srv"}"#;

/// An image of two layers for an architecture.
fn image(architecture: &str, machine: u16) -> Image {
    let lower = raw_tar(&[file("app", 0o755, &program(machine)), file("gone", 0o644, b"x")]);
    let upper = raw_tar(&[file(".wh.gone", 0o644, b""), file("data", 0o600, architecture.as_bytes())]);
    Image::new(architecture, CONFIG, &[lower, upper])
}

fn both() -> Vec<Image> {
    vec![image("amd64", X86_64), image("arm64", AARCH64)]
}

fn blobs(images: &[Image]) -> Vec<image::Blob> {
    images.iter().flat_map(Image::blobs).collect()
}

/// Packs `reference` for two hosts into `out`.
fn pack(scene: &Scene, reference: &str, platforms: &str) -> Run {
    let args =
        ["pack", "--oci", reference, "--hosts", "x86_64,aarch64", "--level", "1", "-o", "out", "--platform"];
    scene.run(args.into_iter().chain([platforms]))
}

/// The bundle that was written.
fn packed(scene: &Scene) -> Vec<u8> {
    fs::read(scene.at("w/out")).expect("a bundle")
}

/// Nothing was written, not even in part.
#[track_caller]
fn nothing(scene: &Scene) {
    assert!(!scene.names().iter().any(|name| name == "out" || name.starts_with('.')), "{:?}", scene.names());
}

const TWO: &str = "linux/amd64,linux/arm64";

#[test]
fn one_flipped_byte_of_any_blob_is_refused_and_the_right_one_is_packed() {
    let scene = Scene::new();
    let images = both();
    let index = image::index(&images);
    let files = image::layout(&[(&index, "")], &blobs(&images));
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        let mut damaged = files.clone();
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        damaged.insert(name.clone(), flipped);
        let _ = fs::remove_dir_all(scene.at("w/layout"));
        image::write(&scene.at("w/layout"), &damaged);
        pack(&scene, "layout", TWO).refused(5, &["`layout` is damaged", &name[13..], "hint: "]);
        nothing(&scene);
        // So it is where one byte is missing.
        damaged.insert(name.clone(), bytes[1..].to_vec());
        image::write(&scene.at("w/layout"), &damaged);
        pack(&scene, "layout", TWO).refused(5, &["bytes, not"]);
    }
    image::write(&scene.at("w/layout"), &files);
    pack(&scene, "layout", TWO).ok();
    scene.run(["verify", "out"]).ok();
}

#[test]
fn each_platform_is_a_variant_that_runs_natively_where_it_can() {
    let scene = Scene::new();
    let images = both();
    let index = image::index(&images);
    image::write(&scene.at("w/layout"), &image::layout(&[(&index, "")], &blobs(&images)));
    let report = pack(&scene, "layout", TWO).ok().out;
    for row in ["x86_64 image", "entry app", "native aarch64", "host  x86_64", "host  aarch64"] {
        assert!(report.contains(row), "`{row}`: {report}");
    }
    assert!(!report.contains("qemu"), "no emulator is needed: {report}");
    let inspected = scene.run(["inspect", "out", "--json"]).ok().out;
    for rule in ["root image", "keep TERM", "set A b", "user 7:8", "directory /srv", "default-argument serve"]
    {
        assert_eq!(inspected.matches(&format!("\"{rule}\"")).count(), 2, "{rule}: {inspected}");
    }
    scene.run(["extract", "out", "tree", "--all"]).ok();
    for (target, text) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let tree = scene.at("w/tree").join(format!("app-{target}"));
        assert_eq!(scene::names(&tree), ["app", "data"]);
        assert_eq!(fs::read_to_string(tree.join("data")).ok().as_deref(), Some(text));
    }
}

#[test]
fn a_platform_that_is_not_there_is_refused_with_those_that_are() {
    let scene = Scene::new();
    let images = both();
    let index = image::index(&images);
    image::write(&scene.at("w/layout"), &image::layout(&[(&index, "")], &blobs(&images)));
    let has = "it has linux/amd64, linux/arm64";
    pack(&scene, "layout", "linux/riscv64").refused(3, &["no image for linux/riscv64", has, "--platform"]);
    pack(&scene, "layout", "linux/amd64,linux/s390x").refused(3, &["linux/s390x", has]);
    // A program for another CPU than the image says.
    let wrong = image("arm64", X86_64);
    image::write(&scene.at("w/wrong"), &image::layout(&[(&wrong.manifest, "")], &wrong.blobs()));
    pack(&scene, "wrong", "linux/arm64").refused(3, &["x86_64", "aarch64"]);
    scene.run(["pack", "--oci", "layout", "--platform", "windows/amd64"]).refused(2, &["linux/arm64"]);
    nothing(&scene);
}

#[test]
fn an_image_is_the_same_bundle_whatever_it_lies_in() {
    let scene = Scene::new();
    let images = both();
    let index = image::index(&images);
    let name = |name: &str| format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
    let plain = image::layout(&[(&index, "")], &blobs(&images));
    image::write(&scene.at("w/layout"), &plain);
    pack(&scene, "layout", "linux/arm64").ok();
    let expected = packed(&scene);
    let same = |reference: &str| {
        fs::remove_file(scene.at("w/out")).expect("there");
        pack(&scene, reference, "linux/arm64").ok();
        assert_eq!(packed(&scene), expected, "{reference}");
    };
    same("layout");
    scene.write("layout.tar", &image::archive(&plain));
    same("layout.tar");
    // An index in an index, and names.
    let nested = image::index(&images);
    let outer = image::Blob {
        media_type: image::INDEX,
        bytes: format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, nested.descriptor("")).into_bytes(),
    };
    let all: Vec<_> = blobs(&images).into_iter().chain([nested]).collect();
    let other = image("amd64", X86_64);
    let named =
        image::layout(&[(&outer, &name("docker.io/team/app:1")), (&other.manifest, &name("2"))], &all);
    image::write(&scene.at("w/named"), &named);
    fs::write(scene.at("w/out"), b"").expect("written");
    pack(&scene, "named", "linux/arm64").refused(3, &["several images", "2, docker.io/team/app:1"]);
    pack(&scene, "named:3", "linux/arm64").refused(3, &["no image `3`"]);
    same("named:1");
    // As `docker save` has it: once with a link that `skopeo` makes, once the new way.
    let [config, layers] =
        [&images[1].config, &images[1].layers[0]].map(|blob| blob.digest().replace("sha256:", ""));
    let manifest = format!(
        r#"[{{"Config":"{config}.json","RepoTags":["team/app:1"],"Layers":["one/layer.tar","two.tar"]}}]"#
    );
    let saved = |first: Vec<u8>| {
        raw_tar(&[
            file(&format!("{layers}.tar"), 0o644, &images[1].layers[0].bytes),
            first,
            file("two.tar", 0o644, &images[1].layers[1].bytes),
            file(&format!("{config}.json"), 0o644, &images[1].config.bytes),
            file("manifest.json", 0o644, manifest.as_bytes()),
        ])
    };
    scene.write("saved.tar", &saved(link(b'2', "one/layer.tar", &format!("../{layers}.tar"))));
    same("saved.tar");
    same("saved.tar:1");
    scene.write("plain.tar", &saved(file("one/layer.tar", 0o644, &images[1].layers[0].bytes)));
    same("plain.tar");
    let mut flipped = images[1].layers[0].bytes.clone();
    flipped[600] ^= 1;
    scene.write("bad.tar", &saved(file("one/layer.tar", 0o644, &flipped)));
    pack(&scene, "bad.tar", "linux/arm64").refused(5, &["one/layer.tar"]);
    scene.write("out-of.tar", &saved(link(b'2', "one/layer.tar", "../../../etc/passwd")));
    pack(&scene, "out-of.tar", "linux/arm64").refused(3, &["no file `one/layer.tar`"]);
}

/// An image of both platforms in a registry.
fn pulled(manner: Manner) -> (Scene, Server, Vec<u8>) {
    let scene = Scene::new();
    let images = both();
    let index = image::index(&images);
    image::write(&scene.at("w/layout"), &image::layout(&[(&index, "")], &blobs(&images)));
    pack(&scene, "layout", TWO).ok();
    let expected = packed(&scene);
    fs::remove_file(scene.at("w/out")).expect("there");
    (scene, registry(&[("1", &index)], &images, manner), expected)
}

fn reference(server: &Server) -> String {
    format!("docker://{}/team/app:1", server.address)
}

#[test]
fn a_registry_that_wants_a_token_gets_it_once_and_servers_of_blobs_do_not() {
    let images = both();
    let index = image::index(&images);
    let cdn = registry(&[("1", &index)], &images, Manner::default());
    let (scene, server, expected) =
        pulled(Manner { token: true, blobs_at: Some(cdn.address), ..Manner::default() });
    pack(&scene, &reference(&server), TWO).ok();
    assert_eq!(packed(&scene), expected);
    let asked = server.asked();
    let tokens: Vec<_> = asked.iter().filter(|line| line.contains("/token")).collect();
    assert_eq!(tokens, [&"GET /token?service=it&scope=repository%3Ateam%2Fapp%3Apull".to_owned()]);
    let with = asked.iter().filter(|line| line.ends_with("Bearer the.token")).count();
    assert_eq!(with, asked.len() - 2, "all but the first and the token's: {asked:?}");
    let asked = cdn.asked();
    assert_eq!(asked.len(), 6, "two configurations and four layers: {asked:?}");
    assert!(asked.iter().all(|line| !line.contains("Bearer")), "{asked:?}");
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_stopped_and_failures_that_pass_are_waited_for() {
    let (scene, server, expected) = pulled(Manner { failing: 2, cut: 2, ..Manner::default() });
    pack(&scene, &reference(&server), TWO).ok();
    assert_eq!(packed(&scene), expected);
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|line| line.contains("bytes=")).count(), 2, "{asked:?}");
    // Whoever does not know ranges sends all of it.
    let (scene, server, expected) = pulled(Manner { cut: 1, ignores_ranges: true, ..Manner::default() });
    pack(&scene, &reference(&server), TWO).ok();
    assert_eq!(packed(&scene), expected);
    assert!(server.asked().iter().any(|line| line.contains("bytes=")));
}

#[test]
fn what_a_registry_sends_is_compared_with_its_digest() {
    let images = both();
    let index = image::index(&images);
    let mut wrong = images.clone();
    // What the index names is what is asked for, and something else comes.
    wrong[0].layers[1].bytes[700] ^= 1;
    let scene = Scene::new();
    let server = registry_with(&images, &wrong, &index);
    pack(&scene, &reference(&server), "linux/amd64")
        .refused(5, &["is damaged", &images[0].layers[1].digest()]);
    nothing(&scene);
    pack(&scene, &reference(&server), "linux/arm64").ok();
    let by_digest = format!("docker://{}/team/app@{}", server.address, images[0].manifest.digest());
    pack(&scene, &by_digest, "linux/arm64").refused(3, &["it has linux/amd64"]);
    let none = format!("docker://{}/team/app@sha256:{}", server.address, "0".repeat(64));
    pack(&scene, &none, "linux/arm64").refused(3, &["there is no image"]);
}

/// A registry that sends the blobs of `wrong` under the digests of `right`.
fn registry_with(right: &[Image], wrong: &[Image], index: &image::Blob) -> Server {
    let files = scene::registry::files(&[("1", index)], right);
    let mut sent = files.clone();
    for (right, wrong) in right.iter().zip(wrong) {
        for (right, wrong) in right.blobs().iter().zip(wrong.blobs()) {
            let name = format!("/v2/team/app/blobs/{}", right.digest());
            sent.insert(name, ("application/octet-stream".to_owned(), wrong.bytes));
        }
    }
    scene::registry::serving(sent, Manner::default())
}

#[test]
fn credentials_are_those_of_docker_login_or_of_a_helper_and_go_to_their_registry_alone() {
    // `user:secret`.
    const LOGIN: &str = "dXNlcjpzZWNyZXQ=";
    for token in [true, false] {
        let (scene, server, expected) = pulled(Manner { token, login: Some(LOGIN), ..Manner::default() });
        let with = |config: String| {
            let directory = scene.at("docker");
            fs::create_dir_all(&directory).expect("a directory");
            fs::write(directory.join("config.json"), config).expect("written");
            let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
            let reference = reference(&server);
            let args =
                ["pack", "--oci", &reference, "--hosts", "x86_64,aarch64", "--level", "1", "-o", "out"];
            let mut unibin = scene.unibin();
            unibin.args(args).args(["--platform", TWO]).env("DOCKER_CONFIG", &directory).env("PATH", path);
            unibin.env_remove("REGISTRY_AUTH_FILE").env_remove("XDG_RUNTIME_DIR");
            Run::of(&unibin.output().expect("unibin starts"))
        };
        let server_is = server.address.to_string();
        with("{}".to_owned()).refused(1, &["refuses to give", "docker login"]);
        let other = format!(r#"{{"auths":{{"{}":{{"auth":"{LOGIN}"}}}}}}"#, nobody());
        with(other).refused(1, &["refuses to give"]);
        assert!(server.asked().iter().all(|line| !line.contains("Basic")), "another registry's are not sent");
        let wrong = format!(r#"{{"auths":{{"{server_is}":{{"auth":"dXNlcjp4"}}}}}}"#);
        let refused = with(wrong).refused(1, &["to the user that you are logged in as"]);
        assert!(!refused.err.contains("dXNlcjp4"), "{refused:?}");
        with(format!(r#"{{"auths":{{"{server_is}":{{"auth":"{LOGIN}"}}}}}}"#)).ok();
        assert_eq!(packed(&scene), expected);
        // The same from a helper, which is asked for this registry.
        let helper = scene.at("docker").join("docker-credential-here");
        let script = format!(
            "#!/bin/sh\n[ \"$1 $(cat)\" = 'get {server_is}' ] || {{ echo credentials not found; exit 1; }}\n\
             echo '{{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"secret\"}}'\n"
        );
        fs::write(&helper, script).expect("written");
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::remove_file(scene.at("w/out")).expect("there");
        with(format!(r#"{{"credHelpers":{{"{server_is}":"here"}}}}"#)).ok();
        assert_eq!(packed(&scene), expected);
        with(r#"{"credsStore":"here"}"#.to_owned()).ok();
        with(r#"{"credsStore":"nowhere"}"#.to_owned()).refused(1, &["docker-credential-nowhere"]);
        with("{".to_owned()).refused(1, &["credentials", "config.json"]);
    }
}

#[test]
fn names_that_are_none_and_registries_that_are_not_there_are_told() {
    let scene = Scene::new();
    for (reference, code, text) in [
        ("docker://UPPER", 3, "lower-case"),
        ("docker://a/b:c:d", 3, "lower-case"),
        ("https://localhost/x", 3, "only `docker://`"),
        ("nowhere", 1, "nowhere"),
        (".", 3, "no `index.json`"),
        (&format!("docker://{}/team/app", nobody()), 1, "cannot fetch"),
    ] {
        pack(&scene, reference, "linux/amd64").refused(code, &[text, "hint: "]);
    }
    let offline = ["pack", "--oci", "docker://localhost/a", "--offline", "-o", "out"];
    scene.run(offline).refused(1, &["network is disabled"]);
    nothing(&scene);
}
