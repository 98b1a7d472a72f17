//! What QEMU's own options are good for reaches a bundle by `UNIBIN_EMULATOR_OPTIONS`: its trace, its CPU
//! models, its port for a debugger; and `UNIBIN_DO=notices` says what is owed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, Outcome, SAYS, Sandbox, needs, pack_by_hand, pack_if_there, smallest};

/// A bundle of the smallest program for riscv64, which starts at 0x400100.
fn packed(sandbox: &Sandbox) -> PathBuf {
    let smallest = smallest(Arch::Riscv64);
    let program = sandbox.write("program", &smallest.elf());
    let packed = sandbox.at("packed");
    let host = ["--hosts".as_ref(), "x86_64".as_ref(), "--level".as_ref(), "3".as_ref()];
    pack_by_hand(&[&[program.as_os_str()][..], &host].concat(), &packed).must_succeed();
    sandbox.copy(&packed, "bundle")
}

fn run(sandbox: &Sandbox, bundle: &PathBuf, options: &str) -> Outcome {
    Sandbox::finish(sandbox.command(bundle).env("UNIBIN_EMULATOR_OPTIONS", options))
}

#[test]
fn options_are_words_between_blanks_or_lines_and_change_nothing_else() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let by_name = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_STRACE", "1"));
    for traced in [run(&sandbox, &bundle, "-strace"), by_name] {
        assert_eq!((traced.code(), traced.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{traced}");
        assert!(traced.errors().contains("exit(42)") && traced.errors().contains("write(1,"), "{traced}");
    }
    let log = sandbox.make_directory("two words").join("log");
    let lines = run(&sandbox, &bundle, &format!("-strace\n-D\n{}\n", log.display()));
    assert_eq!((lines.code(), lines.errors().as_str()), (Some(CODE_OF_ENDING), ""), "{lines}");
    assert!(std::fs::read_to_string(log).expect("the trace").contains("exit(42)"));
    assert_eq!(run(&sandbox, &bundle, " -cpu  rv64 ").code(), Some(CODE_OF_ENDING));
    let unknown = run(&sandbox, &bundle, "-cpu no-such-cpu");
    assert!(unknown.errors().contains("no-such-cpu") && unknown.code() != Some(CODE_OF_ENDING), "{unknown}");
}

/// Waits until `ready` gives something, as long as the app runs.
fn waits_for_a_debugger<T>(app: &mut Child, ready: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(app.try_wait().expect("its state").is_none(), "it ended without waiting for a debugger");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_debugger_drives_the_app_through_qemus_port() {
    needs!("network", "gdb-multiarch");
    let gdb = "gdb-multiarch";
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let port = sandbox.at("port");
    let mut command = sandbox.command(&bundle);
    command.env("UNIBIN_GDB", &port);
    let mut app = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    waits_for_a_debugger(&mut app, || port.exists().then_some(()));
    let remote = format!("target remote {}", port.display());
    let commands = ["set architecture riscv:rv64", &remote, "p/x $pc", "stepi", "p/x $a7", "continue"];
    let session: Outcome = Command::new(gdb)
        .args(["-nx", "-batch"])
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .output()
        .expect("gdb starts")
        .into();
    let told = session.text();
    assert!(told.contains("$1 = 0x400100"), "it waits at the program's first instruction: {session}");
    assert!(told.contains("$2 = 0x40"), "one instruction later the number of write(2) is loaded: {session}");
    assert!(told.contains("exited with code 052"), "it runs to its end: {session}");
    let ended: Outcome = app.wait_with_output().expect("ended").into();
    assert_eq!((ended.code(), ended.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{ended}");
}

/// The addresses on which somebody listens at `port`, as `proc_pid_net(5)` has them in `/proc/net/tcp`: in
/// hexadecimal digits, in the order of the machine's bytes.
fn listening(port: u16) -> Vec<String> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(&"0A")) = (fields.get(1), fields.get(3)) else { continue };
            let address = local.strip_suffix(&format!(":{port:04X}"));
            found.extend(address.map(str::to_owned));
        }
    }
    found
}

#[test]
fn a_debuggers_port_is_open_to_this_machine_alone() {
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    // Freed again: nobody else listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let port = port.port();
    let mut app = sandbox.command(&bundle).env("UNIBIN_GDB", port.to_string()).spawn().expect("started");
    let addresses =
        waits_for_a_debugger(&mut app, || Some(listening(port)).filter(|found| !found.is_empty()));
    app.kill().expect("killed");
    app.wait().expect("ended");
    assert_eq!(addresses, ["0100007F"], "127.0.0.1 alone");
}

#[test]
fn a_debugger_sees_the_calls_through_the_trees_libraries() {
    needs!("network", "gdb-multiarch");
    let sandbox = Sandbox::new();
    let options =
        ["--entry", "bash=/usr/bin/bash", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    let Some(packed) = pack_if_there(&[&["--deb", "bash"][..], &options].concat()) else { return };
    let bundle = sandbox.copy(&packed, "bash");
    let tree = sandbox.at("tree");
    let extract = [("UNIBIN_DO", "extract".as_ref()), ("UNIBIN_TO", tree.as_os_str())];
    Sandbox::finish(sandbox.command(&bundle).envs(extract)).must_succeed();
    let socket = sandbox.at("socket");
    let mut command = sandbox.command(&bundle);
    command.args(["-c", "echo from the app"]).env("UNIBIN_GDB", &socket);
    let mut app = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    waits_for_a_debugger(&mut app, || socket.exists().then_some(()));
    let sysroot = format!("set sysroot {}", tree.display());
    let file = format!("file {}", tree.join("usr/bin/bash").display());
    let remote = format!("target remote {}", socket.display());
    let session: Outcome = Command::new("gdb-multiarch")
        .args(["-nx", "-batch"])
        .args(
            [&*sysroot, &*file, &*remote, "break write", "continue", "backtrace", "delete", "continue"]
                .iter()
                .flat_map(|command| ["-ex", command]),
        )
        .output()
        .expect("gdb starts")
        .into();
    let told = session.text();
    for function in ["in write () from ", "_IO_file_write () from ", "in echo_builtin ()", "in main ()"] {
        assert!(told.contains(function), "{function}: {session}");
    }
    assert!(told.contains("exited normally"), "{session}");
    let ended: Outcome = app.wait_with_output().expect("ended").into();
    assert_eq!((ended.code(), ended.text().as_str()), (Some(0), "from the app\n"), "{ended}");
}

#[test]
fn a_bundle_says_what_its_distributor_owes() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let said = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_DO", "notices")).must_succeed();
    for words in [
        "GNU GENERAL PUBLIC LICENSE",
        "source:       Debian source package qemu 1:10.0",
        "glib2.0 (= ",
        "qemu_10.0.13+ds.orig.tar.xz",
    ] {
        assert!(said.contains(words), "`{words}` is missing");
    }
}
