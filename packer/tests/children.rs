//! Brokers: every host has one; to which apps it attends, and what is told of it.

mod scene;

use std::fs;

use bundle::{Arch, Attends, Footer, Manifest};
use scene::{AARCH64, Elf, RISCV64, Scene, X86_64, elf, launcher, program};

const EMULATOR: Elf<'_> =
    Elf { class: 2, osabi: 0, machine: X86_64, kind: 2, loader: None, needed: &[], contents: b"emulator" };

/// A bundle for riscv64 (native), `x86_64` and aarch64 (given emulators), packed with `options` besides; its
/// report.
fn packed(scene: &Scene, options: &str) -> String {
    scene.write("app", &program(RISCV64));
    scene.write("emulator-x", &elf(EMULATOR));
    scene.write("emulator-a", &elf(Elf { machine: AARCH64, ..EMULATOR }));
    let args = "pack app --hosts aarch64,x86_64,riscv64 --emulator x86_64=emulator-x \
                --emulator aarch64=emulator-a -o out";
    scene.run(args.split_whitespace().chain(options.split_whitespace())).ok().out
}

/// A broker for `host` in the place of those that are built in.
fn broker(scene: &Scene, host: Arch, length: usize) -> Vec<u8> {
    let bytes = launcher(length);
    fs::write(scene.at("launchers").join(format!("broker-{host}")), &bytes).expect("a broker");
    bytes
}

/// Hosts of the bundle `out` that have a broker, and to which apps it attends.
fn hosts(scene: &Scene) -> Vec<(&'static str, Attends)> {
    let bytes = fs::read(scene.at("w/out")).expect("the bundle");
    let footer = Footer::read(&bytes.as_slice()).expect("a footer");
    let start = usize::try_from(footer.manifest_offset).expect("small");
    let end = start + usize::try_from(footer.manifest_length).expect("small");
    let manifest = Manifest::decode(&bytes[start..end], footer.manifest_offset).expect("a manifest");
    let broker = |host: Arch| Some((host.name(), manifest.broker(host)?.attends));
    Arch::HOSTS.into_iter().filter_map(broker).collect()
}

#[test]
fn every_host_has_its_broker_which_attends_to_emulated_apps_or_to_none() {
    let scene = Scene::new();
    let lost = scene.at("launchers/broker-riscv64");
    let kept = fs::read(&lost).expect("there");
    fs::remove_file(&lost).expect("it was there");
    scene.write("app", &program(RISCV64));
    // Nothing would unpack the app there.
    scene.run(["pack", "app", "--hosts", "riscv64", "-o", "out"]).refused(1, &["broker-riscv64"]);
    fs::write(&lost, kept).expect("there again");

    let report = packed(&scene, "");
    let all = ["x86_64", "aarch64", "riscv64"];
    assert_eq!(hosts(&scene), all.map(|host| (host, Attends::Emulated)), "riscv64 only unpacks");
    assert!(report.contains("for 3 hosts"), "{report}");
    scene.run(["verify", "out"]).ok();

    let report = packed(&scene, "--children none");
    assert_eq!(hosts(&scene), all.map(|host| (host, Attends::Never)));
    assert!(report.contains("for 3 hosts"), "{report}");
    scene.run(["verify", "out"]).ok();
    let told = scene.run(["inspect", "out"]).ok().out;
    assert_eq!(told.matches(", broker that only unpacks").count(), 3, "{told}");
    // What is made of such a bundle is such a bundle.
    scene.run(["thin", "out", "--hosts", "x86_64", "-o", "thinner"]).ok();
    fs::rename(scene.at("w/thinner"), scene.at("w/out")).expect("there");
    assert_eq!(hosts(&scene), [("x86_64", Attends::Never)]);
    scene.run(["pack", "app", "--children", "some"]).refused(2, &["auto", "none"]);
}

#[test]
fn brokers_are_told_of_and_taken_out() {
    let scene = Scene::new();
    let bytes = broker(&scene, Arch::Aarch64, 9000);
    let report: serde_json::Value = serde_json::from_str(&packed(&scene, "--json")).expect("JSON");
    let told: Vec<_> = report["hosts"].as_array().expect("hosts").iter().map(|row| &row["broker"]).collect();
    assert!(told.len() == 3 && told.iter().all(|length| length.as_u64() > Some(0)), "{report}");

    let told = scene.run(["inspect", "out"]).ok().out;
    let host =
        |name: &str| told.lines().find(|line| line.starts_with(&format!("host      {name}"))).expect(name);
    assert!(
        ["aarch64", "x86_64", "riscv64"].map(host).iter().all(|line| line.contains(", broker")),
        "{told}"
    );
    assert!(told.contains("blob      broker aarch64"), "{told}");
    let json = scene.run(["inspect", "out", "--json"]).ok().out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["launchers"].as_array().map(Vec::len), Some(3), "a broker is no launcher");
    assert_eq!(json["hosts"].as_array().map(Vec::len), Some(3));

    // A launcher prints this with UNIBIN_DO=info.
    let whole = fs::read(scene.at("w/out")).expect("the bundle");
    let line = b"broker: aarch64, ";
    assert!(whole.windows(line.len()).any(|window| window == line));

    scene.run(["extract", "out", "tree", "--all"]).ok();
    assert_eq!(scene::names(&scene.at("w/tree/brokers")), ["aarch64", "riscv64", "x86_64"]);
    assert_eq!(fs::read(scene.at("w/tree/brokers/aarch64")).expect("the broker"), bytes);
    assert_eq!(scene::names(&scene.at("w/tree/launchers")), ["aarch64", "riscv64", "x86_64"]);
}

#[test]
fn emulators_for_programs_of_other_cpus_are_added_and_their_absence_is_hinted_at() {
    let scene = Scene::new();
    let helper = elf(Elf { class: 1, machine: RISCV64, ..EMULATOR });
    scene.write("helper", &helper);
    let pack = |options: &str| {
        scene.write("app", &program(RISCV64));
        scene.write("emulator-x", &elf(EMULATOR));
        let args =
            "pack app --hosts x86_64,riscv64 --emulator x86_64=emulator-x --add helper -o out --offline";
        fs::set_permissions(scene.at("w/helper"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("ours");
        scene.run(args.split_whitespace().chain(options.split_whitespace()))
    };
    // Not asked for: said.
    let run = pack("").ok();
    assert!(
        run.err.contains("`helper` is a program for riscv32") && run.err.contains("--also-target riscv32"),
        "{run:?}"
    );
    assert!(!pack("--children none").ok().err.contains("also-target"));

    let rows = [("x86_64", X86_64), ("riscv64", RISCV64)].map(|(host, machine)| {
        scene.write(format!("for-{host}"), &elf(Elf { machine, contents: host.as_bytes(), ..EMULATOR }));
        format!(
            "[[translator]]\nhost = \"{host}\"\ntarget = \"riscv32\"\nname = \"own\"\nversion = \"1\"\nprogram = \"for-{host}\"\n"
        )
    });
    scene.write("emulators.toml", rows.concat().as_bytes());
    let also = "--translators emulators.toml --also-target riscv32";
    let run = pack(also).ok();
    assert!(!run.err.contains("also-target"), "{run:?}");
    assert!(run.out.contains("; for riscv32 own 1"), "{run:?}");
    scene.run(["verify", "out"]).ok();
    let told = scene.run(["inspect", "out"]).ok().out;
    let host =
        |name: &str| told.lines().find(|line| line.starts_with(&format!("host      {name}"))).expect(name);
    // The app itself is native on riscv64 and emulated on x86_64; its helper is emulated on both.
    assert!(host("riscv64").contains("native; for riscv32 own 1"), "{told}");
    assert!(host("x86_64").contains("; for riscv32 own 1"), "{told}");
    assert!(!host("x86_64").contains(", else"), "another CPU's emulator is no second try: {told}");
    let bytes = fs::read(scene.at("w/out")).expect("the bundle");
    assert!(bytes.windows(20).any(|window| window == b"riscv32 on x86_64: o"), "told by UNIBIN_DO=info");

    // The app's own CPU needs no word.
    pack("--also-target riscv64").ok();
}
