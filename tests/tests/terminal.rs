//! Programs in a terminal: they draw and take keys there, and a shell's jobs are stopped and go on as they do natively.

use std::fs;
use std::process::{Command, Stdio};

use bundle::Arch;
use end_to_end::{SMALLEST, Sandbox, Terminal, pack, store, unibin, until, without};

#[test]
fn an_editor_draws_and_takes_keys() {
    let options =
        ["--deb", "nano", "--target", "riscv64", "--native", "x86_64", "--hosts", "x86_64", "--level", "3"];
    let packed = pack(&options);
    for route in ["emulated", "native"] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "nano");
        let file = sandbox.write("text", b"a line to be seen\n");
        let line = format!("UNIBIN_ROUTE={route} exec {} {}", bundle.display(), file.display());
        let Some(terminal) = Terminal::open(&sandbox, &line) else {
            without("tmux", "it is not installed");
            return;
        };
        let screen = terminal.shows("a line to be seen");
        assert!(screen.contains("GNU nano"), "{route}: {screen}");
        terminal.keys(&["new ", "C-o", "Enter"]);
        until(|| fs::read_to_string(&file).ok().filter(|text| text.starts_with("new a line")));
        terminal.keys(&["C-x"]);
        terminal.ends();
    }
}

#[test]
fn a_shells_jobs_stop_and_go_on_with_its_own_cpus_programs_and_the_hosts() {
    let options =
        ["--deb", "bash", "--deb", "coreutils", "--entry", "bash=/usr/bin/bash", "--target", "riscv64"];
    let packed = pack(&[&options[..], &["--hosts", "x86_64", "--level", "3"]].concat());
    for way in ["broker", "binfmt"] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "bash");
        // `sleep` is the tree's; this one is no tree's.
        sandbox.write("native", &fs::read("/usr/bin/sleep").expect("sleep"));
        let line = format!("PS1='ready> ' UNIBIN_CHILDREN={way} exec {} --norc -i", bundle.display());
        let Some(terminal) = Terminal::open(&sandbox, &line) else {
            without("tmux", "it is not installed");
            return;
        };
        terminal.shows("ready>");
        // Each program is known by its number.
        for (job, first, other, second) in [
            ("sleep 1001", "1001", "./native 1002", "1002"),
            ("./native 1003 | sleep 1004", "1004", "sleep 1005", "1005"),
        ] {
            terminal.keys(&["clear", "Enter", job, "Enter"]);
            until(|| runs(first).then_some(()));
            terminal.keys(&["C-z"]);
            let screen = terminal.shows("Stopped");
            assert!(screen.contains(job), "{way}: {screen}");
            terminal.keys(&["bg; clear; jobs", "Enter"]);
            terminal.shows("Running");
            // Another one in front: the terminal's key ends it, and it alone.
            terminal.keys(&[other, "Enter"]);
            until(|| runs(second).then_some(()));
            terminal.keys(&["C-c"]);
            until(|| (!runs(second)).then_some(()));
            terminal.keys(&["echo code $?; jobs", "Enter"]);
            let screen = terminal.shows("code 130");
            assert!(runs(first) && screen.contains("Running"), "{way}: {screen}");
            terminal.keys(&["fg", "Enter"]);
            terminal.shows("fg");
            // Pressed again where the shell was still about to bring the job to the front.
            until(|| {
                terminal.keys(&["C-c"]);
                (!runs(first)).then_some(())
            });
            terminal.keys(&["clear; jobs; echo e''nd", "Enter"]);
            let screen = terminal.shows("end");
            assert!(!screen.contains("Running"), "{way}: {screen}");
        }
        terminal.keys(&["exec sleep 1006", "Enter"]);
        until(|| runs("1006").then_some(()));
        terminal.keys(&["C-c"]);
        terminal.ends();
    }
}

/// Whether there is a process with this as its last argument.
fn runs(argument: &str) -> bool {
    let end = format!("\0{argument}\0");
    let is = |process: fs::DirEntry| {
        fs::read(process.path().join("cmdline")).is_ok_and(|line| line.ends_with(end.as_bytes()))
    };
    fs::read_dir("/proc").expect("/proc").flatten().any(is)
}

#[test]
fn packing_shows_how_far_it_is_on_a_terminal_and_nothing_in_a_pipe() {
    let sandbox = Sandbox::new();
    let smallest = SMALLEST.iter().find(|smallest| smallest.target == Arch::Riscv64).expect("a row");
    let program = sandbox.write("program", &smallest.elf());
    let ballast: Vec<u8> =
        (0..4_000_000u32).flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    let ballast = sandbox.write("ballast", &ballast);
    let add = format!("{}:ballast", ballast.display());
    let words = |out: &str| {
        let out = sandbox.at(out).display().to_string();
        let words =
            [program.to_str().expect("text"), "--add", &add, "--hosts", "x86_64", "--level", "9", "-o", &out];
        words.map(str::to_owned)
    };
    let piped = Sandbox::finish(unibin().arg("pack").args(words("piped")));
    piped.must_succeed();
    assert_eq!(piped.errors(), "");

    // `script` is a terminal that writes down what it shows.
    let quoted: Vec<_> = words("shown").iter().map(|word| format!("'{word}'")).collect();
    let mut script = Command::new("script");
    let line = format!("exec \"$UNIBIN_PROGRAM\" pack {}", quoted.join(" "));
    script
        .args(["-qec", &line, "/dev/null"])
        .env("UNIBIN_PROGRAM", unibin().get_program())
        .env("UNIBIN_STORE", store());
    let shown = Sandbox::finish(script.stdin(Stdio::null()));
    shown.must_succeed();
    let text = shown.text();
    for part in ["app for riscv64", "compressing", "/15.26 MiB", "/s "] {
        assert!(text.contains(part), "`{part}` in {shown}");
    }
    assert_eq!(
        fs::read(sandbox.at("piped")).expect("a bundle"),
        fs::read(sandbox.at("shown")).expect("a bundle")
    );
}
