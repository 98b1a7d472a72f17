//! Mirrors that are of no use, as the user meets them: nobody answers, or Debian has not signed what is
//! there.

mod scene;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use scene::{RISCV64, Run, Scene, program};

fn pack(scene: &Scene, what: &[&str], mirror: &str) -> Run {
    let pack = ["pack", "--hosts", "x86_64", "--target", "riscv64", "-o", "out", "--debian-emulators"];
    scene.run(pack.iter().chain(&["--mirror", mirror]).chain(what))
}

#[test]
fn a_mirror_that_refuses_connections_is_named_with_what_to_do() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    // Freed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mirror = format!("http://127.0.0.1:{port}/debian");
    for what in [&["app"][..], &["--deb", "busybox-static"]] {
        let run = pack(&scene, what, &mirror);
        run.refused(1, &[&mirror, "refused", "hint: use a mirror that this machine can reach"]);
    }
    assert_eq!(scene.names(), ["app"]);
}

#[test]
fn a_suite_that_debian_has_not_signed_fails_the_verification() {
    let scene = Scene::new();
    let signed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../debian/tests/data/signatures");
    let place = scene.at("mirror/dists/trixie/InRelease");
    fs::create_dir_all(place.parent().expect("a directory")).expect("a directory");
    let mirror = scene.at("mirror").display().to_string();
    // Neither key is Debian's: that its own tests trust one of them counts for nothing.
    for name in ["signed-by-stranger.asc", "signed-by-good.asc"] {
        fs::copy(signed.join(name), &place).expect("copied");
        let run = pack(&scene, &["--deb", "busybox-static"], &mirror);
        run.refused(5, &["the signature of `", "only by keys that are not in the keyring", "hint: "]);
    }
    fs::write(&place, "Origin: Debian\nSuite: stable\nCodename: trixie\n").expect("written");
    let unsigned = pack(&scene, &["--deb", "busybox-static"], &mirror);
    unsigned.refused(5, &["the signature of `", "not a clear-signed document", "hint: "]);
    assert!(scene.names().is_empty());
}
