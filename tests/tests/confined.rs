//! Programs that start programs where a broker is forbidden, or a private `binfmt_misc`, or both: by being
//! traced already, by limits of the kernel, and by a container's seccomp filter.

use std::path::Path;

use end_to_end::{Outcome, Sandbox, needs, shell, shell_of_debian};

/// Executes its arguments with what `sys.argv[1]` names forbidden, as Docker's default profile does it:
/// `EPERM`.
///
/// Numbers of `x86_64` (`arch/x86/entry/syscalls/syscall_64.tbl`) and of classic BPF (`linux/bpf_common.h`);
/// `seccomp_data` begins with the number, its first argument is at 16 (`linux/seccomp.h`).
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
fn where_a_broker_is_forbidden_the_kernel_of_a_private_namespace_starts_the_emulator() {
    needs!("network", "namespaces", "binfmt", "ptrace", "strace", "python3");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&shell(), "bash");
    let log = |outcome: &Outcome| {
        let errors = outcome.errors();
        errors
            .lines()
            .filter(|line| line.contains("children: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join("\n")
    };
    // Whoever is traced already can have no broker.
    let traced = |script: &str| {
        let mut command = sandbox.command("strace");
        command.args(["-f", "-o", "/dev/null"]).arg(&bundle).args(["-c", script]).env("UNIBIN_LOG", "1");
        Sandbox::finish(&mut command)
    };
    let first = traced("uname -m; id -u");
    assert_eq!(first.text(), format!("riscv64\n{}\n", sandbox.uid()), "{first}");
    assert!(
        log(&first).contains("not by a broker") && log(&first).contains("by a private binfmt_misc"),
        "{first}"
    );
    // The next start has no tracer: it begins with the best way again.
    let again = sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &["-c", "uname -m"]);
    assert_eq!(log(&again), "unibin: children: attended to by a broker");
    assert_eq!(again.text(), "riscv64\n");
    // So it does where there is no other.
    let limited = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" -c 'uname -m'";
    let mut command = sandbox.command("unshare");
    command.args(["-Ur", "sh", "-c", limited]).arg(&bundle).env("UNIBIN_LOG", "1");
    let without = Sandbox::finish(&mut command);
    assert!(log(&without).contains("attended to by a broker"), "{without}");
    assert_eq!(without.text(), "riscv64\n");

    // Where nothing works the app runs all the same, and says so once.
    let with_nothing = |bundle: &Path, script: &str| {
        let limited =
            "echo 0 > /proc/sys/user/max_user_namespaces; exec strace -f -o /dev/null \"$0\" -c \"$1\"";
        let mut command = sandbox.command("unshare");
        command.args(["-Ur", "sh", "-c", limited]).arg(bundle).arg(script);
        Sandbox::finish(&mut command)
    };
    // unibin's own emulator does it itself then.
    let itself = with_nothing(&bundle, "arch; arch | cat");
    assert_eq!((itself.text().as_str(), itself.errors().as_str()), ("riscv64\nriscv64\n", ""), "{itself}");
    let debians = sandbox.copy(&shell_of_debian(), "debians");
    let nothing = |script: &str| with_nothing(&debians, script);
    let first = nothing("echo up");
    assert_eq!(first.text(), "up\n", "{first}");
    let errors = first.errors();
    for part in [
        "unibin: child programs for riscv64 cannot run here",
        "\nunibin:   by a broker: ",
        "\nunibin:   by a private",
        "\nunibin:   by the emulator: ",
        "hint: ",
    ] {
        assert!(errors.contains(part), "`{part}`: {first}");
    }
    let second = nothing("echo up");
    assert_eq!((second.text().as_str(), second.errors().as_str()), ("up\n", ""), "{second}");

    // Below the app of another bundle, that one's broker attends.
    let below = Sandbox::new();
    let outer = below.copy(&shell(), "bash");
    let limited = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" -c \"$1\"";
    let inner = below.copy(&bundle, "inner");
    let script = format!("{} -c 'arch; arch | cat'", inner.display());
    let mut command = below.command("unshare");
    let ran = Sandbox::finish(command.args(["-Ur", "sh", "-c", limited]).arg(outer).arg(script));
    assert_eq!((ran.text().as_str(), ran.errors().as_str()), ("riscv64\nriscv64\n", ""), "{ran}");
    let neither = sandbox.run_with(
        &[("UNIBIN_LOG", "1"), ("UNIBIN_CHILDREN", "broker")],
        Path::new("strace"),
        &["-f", "-o", "/dev/null", bundle.to_str().expect("text"), "-c", "echo up"],
    );
    assert_eq!(neither.text(), "up\n", "{neither}");
    assert!(log(&neither).contains("children: none"), "{neither}");
}

#[test]
fn what_a_container_forbids_leaves_the_other_way() {
    needs!("network", "namespaces", "binfmt", "ptrace", "strace", "python3");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&shell(), "bash");
    let debians = sandbox.copy(&shell_of_debian(), "debians");
    let run = |bundle: &Path, forbidden: &str, way: &str| {
        // With nobody to attend to it, it is the host's.
        let script = "[ \"$(arch)\" = riscv64 ] && echo attended; echo up";
        confined(&sandbox, forbidden, way, bundle, &["-c", script])
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
        let ran = run(&debians, forbidden, way);
        assert_eq!(ran.text(), said, "{forbidden}, {way}: {ran}");
        let explained = ran.errors().contains("unibin: child programs for riscv64 cannot run here");
        assert_eq!(explained, forbidden == "ptrace namespaces", "{forbidden}, {way}: {ran}");
    }
    // Once.
    let again = run(&debians, "ptrace namespaces", "auto");
    assert!(!again.errors().contains("unibin: "), "{again}");
    // unibin's own emulator needs neither.
    let itself = run(&bundle, "ptrace namespaces", "auto");
    assert_eq!((itself.text().as_str(), itself.errors().as_str()), ("attended\nup\n", ""), "{itself}");
}
