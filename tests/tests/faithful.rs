//! A bundle passes on what its caller gave and gives back what its app left, on both routes: as if the caller
//! had started the program, or the emulator with the program, by hand.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bundle::Arch;
use end_to_end::{
    Outcome, Report, Sandbox, bundle_of, caller, emulator_of, needs, pack, settled, tell, tell_bundle,
};

/// How the same app is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Hand,
    Bundle,
}

/// One app, to be started by hand and by its bundle.
struct Pair {
    sandbox: Sandbox,
    target: Arch,
    caller: PathBuf,
    by_hand: Vec<OsString>,
    bundle: PathBuf,
}

/// A route each: native and emulated.
fn pairs() -> Vec<Pair> {
    [Arch::X86_64, Arch::Riscv64].into_iter().filter_map(Pair::of).collect()
}

impl Pair {
    fn of(target: Arch) -> Option<Self> {
        let (program, packed, caller) = (tell(target)?, tell_bundle(target)?, caller()?);
        let sandbox = Sandbox::new();
        let program = sandbox.copy(&program, "program");
        let by_hand = if target == Arch::X86_64 {
            vec![program.into()]
        } else {
            let emulator = sandbox.copy(&emulator_of(target), "emulator");
            vec![emulator.into(), "-0".into(), "tell".into(), program.into()]
        };
        let bundle = sandbox.copy(&packed, "tell");
        Some(Self { caller: sandbox.copy(&caller, "caller"), sandbox, target, by_hand, bundle })
    }

    /// `caller SETTINGS WAY PROGRAM ARGUMENTS`.
    fn command<A: AsRef<OsStr>>(&self, by: By, settings: &[&str], way: &str, arguments: &[A]) -> Command {
        let mut command = self.sandbox.command(&self.caller);
        command.args(settings).arg(way);
        match by {
            By::Hand => command.args(&self.by_hand),
            By::Bundle => command.arg(&self.bundle),
        };
        command.args(arguments);
        command
    }

    fn run<A: AsRef<OsStr>>(&self, by: By, settings: &[&str], way: &str, arguments: &[A]) -> Outcome {
        Sandbox::finish(&mut self.command(by, settings, way, arguments))
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(self.sandbox.cache());
    }

    /// What the app inherits from a caller with these settings. Output and errors go to one file, so that
    /// what is open can be compared, and nothing may be written there.
    fn report(&self, by: By, settings: &[&str], way: &str) -> Report {
        let (file, said) = (self.sandbox.at("report"), self.sandbox.at("said"));
        let _ = fs::remove_file(&file);
        if !said.exists() {
            self.sandbox.write("said", b"");
        }
        let open = || Stdio::from(File::options().append(true).open(&said).expect("a file"));
        let mut command =
            self.command(by, settings, way, &[OsStr::new("report"), file.as_os_str(), "a b".as_ref()]);
        command.env("EMPTY", "").env("ODD", OsString::from_vec(b"two\nlines \xff='\"".to_vec()));
        let status = command.stdout(open()).stderr(open()).status().expect("starts");
        let said = fs::read_to_string(&said).expect("a file");
        // dash says so of every script that is started in such a directory, before it reads the first line.
        let said = said.replace("sh: 0: getcwd() failed: No such file or directory\n", "");
        assert_eq!((status.code(), said.as_str()), (Some(7), ""), "{} {by:?} {settings:?}", self.target);
        Report::read(&file)
    }
}

/// Variables that the shell that reads the stub may set, whatever the stub does, and the bundle's own three.
fn of_the_shell_or_ours(variable: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] =
        [b"PWD", b"OLDPWD", b"SHLVL", b"_", b"UNIBIN_FILE", b"UNIBIN_HOST", b"UNIBIN_TARGET"];
    NAMES.contains(&variable.split(|byte| *byte == b'=').next().unwrap_or_default())
}

/// A start without a cache and one with it, each compared with the start by hand.
#[track_caller]
fn inherits_as_by_hand(pair: &Pair, settings: &[&str], way: &str) {
    let expected = pair.report(By::Hand, settings, way);
    pair.forget();
    for start in ["first", "second"] {
        let told = pair.report(By::Bundle, settings, way);
        let what = format!("{}, {settings:?}, {start} start", pair.target);
        // Where dash complains of a directory that is gone, the file that takes the complaint has grown.
        let open =
            if settings.iter().any(|setting| setting.starts_with("gone=")) { "descriptor" } else { "" };
        let rest = |report: &Report| report.without(&["variable", "pid", open]).to_string();
        assert_eq!(rest(&told), rest(&expected), "{what}");
        let variables = |report: &Report| -> BTreeSet<Vec<u8>> {
            report.variables().into_iter().filter(|variable| !of_the_shell_or_ours(variable)).collect()
        };
        assert_eq!(variables(&told), variables(&expected), "{what}");
        let ours: BTreeSet<Vec<u8>> =
            told.variables().into_iter().filter(|v| v.starts_with(b"UNIBIN_")).collect();
        let file = format!("UNIBIN_FILE={}", pair.bundle.display());
        let target = format!("UNIBIN_TARGET={}", pair.target.name());
        let given = [file.as_str(), "UNIBIN_HOST=x86_64", &target].map(|text| text.as_bytes().to_vec());
        assert_eq!(ours, given.into(), "{what}");
    }
}

#[test]
fn a_plain_callers_state_is_inherited() {
    for pair in pairs() {
        inherits_as_by_hand(&pair, &[], "execv");
        inherits_as_by_hand(&pair, &[], "spawn");
    }
}

#[test]
fn ignored_and_blocked_signals_are_inherited() {
    for pair in pairs() {
        // HUP, INT, QUIT, USR1, PIPE, ALRM, TERM, TSTP, TTIN, TTOU, XFSZ, WINCH.
        let all: Vec<String> =
            [1, 2, 3, 10, 13, 14, 15, 20, 21, 22, 25, 28].map(|number| format!("ignore={number}")).to_vec();
        inherits_as_by_hand(&pair, &all.iter().map(String::as_str).collect::<Vec<_>>(), "execv");
        let told = pair.report(By::Bundle, &["ignore=13", "block=10"], "execv");
        assert_eq!(
            told.all("signal"),
            ["13 ignored", "10 blocked"],
            "{}: the app is asked, not guessed",
            pair.target
        );
        inherits_as_by_hand(
            &pair,
            &["block=1", "block=2", "block=10", "block=14", "block=15", "block=20"],
            "execv",
        );
    }
}

#[test]
fn limits_priority_and_timers_are_inherited() {
    for pair in pairs() {
        let limits = [
            "limit=nofile:40",
            "limit=core:0",
            "limit=cpu:1000",
            "limit=stack:4194304",
            "limit=memlock:65536",
        ];
        inherits_as_by_hand(&pair, &limits, "execv");
        inherits_as_by_hand(&pair, &["nice=5", "alarm=1000"], "execv");
        inherits_as_by_hand(&pair, &["nice=19"], "execv");
    }
}

#[test]
fn directory_and_umask_are_inherited() {
    for pair in pairs() {
        for umask in ["umask=0", "umask=0077", "umask=0777"] {
            // `report` could not write its file with the last.
            let settings = [umask, "umask=0022"];
            let settings = if umask == "umask=0777" { &settings[..] } else { &settings[..1] };
            inherits_as_by_hand(&pair, settings, "execv");
        }
        let directory = pair.sandbox.make_directory("with space\nand line");
        inherits_as_by_hand(&pair, &[&format!("directory={}", directory.display())], "execv");
        inherits_as_by_hand(&pair, &["directory=/"], "execv");
        // A directory that is gone has no name; the app is in it all the same.
        inherits_as_by_hand(&pair, &[&format!("gone={}", pair.sandbox.at("gone").display())], "execv");
    }
}

#[test]
fn descriptors_are_inherited_where_they_stand_and_closed_ones_stay_closed() {
    for pair in pairs() {
        let file = pair.sandbox.write("file", b"some bytes");
        let open = |number: u32| format!("open={number}:{}", file.display());
        let all: Vec<String> = [3, 4, 9, 10, 11, 12, 63, 255].map(open).to_vec();
        inherits_as_by_hand(&pair, &all.iter().map(String::as_str).collect::<Vec<_>>(), "execv");
        for closed in [&["close=0"][..], &["close=1"], &["close=2"], &["close=0", "close=1", "close=2"]] {
            inherits_as_by_hand(&pair, closed, "execv");
        }
        pair.forget();
        for start in ["first", "second"] {
            // A bit for each of the three that is closed; what is read or written would else go into our own
            // files.
            let ended = pair.run(By::Bundle, &["close=0", "close=1", "close=2"], "execv", &["closed"]);
            assert_eq!(ended.code(), Some(7), "{}, {start} start", pair.target);
        }
    }
}

#[test]
fn a_first_start_with_closed_streams_that_also_tells_its_steps_unpacks_what_is_inside() {
    for pair in pairs() {
        for closed in [&["close=2"][..], &["close=1", "close=2"], &["close=0", "close=1", "close=2"]] {
            pair.forget();
            let mut command = pair.command(By::Bundle, closed, "execv", &["exit", "5"]);
            assert_eq!(Sandbox::finish(command.env("UNIBIN_LOG", "1")).code(), Some(5), "{}", pair.target);
            let ended = pair.run(By::Bundle, &[], "execv", &["exit", "6"]);
            assert_eq!(
                ended.code(),
                Some(6),
                "{}: no step was written into a file of the cache",
                pair.target
            );
        }
    }
}

#[test]
fn arguments_arrive_byte_for_byte() {
    // MAX_ARG_STRLEN of <linux/binfmts.h> is 32 pages, with the NUL.
    let longest = vec![b'x'; 32 * 4096 - 1];
    let odd: [&[u8]; 13] = [
        b"",
        b"",
        b" ",
        b"line\nfeed\n",
        b"\xff\xfe\x80",
        b"'\"`$(id)\\",
        b"-0",
        b"--",
        b"-L",
        b"*",
        b"a=b",
        b"\x01\x7f",
        b"",
    ];
    let sets: [Vec<OsString>; 3] = [
        odd.iter().map(|bytes| OsString::from_vec(bytes.to_vec())).collect(),
        vec![OsString::from_vec(longest), "behind it".into()],
        (0..12_000).map(|number| format!("argument {number}").into()).collect(),
    ];
    for pair in pairs() {
        for set in &sets {
            let arguments: Vec<OsString> =
                ["report".into(), "-".into()].into_iter().chain(set.iter().cloned()).collect();
            let by_hand = Report::of(&pair.run(By::Hand, &[], "execv", &arguments).text()).arguments();
            let given: Vec<Vec<u8>> = set.iter().map(|argument| argument.as_bytes().to_vec()).collect();
            assert!(
                by_hand == given,
                "{}: {} of {}: {:?}",
                pair.target,
                by_hand.len(),
                given.len(),
                by_hand.first()
            );
            let ran = pair.run(By::Bundle, &[], "execv", &arguments);
            assert_eq!((ran.code(), ran.errors().as_str()), (Some(7), ""), "{}", pair.target);
            assert!(
                Report::of(&ran.text()).arguments() == by_hand,
                "{}: {} arguments",
                pair.target,
                set.len()
            );
        }
    }
}

#[test]
fn more_arguments_than_the_kernel_takes_are_refused_by_the_kernel_or_in_our_words() {
    for pair in pairs() {
        // Just below what the kernel lets a caller pass; the program's path and our variables come on top.
        let mut refused = 0;
        for spare in [0, 200, 400, 4096, 65536] {
            let room = (8 << 20) / 4 - spare;
            let mut command = pair.command(By::Bundle, &["limit=stack:8388608"], "execv", &["exit", "3"]);
            let used = 4096;
            command.args((0..(room - used) / 1009).map(|_| "x".repeat(1000)));
            let ended = Sandbox::finish(&mut command);
            match ended.code() {
                Some(3) => {}
                // caller's: the kernel said E2BIG at the first execve.
                Some(95) => refused += 1,
                _ => drop(ended.must_fail_with(126, &["argument list too long", "hint: "])),
            }
        }
        assert!(refused < 5, "{}: with 64 KiB to spare it starts", pair.target);
    }
}

#[test]
fn every_exit_code_is_the_apps() {
    for pair in pairs() {
        for code in 0..=255 {
            let ended = pair.run(By::Bundle, &[], "execv", &["exit", &code.to_string()]);
            assert_eq!((ended.code(), ended.errors().as_str()), (Some(code), ""), "{}", pair.target);
        }
    }
}

#[test]
fn every_signal_ends_the_process_as_by_hand() {
    needs!("zig");
    let (mut ended_by_signal, pairs) = (0, pairs());
    for pair in &pairs {
        for number in 1..32 {
            // Stops nobody: a process that is stopped would wait for ever.
            if (19..=22).contains(&number) {
                continue;
            }
            let die = |by| pair.run(by, &["limit=core:0"], "execv", &["die", &number.to_string()]);
            let (hand, bundle) = (die(By::Hand), die(By::Bundle));
            let end = |ended: &Outcome| (ended.code(), ended.signal(), ended.errors());
            assert_eq!(end(&bundle), end(&hand), "{}: signal {number}", pair.target);
            ended_by_signal += usize::from(bundle.signal() == Some(number));
        }
    }
    assert!(ended_by_signal >= 20 * pairs.len(), "{ended_by_signal}: signals do end processes here");
}

#[test]
fn a_stopped_app_is_seen_to_stop_and_goes_on() {
    for pair in pairs() {
        for number in 19..=22 {
            let stop = |by| {
                let ended = pair.run(by, &[], "stopped", &["stop", &number.to_string()]);
                (ended.code(), ended.text())
            };
            let bundle = stop(By::Bundle);
            assert_eq!(bundle, stop(By::Hand), "{}: signal {number}", pair.target);
            if number == 19 {
                assert_eq!(bundle, (Some(42), "stopped by 19\n".to_owned()), "{}", pair.target);
            }
        }
    }
}

/// What is typed comes on standard input of `caller session`, once the app has said something.
fn at_a_terminal(pair: &Pair, program: &[OsString], typed: &[u8]) -> Outcome {
    let mut command = pair.sandbox.command(&pair.caller);
    command.arg("limit=core:0").arg("session").args(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(typed).expect("typed");
    child.wait_with_output().expect("ends").into()
}

fn with<A: AsRef<OsStr>>(program: &[OsString], arguments: &[A]) -> Vec<OsString> {
    program.iter().cloned().chain(arguments.iter().map(|argument| argument.as_ref().to_owned())).collect()
}

#[test]
fn terminal_group_and_session_are_inherited() {
    for pair in pairs() {
        let report = |program: &[OsString]| {
            let ended = at_a_terminal(&pair, &with(program, &["report", "-"]), b"");
            assert_eq!(ended.code(), Some(7), "{}: {ended}", pair.target);
            // Each run has a terminal of its own.
            Report::of(&ended.text()).without(&["descriptor", "variable", "pid"])
        };
        let (hand, bundle) = (report(&pair.by_hand), report(&[pair.bundle.clone().into()]));
        assert_eq!(bundle.to_string(), hand.to_string(), "{}", pair.target);
        assert_eq!(bundle.all("terminal")[..3], ["0 yes", "1 yes", "2 yes"], "{}", pair.target);
        assert!(bundle.all("in").contains(&"the foreground yes"), "{bundle}");
        assert_eq!(bundle.all("leads"), ["its group yes", "its session yes"], "{}", pair.target);
    }
}

#[test]
fn keys_at_the_terminal_end_and_stop_the_app() {
    for pair in pairs() {
        for (key, signal) in [(b"\x03", 2), (b"\x1c", 3)] {
            for program in [&pair.by_hand[..], &[pair.bundle.clone().into()]] {
                let ended = at_a_terminal(&pair, &with(program, &["wait"]), key);
                assert_eq!(ended.signal(), Some(signal), "{}: {ended}", pair.target);
            }
        }
        // Under a shell that keeps jobs: ^Z stops the app, and the shell has the terminal again.
        let script = "\"$@\" wait; echo \"was $?\"; kill -CONT %1; kill -TERM %1; wait %1; echo \"then $?\"";
        let shell = ["bash", "-m", "-c", script, "bash"].map(OsString::from);
        let shell = with(&["/usr/bin/env".into()], &shell);
        for program in [&pair.by_hand[..], &[pair.bundle.clone().into()]] {
            let ended = at_a_terminal(&pair, &with(&shell, program), b"\x1a");
            let said = ended.text();
            assert!(said.contains("was 148") && said.contains("then 143"), "{}: {ended}", pair.target);
        }
    }
}

#[test]
fn the_app_is_the_process_that_was_started_and_leaves_none_behind() {
    for pair in pairs() {
        pair.forget();
        for start in ["first", "second"] {
            let mut command = pair.sandbox.command(&pair.bundle);
            command.args(["report", "-"]).stdout(Stdio::piped());
            let child = command.spawn().expect("starts");
            let pid = child.id();
            let ended = Outcome::from(child.wait_with_output().expect("ends"));
            let told = Report::of(&ended.text());
            assert_eq!(
                told.all("pid"),
                [format!("{pid} of {}", std::process::id())],
                "{}, {start} start",
                pair.target
            );
            assert_eq!(told.all("children"), ["none"], "{}, {start} start", pair.target);
        }
        pair.forget();
        for start in ["first", "second"] {
            // Whatever had been left by its parents would have become the caller's child.
            let ended = pair.run(By::Bundle, &[], "watch", &["exit", "9"]);
            // What syncs a new entry is left for a moment, to a caller that adopts orphans.
            let syncs = start == "first" && ended.errors().contains("a process is left");
            assert!(syncs || ended.code() == Some(9), "{}, {start} start: {ended}", pair.target);
            settled(&pair.sandbox.cache());
        }
    }
}

/// A shell waits for its own children, and the one that reads the stub may undo what its caller has set for
/// SIGCHLD.
#[test]
fn a_head_that_is_an_elf_file_leaves_even_sigchld_as_it_was() {
    let Some((program, caller)) = tell(Arch::X86_64).zip(caller()) else { return };
    let sandbox = Sandbox::new();
    let packed = pack(&[program.to_str().expect("text"), "--hosts", "x86_64", "--head", "elf:x86_64"]);
    let (bundle, caller) = (sandbox.copy(&packed, "tell"), sandbox.copy(&caller, "caller"));
    for start in ["first", "second"] {
        let mut command = sandbox.command(&caller);
        let ran = Sandbox::finish(
            command.args(["ignore=17", "block=17", "execv"]).arg(&bundle).args(["report", "-"]),
        );
        assert_eq!(Report::of(&ran.text()).all("signal"), ["17 ignored", "17 blocked"], "{start} start");
    }
}

#[test]
fn a_variable_that_no_shell_could_have_set_is_kept_by_an_elf_head() {
    needs!("network");
    let sandbox = Sandbox::new();
    let packed = bundle_of(Arch::X86_64, "x86_64", &["--head", "elf:x86_64"]);
    let bundle = sandbox.copy(&packed, "busybox");
    let mut command = sandbox.command(&bundle);
    let printed = Sandbox::finish(command.arg("env").env("a.b-c", "kept").env("BASH_FUNC_f%%", "() { :; }"));
    let printed = printed.must_succeed();
    assert!(printed.contains("a.b-c=kept\n") && printed.contains("BASH_FUNC_f%%=() { :; }\n"), "{printed}");
}
