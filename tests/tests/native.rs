//! Where a variant was built for this CPU it runs as it is, without an emulator; the routes can be named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bundle::{Arch, BlobKind};
use end_to_end::{Parts, Sandbox, busybox, needs, unibin};

#[test]
fn a_program_for_this_cpu_runs_natively_out_of_the_cache() {
    needs!("network");
    let sandbox = Sandbox::new();
    let packed = busybox(Arch::X86_64);
    let holds_emulator = Parts::of(&packed).manifest().blobs().any(|blob| blob.kind == BlobKind::Emulator);
    assert!(!holds_emulator, "a native bundle for one host needs no emulator");
    let bundle = sandbox.copy(&packed, "busybox");
    let ran = sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &["readlink", "/proc/self/exe"]);
    let exe = ran.must_succeed();
    let tree = sandbox.cache().join("x86_64");
    assert!(exe.starts_with(tree.to_str().expect("text")) && exe.contains("/tree/"), "{exe}");
    assert!(ran.errors().contains("route: native"), "{ran}");
    assert_eq!(sandbox.run(&bundle, &["uname", "-m"]).must_succeed().trim(), "x86_64");
    assert_eq!(sandbox.run(&bundle, &["sh", "-c", "exit 7"]).code(), Some(7));
}

#[test]
fn a_route_that_the_bundle_does_not_have_is_refused() {
    needs!("network");
    let sandbox = Sandbox::new();
    for (target, route) in [(Arch::Riscv64, "native"), (Arch::X86_64, "emulated")] {
        let bundle = sandbox.copy(&busybox(target), "busybox");
        let refused = sandbox.run_with(&[("UNIBIN_ROUTE", route)], &bundle, &["true"]);
        refused.must_fail_with(126, &["UNIBIN_ROUTE", route, "x86_64", "hint: "]);
        assert_eq!(sandbox.run(&bundle, &["sh", "-c", "echo yes"]).must_succeed(), "yes\n");
    }
}

#[test]
fn a_bundle_without_this_host_names_the_hosts_that_it_has() {
    needs!("network");
    let sandbox = Sandbox::new();
    let foreign = end_to_end::bundle_of(Arch::Riscv64, "riscv64", &[]);
    let bundle = sandbox.copy(&foreign, "busybox");
    let refused = sandbox.run(&bundle, &["true"]);
    refused.must_fail_with(126, &["no launcher for 'x86_64'", "riscv64", "hint: "]);
}

#[test]
fn the_users_own_emulator_is_used_in_place_of_the_bundles() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    let with = |path: &Path| {
        let path = path.to_str().expect("text").to_owned();
        sandbox.run_with(&[("UNIBIN_EMULATOR", &path), ("UNIBIN_LOG", "1")], &bundle, &["uname", "-m"])
    };
    with(Path::new("/nonexistent/qemu")).must_fail_with(127, &["UNIBIN_EMULATOR", "/nonexistent/qemu"]);
    let not_executable = sandbox.write("text", b"not a program");
    fs::set_permissions(&not_executable, fs::Permissions::from_mode(0o644)).expect("chmod");
    with(&not_executable).must_fail_with(126, &["UNIBIN_EMULATOR", "text"]);

    let printed =
        Command::output(unibin().args(["emulator", "path", "--target", "riscv64", "--host", "x86_64"]));
    let printed = String::from_utf8(printed.expect("unibin starts").stdout).expect("text");
    let own = sandbox.copy(Path::new(printed.trim()), "my-emulator");
    let ran = with(&own);
    assert_eq!(ran.must_succeed().trim(), "riscv64");
    assert!(ran.errors().contains(&format!("executing {}", own.display())), "{ran}");
    let slots = fs::read_dir(sandbox.cache().join("x86_64")).expect("cache");
    let slots = slots.filter(|slot| slot.as_ref().is_ok_and(|slot| slot.path().is_dir())).count();
    assert_eq!(slots, 2, "only app and broker were unpacked");
}

#[test]
fn what_two_machines_have_built_is_merged_into_one_file_that_runs_either() {
    needs!("network");
    let sandbox = Sandbox::new();
    let merged = sandbox.at("busybox");
    let mut merge = unibin();
    merge.arg("merge").arg(busybox(Arch::X86_64)).arg(busybox(Arch::Riscv64)).arg("-o").arg(&merged);
    assert!(merge.status().expect("unibin starts").success());
    for (route, machine) in [("native", "x86_64\n"), ("emulated", "riscv64\n")] {
        let ran = sandbox.run_with(&[("UNIBIN_ROUTE", route)], &merged, &["uname", "-m"]);
        assert_eq!(ran.must_succeed(), machine, "{ran}");
    }
    // Without what emulates, only the build for this architecture is left.
    let thin = sandbox.at("busybox-thin");
    let native = unibin().args(["check", "--native", "x86_64"]).arg(&merged).status();
    assert!(native.expect("unibin starts").success());
    let mut cut = unibin();
    cut.arg("thin").arg(&merged).args(["--head", "elf:x86_64", "-o"]).arg(&thin);
    assert!(cut.status().expect("unibin starts").success());
    assert_eq!(fs::read(&thin).expect("a file").get(..4), Some(&b"\x7fELF"[..]));
    assert_eq!(sandbox.run(&thin, &["uname", "-m"]).must_succeed(), "x86_64\n");
}
