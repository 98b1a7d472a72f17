//! Programs that start programs inside a container's seccomp filter: one that forbids user namespaces, one that forbids ptrace,
//! one that forbids both.

use std::path::Path;

use end_to_end::{Outcome, Sandbox, pack};

/// Executes its arguments with what `sys.argv[1]` names forbidden, as Docker's default profile does it: `EPERM`.
///
/// Numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl) and of classic BPF (linux/bpf_common.h); `seccomp_data` begins with
/// the number, its first argument is at 16 (linux/seccomp.h).
const CONFINED: &str = "
import ctypes, os, struct, sys
PTRACE, UNSHARE, CLONE, CLONE3, NEWUSER = 101, 272, 56, 435, 0x10000000
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, EPERM, ENOSYS = 0x7fff0000, 0x00050001, 0x00050026
program = [(LOAD, 0, 0, 0)]
if 'ptrace' in sys.argv[1]:
    program += [(EQUAL, 0, 1, PTRACE), (RETURN, 0, 0, EPERM)]
if 'namespaces' in sys.argv[1]:
    # Flags of clone3 lie in memory: it is not there at all, and libc takes clone.
    program += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ENOSYS)]
    program += [(EQUAL, 1, 0, UNSHARE), (EQUAL, 0, 3, CLONE), (LOAD, 0, 0, 16), (SET, 0, 1, NEWUSER), (RETURN, 0, 0, EPERM)]
program += [(RETURN, 0, 0, ALLOW)]
code = b''.join(struct.pack('HBBI', *each) for each in program)
buffer = ctypes.create_string_buffer(code, len(code))
header = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(program), ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, header) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[2], sys.argv[2:])
";

fn confined(sandbox: &Sandbox, forbidden: &str, way: &str, program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command("python3");
    command.args(["-c", CONFINED, forbidden]).arg(program).args(arguments).env("UNIBIN_CHILDREN", way);
    Sandbox::finish(&mut command)
}

#[test]
fn what_a_container_forbids_leaves_the_other_way() {
    let sandbox = Sandbox::new();
    let options =
        ["--deb", "bash", "--deb", "coreutils", "--entry", "bash=/usr/bin/bash", "--target", "riscv64"];
    let packed = pack(&[&options[..], &["--hosts", "x86_64", "--level", "3"]].concat());
    let bundle = sandbox.copy(&packed, "bash");
    let run = |forbidden: &str, way: &str| {
        // With nobody to attend to it, it is the host's.
        let script = "[ \"$(arch)\" = riscv64 ] && echo attended; echo up";
        confined(&sandbox, forbidden, way, &bundle, &["-c", script])
    };
    // The filter does forbid it: each first.
    let unshare = confined(&sandbox, "namespaces", "", Path::new("/usr/bin/unshare"), &["-U", "true"]);
    assert!(!unshare.status.success() && unshare.errors().contains("Operation not permitted"), "{unshare}");
    let strace = confined(&sandbox, "ptrace", "", Path::new("/usr/bin/strace"), &["-o", "/dev/null", "true"]);
    assert!(!strace.status.success(), "{strace}");

    for (forbidden, way, said) in [
        ("namespaces", "auto", "attended\nup\n"),
        ("namespaces", "binfmt", "up\n"),
        ("ptrace", "auto", "attended\nup\n"),
        ("ptrace", "broker", "up\n"),
        ("ptrace namespaces", "auto", "up\n"),
    ] {
        let ran = run(forbidden, way);
        assert_eq!(ran.text(), said, "{forbidden}, {way}: {ran}");
        let explained = ran.errors().contains("unibin: programs that the app brings along cannot be started");
        assert_eq!(explained, forbidden == "ptrace namespaces", "{forbidden}, {way}: {ran}");
    }
    // Once.
    let again = run("ptrace namespaces", "auto");
    assert!(!again.errors().contains("unibin: "), "{again}");
}
