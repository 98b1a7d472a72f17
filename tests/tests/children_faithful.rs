//! What the broker leaves alone in programs that start others: memory that is shared, rights, files.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use bundle::Arch;
use end_to_end::{
    Outcome, Sandbox, User, compile, compile_go, kill, needs, own, shell, shell_of_debian, until,
};

/// bash and the smallest tools, for riscv64.
fn tools(sandbox: &Sandbox) {
    sandbox.copy(&shell(), "bash");
}

fn bash(sandbox: &Sandbox, script: &str) -> Outcome {
    sandbox.run(&sandbox.at("bash"), &["-c", script])
}

/// The bundle `bash`, and where its tree was extracted.
fn bash_and_its_tree(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let bundle = sandbox.copy(&shell_of_debian(), "bash");
    let to = sandbox.at("tree");
    let extract = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", to.to_str().expect("text"))];
    sandbox.run_with(&extract, &bundle, &[""; 0]).must_succeed();
    (bundle, to)
}

fn lend(sandbox: &Sandbox) {
    let program = compile("lend", &[own("lend.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "lend");
}

/// Ways in which a child uses its parent's memory until it executes a program, of `tests/programs/lend.c`.
const LENT: [&str; 4] = ["clone", "clone3", "vfork", "spawn"];

#[test]
fn memory_that_a_parent_has_lent_or_threads_share_is_as_it_was() {
    needs!("network", "ptrace", "zig");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    lend(&sandbox);
    for way in LENT {
        for how in ["runs", "fails"] {
            let ran = bash(&sandbox, &format!("exec ./lend {way} /usr/bin/true 50 {how}"));
            assert_eq!(ran.text(), "as it was\n", "{way} {how}: {ran}");
        }
    }
    // A parent that waits for a child with memory of its own has lent nothing.
    let ran = bash(&sandbox, "exec ./lend copy /usr/bin/true 5 runs");
    assert_eq!(ran.text(), "as it was\n", "{ran}");
    let ran = bash(&sandbox, "exec ./lend thread /usr/bin/true 50 fails");
    assert_eq!(ran.text(), "as it was\n", "{ran}");
}

#[test]
fn ten_thousand_children_leave_nothing_in_memory_that_was_lent_to_them() {
    needs!("network", "ptrace", "zig", "minutes");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    lend(&sandbox);
    // Calls that fail after they have been changed: no program is as fast.
    let ran = bash(&sandbox, "exec ./lend vfork /usr/bin/true 10000 fails");
    assert_eq!(ran.text(), "as it was\n", "{ran}");
}

#[test]
fn go_starts_programs_of_the_app_from_many_stacks() {
    needs!("network", "ptrace", "go");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    let program = compile_go("workers").expect("go");
    sandbox.write("workers", &fs::read(program).expect("workers"));
    let ran = bash(&sandbox, "exec ./workers /usr/bin/echo 20");
    assert_eq!(ran.text(), "as it was\n", "{ran}");
}

#[test]
fn a_start_below_a_tracer_changes_nothing_for_later_ones() {
    needs!("network", "ptrace", "strace", "binfmt");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    let bundle = sandbox.at("bash");
    let log = |command: &mut std::process::Command| {
        let ran = Sandbox::finish(command.env("UNIBIN_LOG", "1"));
        assert_eq!(ran.text(), "riscv64\n", "{ran}");
        ran.errors()
    };
    let script = ["-c", "/usr/bin/env uname -m"];
    let mut strace = sandbox.command("strace");
    let traced = log(strace.args(["-f", "-o", "/dev/null"]).arg(&bundle).args(["-c", "uname -m"]));
    assert!(traced.contains("attended to by a private binfmt_misc"), "{traced}");
    let after = log(sandbox.command(&bundle).args(script));
    assert!(after.contains("attended to by a broker"), "{after}");
}

/// proot reads a program's header itself, and looks on the host for a loader that is the tree's. Where
/// nothing attends to them, paths mean the host's programs.
#[test]
fn below_proot_programs_of_the_app_run_or_one_line_says_why_they_cannot() {
    needs!("network", "ptrace", "proot");
    let script = ["-c", "/usr/bin/uname -m; exit 7"];
    for (bundle, said, warned) in [(shell(), "riscv64\n", false), (shell_of_debian(), "x86_64\n", true)] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&bundle, "bash");
        let ran = Sandbox::finish(sandbox.command("proot").arg(&bundle).args(script));
        assert_eq!((ran.code(), ran.text().as_str()), (Some(7), said), "{ran}");
        let why = ran.errors().contains("private binfmt_misc: proot starts programs without it");
        assert_eq!(
            why && ran.errors().contains("child programs for riscv64 cannot run here"),
            warned,
            "{ran}"
        );
    }
}

#[test]
fn a_file_system_that_is_served_from_below_the_app_holds_nobody_up() {
    needs!("network", "ptrace", "zig", "mounts", "fuse");
    let sandbox = Sandbox::of(User::Tester);
    tools(&sandbox);
    let program = compile("served", &[own("served.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "served");
    sandbox.make_directory("there");
    // The server starts a program of the app before it says that there is no such file.
    let script = "exec 3< <(exec ./served there /usr/bin/true 2>&1); read said <&3; echo $said
        server=$!; ./there/program; echo $?; uname -m; kill $server";
    let mut command = sandbox.command("timeout");
    command.args(["-s", "KILL", "50", "unshare", "--mount"]).arg(sandbox.at("bash")).args(["-c", script]);
    let ran = Sandbox::finish(&mut command);
    assert_eq!(ran.text(), "mounted\n127\nriscv64\n", "{ran}");
}

#[test]
fn a_file_that_the_caller_may_not_execute_is_not_executed_by_the_brokers_rights() {
    needs!("network", "ptrace", "root", "setpriv", "dash");
    let sandbox = Sandbox::of(User::Tester);
    tools(&sandbox);
    sandbox.write("host-dash", &fs::read("/usr/bin/dash").expect("dash"));
    sandbox.write("secret", b"#!/usr/bin/echo first line\n");
    for (mode, said) in [(0o700, "126\n"), (0o755, "first line ./secret\n0\n")] {
        fs::set_permissions(sandbox.at("secret"), fs::Permissions::from_mode(mode)).expect("mode");
        chown(sandbox.at("secret"), Some(4242), Some(4242)).expect("owner");
        // root without the right to read what is not its own.
        let without = "--bounding-set=-dac_override,-dac_read_search";
        let script = format!("exec /usr/bin/setpriv {without} ./host-dash -c './secret; echo $?'");
        let ran = bash(&sandbox, &script);
        assert_eq!(ran.text(), said, "{mode:o}: {ran}");
    }
}

#[test]
fn a_directory_by_any_number_is_looked_at_with_fewer_rights() {
    needs!("network", "ptrace", "root", "setpriv", "zig");
    let sandbox = Sandbox::of(User::Tester);
    tools(&sandbox);
    let program = compile("at", &[own("at.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "at");
    for number in [0, 1, 2, 7] {
        // The program of the tree says what it is on an output that is still one.
        let at = "program=$(command -v uname); exec /usr/bin/setpriv --bounding-set=-dac_override,-dac_read_search";
        let script = format!("{at} ./at {number} ${{program%/*}} uname --invalid");
        let ran = bash(&sandbox, &script);
        // 1: an option that uname does not know; 9: not executed.
        assert_eq!(ran.code(), Some(1), "{number}: {ran}");
    }
}

#[test]
fn a_user_who_is_not_root_and_has_capabilities_can_give_them_up() {
    needs!("network", "ptrace", "root", "setpriv", "dash");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    sandbox.write("host-dash", &fs::read("/usr/bin/dash").expect("dash"));
    fs::set_permissions(sandbox.at("host-dash"), fs::Permissions::from_mode(0o755)).expect("mode");
    let uid = sandbox.uid();
    for without in ["", "/usr/bin/setpriv --ambient-caps=-all --inh-caps=-all"] {
        let mut command = sandbox.command("setpriv");
        command
            .uid(0)
            .gid(0)
            .arg("--clear-groups")
            .args([format!("--reuid={uid}"), format!("--regid={uid}")]);
        command.args(["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]);
        let script = format!("exec {without} ./host-dash -c '/usr/bin/uname -m'");
        command.arg(sandbox.at("bash")).args(["-c", &script]);
        let ran = Sandbox::finish(&mut command);
        assert_eq!(ran.text(), "riscv64\n", "{without}: {ran}");
    }
}

#[test]
fn what_an_opaque_program_cannot_start_is_said_once() {
    needs!("network", "ptrace", "zig");
    let sandbox = Sandbox::new();
    sandbox.copy(&shell_of_debian(), "bash");
    let program = compile("opaque", &[own("opaque.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "opaque");
    let ran = bash(&sandbox, "for again in 1 2; do ./opaque $(command -v uname); echo $?; done");
    assert_eq!(ran.text(), "9\n9\n", "{ran}");
    let said = "cannot start programs of the app";
    assert_eq!(ran.errors().matches(said).count(), 1, "{ran}");
    // What the kernel runs by itself, such as a program that only the host has, is no failure, and what is
    // missing is none of ours.
    let ran = bash(&sandbox, "./opaque /usr/bin/dash </dev/null; echo $?; ./opaque /missing; echo $?");
    assert_eq!((ran.text().as_str(), ran.errors().as_str()), ("0\n9\n", ""), "{ran}");
}

#[test]
fn a_call_that_only_asks_executes_nothing() {
    needs!("network", "ptrace", "zig");
    let sandbox = Sandbox::new();
    sandbox.copy(&shell_of_debian(), "bash");
    let program = compile("exec-check", &[own("exec-check.c")], Arch::X86_64).expect("zig");
    let program = sandbox.copy(&program, "exec-check");
    // In the cache, where the host's kernel sees a program of another CPU.
    let in_cache = |script: &str| sandbox.run_with(&HOSTS_UNAME, &sandbox.at("bash"), &["-c", script]);
    let uname = in_cache("command -v uname").must_succeed();
    let uname = uname.trim();
    let answers = sandbox.run(&program, &[uname, "/missing"]).must_succeed();
    let ran = in_cache(&format!("exec ./exec-check {uname} /missing"));
    assert_eq!(ran.text(), answers, "{ran}");

    // Nor is a broker asked, whom each program that our emulators start would cost twice otherwise: without
    // one, a call that is looked at fails.
    let mut command = sandbox.command(sandbox.at("bash"));
    command.args(["-c", &format!("exec ./exec-check '' {uname} /missing")]);
    let mut app = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    output.read_line(&mut String::new()).expect("a line");
    let brokers = || sandbox.processes().into_iter().filter(|process| process.name == "unibin-broker");
    assert!(kill("KILL", brokers().next().expect("a broker").id));
    until("the broker is gone", || brokers().next().is_none().then_some(()));
    drop(app.stdin.take());
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    assert_eq!(text, answers);
    assert!(app.wait().expect("ends").success());
}

/// What an emulator would refuse is refused by execve itself, as on a machine of the app's own CPU.
#[test]
fn what_the_kernel_would_not_load_is_refused_before_the_program_is_lost() {
    needs!("network", "ptrace", "python3");
    let sandbox = Sandbox::new();
    let (bundle, to) = bash_and_its_tree(&sandbox);
    // The same damage to a program of 64 bits, whichever CPU it is of; and a script's line that is cut.
    let python = "
import errno, os, subprocess, sys
whole = open(sys.argv[1], 'rb').read()
def patched(at, value): return whole[:at] + bytes(value) + whole[at + len(value):]
files = [whole[:60], whole[:64], whole[:100], patched(16, [1, 0]), patched(16, [4, 0]), patched(54, [55, 0]),
    patched(56, [0, 0]), patched(56, [255, 255]), patched(35, [127]), b'#!/usr/bin/echo ' + b'x' * 300 + b'\\n']
for content in files:
    with open('damaged', 'wb') as file: file.write(content)
    os.chmod('damaged', 0o755)
    try: print(len(subprocess.run(['./damaged'], stdout=subprocess.PIPE).stdout))
    except OSError as error: print(errno.errorcode[error.errno])
";
    sandbox.write("damaged.py", python.as_bytes());
    let native = sandbox.shell("exec /usr/bin/python3 damaged.py /usr/bin/true", &[""; 0]);
    assert_eq!(native.text().matches("ENOEXEC\n").count(), 9, "{native}");
    let script = format!("exec /usr/bin/python3 damaged.py {}/usr/bin/true", to.display());
    let ran = sandbox.run_with(&[("UNIBIN_CHILDREN", "broker")], &bundle, &["-c", &script]);
    assert_eq!((ran.text(), ran.errors().as_str()), (native.text(), ""), "{ran}");
}

#[test]
fn three_hundred_thousand_arguments_reach_a_program_of_the_app() {
    needs!("network", "ptrace", "python3");
    let sandbox = Sandbox::new();
    sandbox.copy(&shell_of_debian(), "bash");
    let python = "import subprocess, sys\n\
                  subprocess.run(['/usr/bin/bash', '-c', 'echo $#; uname -m', 'x'] + ['a'] * 300_000, check=True)\n";
    sandbox.write("many.py", python.as_bytes());
    // A quarter of the stack is for arguments, and never more than 6 MiB (execve(2)).
    let script = "ulimit -s 65536; UNIBIN_CHILDREN=broker exec ./bash -c 'exec /usr/bin/python3 many.py'";
    let ran = sandbox.shell(script, &[""; 0]);
    assert_eq!(ran.text(), "300000\nriscv64\n", "{ran}");
}

/// In the union the program of this path is the tree's.
const HOSTS_UNAME: [(&str, &str); 2] = [("UNIBIN_CHILDREN", "broker"), ("UNIBIN_VIEW", "host")];

#[test]
fn a_nameless_file_that_its_descriptor_closes_is_refused_before_anything_is_lost() {
    needs!("network", "ptrace", "python3");
    let sandbox = Sandbox::new();
    let (bundle, to) = bash_and_its_tree(&sandbox);
    let python = "
import errno, os, sys
for program in (sys.argv[1], '/usr/bin/uname'):
    for flags in (0, os.MFD_CLOEXEC):
        fd = os.memfd_create('m', flags); os.write(fd, open(program, 'rb').read())
        pid = os.fork()
        if pid == 0:
            try: os.execve(fd, ['uname', '-m'], os.environ)
            except OSError as e: os.write(1, errno.errorcode[e.errno].encode() + b'\\n'); os._exit(0)
        os.waitpid(pid, 0)
";
    sandbox.write("memfd.py", python.as_bytes());
    let script = format!("exec /usr/bin/python3 memfd.py {}/usr/bin/uname", to.display());
    let ran = sandbox.run_with(&HOSTS_UNAME, &bundle, &["-c", &script]);
    assert_eq!(ran.text(), "riscv64\nENOEXEC\nx86_64\nx86_64\n", "{ran}");
}

#[test]
fn a_64_bit_program_that_calls_the_32_bit_way_has_the_kernels_answer() {
    needs!("network", "ptrace", "zig", "i386");
    let sandbox = Sandbox::new();
    let (bundle, to) = bash_and_its_tree(&sandbox);
    let program = compile("int80", &[own("int80.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "int80");
    let run = |script: &str| sandbox.run_with(&HOSTS_UNAME, &bundle, &["-c", script]).text();
    let native = Sandbox::finish(sandbox.command("./int80").args(["/usr/bin/uname", "-m"]));
    assert_eq!(run("exec ./int80 /usr/bin/uname -m"), native.must_succeed());
    let of_the_app = format!("exec ./int80 {}/usr/bin/uname -m", to.display());
    assert_eq!(run(&of_the_app), "Exec format error\n");
    // What it starts by other calls is attended to as ever.
    assert_eq!(
        run(&format!("./int80 /nowhere; {}/usr/bin/uname -m", to.display())),
        "No such file or directory\nriscv64\n"
    );
}
