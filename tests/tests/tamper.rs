//! A changed byte in any part of a bundle is refused, and the message names the part; with the byte restored
//! it runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use bundle::{Arch, BlobKind};
use end_to_end::{Outcome, Parts, Sandbox, User, bundle_of, busybox, needs, unibin};

/// When a change is found without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// At the first start, when the part is unpacked.
    Cold,
    /// At every start.
    Always,
    /// Only when asked: the part is not needed to run.
    Asked,
}

/// Changes the byte at `at`; the bundle must be refused as `found` says, naming `part`; restored it must run.
fn tamper(part: &str, found: Found, at: impl Fn(&Parts) -> usize) {
    let parts = Parts::of(&busybox(Arch::Riscv64));
    let changed = parts.changed(at(&parts));
    let cold = Sandbox::new();
    let bundle = cold.write("busybox", &changed);
    let started = cold.run(&bundle, &["sh", "-c", "echo ran"]);
    if found == Found::Asked {
        assert_eq!(started.must_succeed(), "ran\n");
    } else {
        started.must_fail_with(125, &["damaged", part, "hint: "]);
        assert_eq!(started.text(), "", "nothing ran");
    }

    let warm = Sandbox::new();
    let bundle = warm.write("busybox", &parts.bytes);
    assert_eq!(warm.run(&bundle, &["sh", "-c", "echo ran"]).must_succeed(), "ran\n");
    warm.write("busybox", &changed);
    let asked = warm.run_with(&[("UNIBIN_DO", "verify")], &bundle, &[] as &[&str]);
    asked.must_fail_with(125, &["damaged", part]);
    let checked = warm.run_with(&[("UNIBIN_VERIFY", "1")], &bundle, &["sh", "-c", "echo ran"]);
    checked.must_fail_with(125, &["damaged", part]);
    if found == Found::Always {
        warm.run(&bundle, &["sh", "-c", "echo ran"]).must_fail_with(125, &["damaged", part]);
    }
    let by_packer = unibin().arg("verify").arg(&bundle).output().expect("unibin starts");
    assert_eq!(by_packer.status.code(), Some(5), "{by_packer:?}");
    let message = String::from_utf8_lossy(&by_packer.stderr).into_owned();
    let words = if part == "padding" { "gap between parts" } else { part };
    assert!(message.contains(words), "`unibin verify` does not name the {part}: {message}");

    for sandbox in [cold, warm] {
        let bundle = sandbox.write("busybox", &parts.bytes);
        assert_eq!(sandbox.run(&bundle, &["sh", "-c", "echo ran"]).must_succeed(), "ran\n", "restored");
        let verified = sandbox.run_with(&[("UNIBIN_DO", "verify")], &bundle, &[] as &[&str]);
        assert!(verified.must_succeed().contains("every byte"));
    }
    let by_packer = unibin().arg("verify").arg(busybox(Arch::Riscv64)).output().expect("unibin starts");
    assert!(by_packer.status.success(), "{by_packer:?}");
}

#[test]
fn a_changed_stub_is_found_when_asked() {
    needs!("network");
    // The last byte of its padding: elsewhere it would be another program, which nobody could check.
    tamper("stub", Found::Asked, |parts| parts.blob_range(BlobKind::Stub).end - 1);
}

#[test]
fn a_changed_launcher_is_not_executed() {
    needs!("network");
    tamper("launcher", Found::Cold, |parts| parts.blob_range(BlobKind::Launcher).end - 600);
}

#[test]
fn a_changed_app_is_not_executed() {
    needs!("network");
    tamper("app", Found::Cold, |parts| parts.blob_range(BlobKind::App).end - 600);
}

#[test]
fn a_changed_emulator_is_not_executed() {
    needs!("network");
    tamper("emulator", Found::Cold, |parts| parts.blob_range(BlobKind::Emulator).end - 600);
}

#[test]
fn changed_notices_are_found_when_asked() {
    needs!("network");
    tamper("notices", Found::Asked, |parts| parts.blob_range(BlobKind::Notices).start + 20);
}

#[test]
fn changed_padding_is_found_when_asked() {
    needs!("network");
    tamper("padding", Found::Asked, |parts| parts.padding().start);
}

#[test]
fn a_changed_manifest_is_refused_at_every_start() {
    needs!("network");
    tamper("manifest", Found::Always, |parts| parts.manifest_range().start + 60);
}

#[test]
fn a_changed_footer_is_refused_at_every_start() {
    needs!("network");
    // The file's length in it, and the digest in it: then it is the manifest that does not match.
    tamper("footer", Found::Always, |parts| parts.footer_range().start + 18);
    tamper("manifest", Found::Always, |parts| parts.footer_range().end - 1);
}

#[test]
fn without_its_magic_a_file_is_no_bundle() {
    needs!("network");
    let parts = Parts::of(&busybox(Arch::Riscv64));
    let sandbox = Sandbox::new();
    for at in parts.footer_range().take(8) {
        let bundle = sandbox.write("busybox", &parts.changed(at));
        sandbox.run(&bundle, &["sh", "-c", "echo ran"]).must_fail_with(125, &["damaged", "footer"]);
        let by_packer = unibin().arg("verify").arg(&bundle).output().expect("unibin starts");
        assert_eq!(by_packer.status.code(), Some(5), "{by_packer:?}");
    }
    let bundle = sandbox.write("busybox", &parts.bytes);
    assert_eq!(sandbox.run(&bundle, &["sh", "-c", "echo ran"]).must_succeed(), "ran\n");
}

#[test]
fn a_file_that_was_cut_off_or_added_to_is_refused_at_every_length() {
    needs!("network");
    let parts = Parts::of(&busybox(Arch::Riscv64));
    let sandbox = Sandbox::new();
    let bundle = sandbox.write("busybox", &parts.bytes);
    assert_eq!(sandbox.run(&bundle, &["sh", "-c", "echo ran"]).must_succeed(), "ran\n");
    let whole = parts.bytes.len();
    let places = [
        parts.blob_range(BlobKind::Stub).end,
        parts.blob_range(BlobKind::Launcher).start + 5000,
        parts.blob_range(BlobKind::App).start,
        parts.blob_range(BlobKind::Emulator).end,
        parts.manifest_range().start,
        parts.manifest_range().end,
        whole - 87,
        whole - 1,
    ];
    for length in places.into_iter().chain((1..12).map(|step| 4096 + whole / 12 * step)) {
        sandbox.write("busybox", &parts.bytes[..length.min(whole - 1)]);
        let warm = sandbox.run(&bundle, &["sh", "-c", "echo ran"]);
        warm.must_fail_with(125, &["damaged", "footer"]);
        let cold = Sandbox::new();
        let cut = cold.write("busybox", &parts.bytes[..length.min(whole - 1)]);
        cold.run(&cut, &["sh", "-c", "echo ran"]).must_fail_with(125, &["damaged"]);
        let left: Vec<PathBuf> = Sandbox::tree(&cold.cache());
        assert!(left.iter().all(|path| !path.to_string_lossy().contains(".new-")), "{left:?}");
    }
    let longer = [parts.bytes.as_slice(), b"\n"].concat();
    sandbox.write("busybox", &longer);
    sandbox.run(&bundle, &["true"]).must_fail_with(125, &["damaged", "footer"]);
}

#[test]
fn a_start_with_the_rights_of_another_user_is_refused() {
    // Scripts lose these bits by themselves; a bundle that begins with its launcher does not.
    needs!("network", "suid");
    let packed = end_to_end::bundle_of(Arch::Riscv64, "x86_64", &["--head", "elf:x86_64"]);
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&packed, "busybox");
    let other = Sandbox::of(User::Other(sandbox.uid() + 1));
    for bits in [0o4755, 0o2755] {
        chown(&bundle, Some(sandbox.uid()), Some(sandbox.uid())).expect("chown");
        fs::set_permissions(&bundle, fs::Permissions::from_mode(bits)).expect("chmod");
        other.run(&bundle, &["sh", "-c", "echo ran"]).must_fail_with(125, &["set-user-ID", "hint: "]);
        fs::set_permissions(&bundle, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert_eq!(other.run(&bundle, &["sh", "-c", "echo ran"]).must_succeed(), "ran\n");
    }
}

#[test]
fn what_is_left_of_a_bundle_is_known_by_its_head_of_either_kind() {
    needs!("network");
    let sandbox = Sandbox::new();
    let inspected = |file: &Path| -> Outcome {
        unibin().arg("inspect").arg(file).output().expect("unibin starts").into()
    };
    for head in ["sh", "elf:x86_64"] {
        let parts = Parts::of(&bundle_of(Arch::Riscv64, "x86_64", &["--head", head]));
        for length in [parts.bytes.len() - 1, parts.bytes.len() / 2, 70_000] {
            let cut = sandbox.write("cut", &parts.bytes[..length]);
            let told = inspected(&cut);
            assert!(told.code() == Some(5) && told.errors().contains("does not end like one"), "{told}");
        }
        let whole = sandbox.write("whole", &parts.bytes);
        assert!(inspected(&whole).must_succeed().contains("riscv64"));
    }
    // The packer itself holds such heads, and is none.
    let own = Path::new(unibin().get_program()).to_owned();
    assert!(inspected(&own).must_succeed().contains("x86_64"));
}
