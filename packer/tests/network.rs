//! What stands between `unibin` and a mirror: a server that knows no ranges, a proxy. The mirror is a
//! directory with a package as `dpkg-deb` makes them, which a lock file pins, so that nothing but the way
//! there is left to go wrong.

mod scene;

use std::fs;
use std::process::Command;

use end_to_end::needs;
use scene::server::{Ranges, Server, nobody};
use scene::{ET_EXEC, Elf, RISCV64, Run, Scene, X86_64, elf, program, sha256};

/// The package's path on the mirror.
const PACKAGE: &str = "pool/main/q/qemu/qemu-user_3_amd64.deb";

/// Variables that name proxies, none of which shall be the tester's.
const PROXIES: [&str; 8] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// A program that passes for an emulator on `x86_64`.
fn emulator() -> Vec<u8> {
    let contents = b"locked";
    elf(Elf { class: 2, osabi: 0, machine: X86_64, kind: ET_EXEC, loader: None, needed: &[], contents })
}

/// A riscv64 app, a mirror with the emulator for it, and a lock file that pins that.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    let emulator = emulator();
    let package = package(&scene, &emulator);
    let place = scene.at("mirror").join(PACKAGE);
    fs::create_dir_all(place.parent().expect("a directory")).expect("a directory");
    fs::write(&place, &package).expect("written");
    let lock = format!(
        "version = 1\n[[emulator]]\nhost = \"x86_64\"\ntarget = \"riscv64\"\ntranslator = \"qemu-user\"\n\
         version = \"3\"\nlicence = \"NOASSERTION\"\nsize = {}\nsha256 = \"{}\"\n\
         source = {{ name = \"\", version = \"\", built-using = \"\" }}\n\
         package = {{ file = \"{PACKAGE}\", size = {}, sha256 = \"{}\", member = \"usr/bin/qemu-riscv64\" }}\n",
        emulator.len(),
        sha256(&emulator),
        package.len(),
        sha256(&package)
    );
    scene.write("unibin.lock", lock.as_bytes());
    scene
}

/// A package with this emulator in it, and with enough behind it that a part is less than the whole.
fn package(scene: &Scene, emulator: &[u8]) -> Vec<u8> {
    let tree = scene.at("tree");
    fs::create_dir_all(tree.join("usr/bin")).expect("a directory");
    fs::write(tree.join("usr/bin/qemu-riscv64"), emulator).expect("written");
    // Numbers that nothing can compress.
    let mut state = 1u64;
    let noise = (0..1 << 20).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    fs::write(tree.join("usr/bin/zzz"), noise.collect::<Vec<_>>()).expect("written");
    fs::create_dir_all(scene.at("about")).expect("a directory");
    fs::write(scene.at("about/control"), "Package: qemu-user\nVersion: 3\n").expect("written");
    let packed = |directory: &str| {
        let script = "tar --sort=name -C \"$1\" -c . | xz --block-size=65536";
        let packed = Command::new("sh").args(["-c", script, "sh"]).arg(scene.at(directory)).output();
        let packed = packed.expect("tar and xz run");
        assert!(packed.status.success() && !packed.stdout.is_empty(), "{packed:?}");
        packed.stdout
    };
    let member = |name: &str, bytes: &[u8]| {
        let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
        [header.as_bytes(), bytes, &b"\n"[..bytes.len() % 2]].concat()
    };
    let members = [
        member("debian-binary", b"2.0\n"),
        member("control.tar.xz", &packed("about")),
        member("data.tar.xz", &packed("tree")),
    ];
    [&b"!<arch>\n"[..], &members.concat()].concat()
}

/// `unibin pack --locked` from this mirror, with these variables and an empty store.
fn pack(scene: &Scene, mirror: &str, variables: &[(&str, &str)]) -> Run {
    pack_from(scene, ["--mirror", mirror], variables)
}

fn pack_from(scene: &Scene, place: [&str; 2], variables: &[(&str, &str)]) -> Run {
    let _ = fs::remove_dir_all(scene.at("store"));
    let mut command = scene.unibin();
    for name in PROXIES {
        command.env_remove(name);
    }
    let pack = ["pack", "app", "--locked", "--hosts", "x86_64", "-o", "bundle"];
    command.args(pack).args(place).envs(variables.iter().copied());
    Run::of(&command.output().expect("unibin starts"))
}

#[test]
fn a_mirror_that_knows_no_ranges_is_asked_for_the_whole_package_and_the_bundle_is_the_same() {
    needs!("xz");
    let scene = scene();
    let place = scene.at("mirror").join(PACKAGE);
    let whole = fs::read(&place).expect("a package");
    let server = Server::files(scene.at("mirror"), Ranges::Ignored);
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&place, changed).expect("written");
    pack(&scene, &server.url(), &[]).refused(5, &["is not the file that was expected", PACKAGE, "hint: "]);
    fs::write(&place, &whole[..whole.len() / 2]).expect("written");
    pack(&scene, &server.url(), &[]).refused(1, &["ended after", PACKAGE, "hint: "]);
    assert!(!scene.at("w/bundle").exists(), "nothing was packed");
    server.asked();

    fs::write(&place, &whole).expect("written");
    pack(&scene, &server.url(), &[]).ok();
    let mut asked = server.asked();
    // Whether a signed index knows the package, which the catalogue does not.
    assert_eq!(asked.remove(0), "GET /dists/trixie/InRelease");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].starts_with(&format!("GET /{PACKAGE} bytes=0-")), "a part was asked for: {asked:?}");
    assert_eq!(asked[1], format!("GET /{PACKAGE}"), "then all of it");
    let of_the_whole = fs::read(scene.at("w/bundle")).expect("a bundle");
    scene.run(["verify", "bundle"]).ok();

    let server = Server::files(scene.at("mirror"), Ranges::Given);
    pack(&scene, &server.url(), &[]).ok();
    let asked = server.asked();
    assert!(asked[1..].iter().all(|asked| asked.contains(" bytes=")), "in parts only: {asked:?}");
    assert_eq!(fs::read(scene.at("w/bundle")).expect("a bundle"), of_the_whole);
    scene.run(["pack", "app", "--locked", "--hosts", "x86_64", "-o", "again", "--offline"]).ok();
    assert_eq!(fs::read(scene.at("w/again")).expect("a bundle"), of_the_whole);
}

#[test]
fn a_proxy_leads_to_a_mirror_that_it_alone_knows_and_one_that_does_not_is_named() {
    needs!("xz");
    let scene = scene();
    // No name server knows it (RFC 6761, 6.4).
    let mirror = "http://mirror.invalid/";
    let down = nobody();
    let named = |proxy: &std::net::SocketAddr| format!("through the proxy `{proxy}`");
    let run = pack(&scene, mirror, &[("http_proxy", &format!("http://user:secret@{down}"))]);
    let run = run.refused(1, &["`http://mirror.invalid/", &named(&down), "refused", "hint: `http_proxy`"]);
    assert!(!run.err.contains("secret"), "{run:?}");
    let unwilling = Server::proxy(None);
    let run = pack(&scene, mirror, &[("http_proxy", &unwilling.url())]);
    run.refused(1, &["`http://mirror.invalid/", &named(&unwilling.address), "403", "hint: "]);
    assert!(unwilling.asked().iter().all(|asked| asked == "CONNECT mirror.invalid:80"));
    assert!(!scene.at("w/bundle").exists(), "nothing was packed");

    let server = Server::files(scene.at("mirror"), Ranges::Given);
    let proxy = Server::proxy(Some(server.address));
    let url = format!("http://user:secret@{}", proxy.address);
    for variable in ["http_proxy", "all_proxy"] {
        pack(&scene, mirror, &[(variable, &url)]).ok();
        scene.run(["verify", "bundle"]).ok();
        let asked = proxy.asked();
        // The Base64 of `user:secret`.
        let expected = "CONNECT mirror.invalid:80 Basic dXNlcjpzZWNyZXQ=";
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked == expected), "{asked:?}");
        let asked = server.asked();
        assert!(asked.len() > 2 && asked[1..].iter().all(|asked| asked.contains(PACKAGE)), "{asked:?}");
    }

    let direct = [("http_proxy", &*format!("http://{down}")), ("no_proxy", "127.0.0.1")];
    pack(&scene, &server.url(), &direct).ok();
    assert!(!server.asked().is_empty() && proxy.asked().is_empty());
}

#[test]
fn a_copy_of_a_store_is_reached_through_a_proxy_too() {
    needs!("xz");
    let scene = scene();
    scene.write("emulator", &emulator());
    scene.run(["emulator", "add", "--target", "riscv64", "--host", "x86_64", "emulator"]).ok();
    scene.run(["emulator", "export", "copy"]).ok();
    let place = ["--emulators", "http://store.invalid/team"];
    let down = nobody();
    let run = pack_from(&scene, place, &[("http_proxy", &format!("http://{down}"))]);
    run.refused(
        1,
        &["`http://store.invalid/team/", &format!("through the proxy `{down}`"), "hint: `http_proxy`"],
    );

    fs::create_dir(scene.at("served")).expect("a directory");
    fs::rename(scene.at("w/copy"), scene.at("served/team")).expect("moved");
    let server = Server::files(scene.at("served"), Ranges::Ignored);
    let proxy = Server::proxy(Some(server.address));
    pack_from(&scene, place, &[("http_proxy", &proxy.url())]).ok();
    assert!(proxy.asked().iter().all(|asked| asked == "CONNECT store.invalid:80"));
    assert_eq!(server.asked().len(), 2, "a record and a program");
    scene.run(["verify", "bundle"]).ok();
}

/// The lock file of `scene` with `from` replaced by `to`.
fn relocked(scene: &Scene, from: &str, to: &str) {
    let lock = fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file");
    assert!(lock.contains(from), "{lock}");
    scene.write("unibin.lock", lock.replace(from, to).as_bytes());
}

#[test]
fn a_lock_file_names_nothing_outside_the_archive_and_no_text_that_steers_a_terminal() {
    needs!("xz");
    let first = scene();
    let mirror = first.at("mirror").display().to_string();
    pack(&first, &mirror, &[]).ok();
    for bad in [
        "../elsewhere/q_3.deb",
        "/elsewhere/q_3.deb",
        "pool/./q_3.deb",
        "pool/q_3.deb?x",
        "pool/%2e%2e/q.deb",
    ] {
        let scene = scene();
        let mirror = scene.at("mirror").display().to_string();
        fs::create_dir(scene.at("elsewhere")).expect("a directory");
        fs::copy(scene.at("mirror").join(PACKAGE), scene.at("elsewhere/q_3.deb")).expect("copied");
        relocked(&scene, PACKAGE, bad);
        pack(&scene, &mirror, &[])
            .refused(3, &["unibin.lock", "riscv64-on-x86_64", "cannot be one in an archive", bad]);
    }
    relocked(&first, "version = \"3\"", "version = \"3\\u001b[2J\\n\"");
    let refused = pack(&first, &mirror, &[]).refused(3, &["not plain", "3\\u{1b}[2J\\n"]);
    assert!(!refused.err.contains('\x1b'), "{refused:?}");
}

#[test]
fn a_lock_file_that_contradicts_the_catalogue_is_refused_by_the_name_of_the_pair() {
    needs!("xz");
    let known = emulator::Catalogue::embedded().expect("a catalogue");
    let key = bundle::EmulatorKey { host: bundle::Arch::X86_64, target: bundle::Arch::Riscv64 };
    let (row, member) = known.packaged(key).expect("pinned");
    let words = [
        "the lock file's entry for riscv64-on-x86_64 disagrees with the catalogue",
        "locked: ",
        "expected: ",
        "hint: ",
    ];
    let refuse = |changes: &[(&str, &str)]| {
        let scene = scene();
        for (from, to) in changes {
            relocked(&scene, from, to);
        }
        let file = scene.at("mirror").join(&row.package.file);
        fs::copy(scene.at("mirror").join(PACKAGE), file).expect("copied");
        let mirror = scene.at("mirror").display().to_string();
        pack(&scene, &mirror, &[]).refused(5, &words);
        assert!(!scene.at("w/bundle").exists(), "nothing was packed");
    };
    // Any static program would be QEMU's pinned version.
    refuse(&[("version = \"3\"", &format!("version = \"{}\"", row.version))]);
    refuse(&[(PACKAGE, &row.package.file)]);
    let program = sha256(&emulator()).to_string();
    // The pinned program by another name, and the pinned program of another pair.
    refuse(&[(&program, &member.sha256.to_string())]);
    let other = row.members.get(&bundle::Arch::Aarch64).expect("pinned");
    refuse(&[(&program, &other.sha256.to_string())]);
}

#[test]
fn what_only_a_lock_file_vouches_for_is_said_to_be_so_and_serves_no_pack_without_it() {
    needs!("xz");
    let scene = scene();
    let mirror = scene.at("mirror").display().to_string();
    let packed = pack(&scene, &mirror, &[]).ok();
    assert!(
        packed.err.contains("nothing but the lock file says that this program is version 3"),
        "{packed:?}"
    );
    let shown = scene.run(["inspect", "--json", "bundle"]).ok().out;
    assert!(shown.contains("according to the lock file: pool/"), "{shown}");
    let bytes = fs::read(scene.at("w/bundle")).expect("a bundle");
    assert_eq!(scene.run(["emulator", "list"]).ok().out, "", "the store has no emulator for any pair");
    let offline = ["pack", "app", "--offline", "--debian-emulators", "--hosts", "x86_64", "-o", "bundle"];
    scene.run(offline).ok();
    assert_eq!(fs::read(scene.at("w/bundle")).expect("a bundle"), bytes, "from the store");
    fs::remove_file(scene.at("w/unibin.lock")).expect("removed");
    scene.run(offline).refused(1, &["network access is disabled"]);
}
