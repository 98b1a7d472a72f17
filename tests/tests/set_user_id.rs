//! A start with another user's rights is refused, and a program that has them cannot start a bundle with
//! them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use bundle::Arch;
use end_to_end::{Outcome, Report, Sandbox, caller, needs, neighbour, pack, tell, victim};

/// Whether a set-user-ID bit counts where the sandbox lies.
fn set_user_id_counts(sandbox: &Sandbox, caller: &Path) -> bool {
    let program = sandbox.copy(caller, "set-user-id");
    let other = neighbour(sandbox);
    chown(&program, Some(other), Some(other)).expect("chown");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("chmod");
    let ran = sandbox.run(&program, &["execv", "/usr/bin/id", "-u"]);
    ran.text().trim() == other.to_string()
}

#[test]
fn a_start_with_another_users_rights_is_refused_and_leaves_nothing() {
    needs!("zig", "suid", "python3");
    let Some((_, program)) = victim(Arch::X86_64).zip(tell(Arch::X86_64)) else { return };
    let sandbox = Sandbox::new();
    let Some(caller) = caller() else { return };
    assert!(set_user_id_counts(&sandbox, &caller), "the probe says that it counts");
    let packed = pack(&[program.to_str().expect("text"), "--hosts", "x86_64", "--head", "elf:x86_64"]);
    let bundle = sandbox.copy(&packed, "tell");
    let other = neighbour(&sandbox);
    let refused = |what: &str| {
        let ran = sandbox.run(&bundle, &["exit", "5"]);
        ran.must_fail_with(125, &["rights of another user", "hint: "]);
        assert!(!sandbox.cache().exists(), "{what}: nothing was made");
    };
    chown(&bundle, Some(other), Some(other)).expect("chown");
    for mode in [0o4755, 0o2755, 0o6755] {
        fs::set_permissions(&bundle, fs::Permissions::from_mode(mode)).expect("chmod");
        refused(&format!("{mode:o}"));
    }
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o755)).expect("chmod");
    // File capabilities: struct vfs_ns_cap_data of <linux/capability.h>, revision 2, effective, CAP_NET_RAW.
    let script = "import os, struct, sys\n\
        os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x02000001, 1 << 13, 0, 0, 0))";
    let set = Command::new("python3").args(["-c", script]).arg(&bundle).output().expect("python3");
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    refused("file capabilities");
    let plain = sandbox.copy(&packed, "tell");
    assert_eq!(sandbox.run(&plain, &["exit", "5"]).code(), Some(5), "without them it starts");
}

#[test]
fn a_program_with_another_users_rights_cannot_start_it_with_them() {
    needs!("zig", "suid");
    let Some(caller) = caller() else { return };
    for head in [&[][..], &["--head", "elf:x86_64"]] {
        let Some((sandbox, _)) = victim(Arch::X86_64) else { return };
        assert!(set_user_id_counts(&sandbox, &caller), "the probe says that it counts");
        let program = tell(Arch::X86_64).expect("compiled");
        let packed = pack(&[&[program.to_str().expect("text"), "--hosts", "x86_64"], head].concat());
        let bundle = sandbox.copy(&packed, "tell");
        let mut command = sandbox.command(sandbox.at("set-user-id"));
        let ran = Sandbox::finish(command.arg("execv").arg(&bundle).args(["report", "-"]));
        if ran.code() == Some(7) {
            // dash gives rights up that are not its caller's own.
            let user = sandbox.uid();
            assert_eq!(
                Report::of(&ran.text()).all("user"),
                [format!("{user} {user} group {user} {user}")],
                "{head:?}"
            );
        } else {
            ran.must_fail_with(125, &["rights of another user", "hint: "]);
        }
    }
}

#[test]
fn a_set_user_id_bit_on_a_script_counts_for_nothing() {
    let Some((sandbox, bundle)) = victim(Arch::X86_64) else { return };
    let other = neighbour(&sandbox);
    chown(&bundle, Some(other), Some(other)).expect("chown");
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o6755)).expect("chmod");
    let ran: Outcome = sandbox.run(&bundle, &["report", "-"]);
    let user = sandbox.uid();
    assert_eq!(Report::of(&ran.text()).all("user"), [format!("{user} {user} group {user} {user}")]);
}
