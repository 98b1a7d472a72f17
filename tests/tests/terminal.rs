//! Programs in a terminal: they draw and take keys there, and a shell's jobs are stopped and go on as they do
//! natively.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bundle::Arch;
use end_to_end::{Sandbox, Terminal, attends, needs, pack_if_there, shell, smallest, store, unibin, until};

#[test]
fn an_editor_draws_and_takes_keys() {
    needs!("network", "tmux");
    let options =
        ["--deb", "nano", "--target", "riscv64", "--native", "x86_64", "--hosts", "x86_64", "--level", "3"];
    let Some(packed) = pack_if_there(&options) else { return };
    for route in ["emulated", "native"] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "nano");
        let file = sandbox.write("text", b"a line to be seen\n");
        let line = format!("UNIBIN_ROUTE={route} exec {} {}", bundle.display(), file.display());
        let terminal = Terminal::open(&sandbox, &line);
        let screen = terminal.shows("the line", |screen| screen.contains("a line to be seen"));
        assert!(screen.contains("GNU nano"), "{route}: {screen}");
        terminal.keys(&["new ", "C-o", "Enter"]);
        let saved = || fs::read_to_string(&file).ok().filter(|text| text.starts_with("new a line"));
        until("the file is saved", saved);
        terminal.keys(&["C-x"]);
        terminal.ends();
    }
}

#[test]
fn a_shells_jobs_stop_and_go_on_with_its_own_cpus_programs_and_the_hosts() {
    needs!("network", "tmux");
    let packed = shell();
    for way in ["broker", "binfmt"] {
        if !attends(way) {
            continue;
        }
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "bash");
        // `sleep` is the tree's; this one is no tree's.
        sandbox.write("native", &fs::read("/usr/bin/sleep").expect("sleep"));
        let line = format!("PS1='ready> ' UNIBIN_CHILDREN={way} exec {} --norc -i", bundle.display());
        let terminal = Terminal::open(&sandbox, &line);
        terminal.shows("a prompt", |screen| screen.contains("ready>"));
        // Each program is known by its number, which no other run of this test has.
        let number = |which: u32| format!("{}{:05}", 10 + which, std::process::id() % 100_000);
        let [one, two, three, four, five, last] = [1, 2, 3, 4, 5, 6].map(number);
        let ends = Cell::new(0);
        for (job, first, other, second) in [
            (format!("sleep {one}"), vec![&one], format!("./native {two}"), &two),
            (format!("./native {three} | sleep {four}"), vec![&three, &four], format!("sleep {five}"), &five),
        ] {
            let all_run = || first.iter().all(|number| runs(number)).then_some(());
            let none_runs = || (!first.iter().any(|number| runs(number))).then_some(());
            let says = |screen: &str, state: &str| {
                screen.lines().any(|line| line.contains(state) && line.contains(&job))
            };
            // Typed in two parts, the end is on the screen when it is printed only; each has a number of its
            // own.
            let told = |line: &str| {
                ends.set(ends.get() + 1);
                let end = ends.get();
                terminal.keys(&[&format!("c=$?; clear; {line}; echo code $c e''nd {end}"), "Enter"]);
                terminal.shows("the end", |screen| screen.contains(&format!(" end {end}")))
            };
            terminal.keys(&["clear", "Enter", &job, "Enter"]);
            until("the job runs", all_run);
            terminal.keys(&["C-z"]);
            terminal.shows("the job is stopped", |screen| says(screen, "Stopped"));
            let screen = told("bg >/dev/null; jobs");
            assert!(says(&screen, "Running"), "{way}: {screen}");
            // Another one in front: the terminal's key ends it, and it alone.
            terminal.keys(&[&other, "Enter"]);
            until("the other one runs", || runs(second).then_some(()));
            terminal.keys(&["C-c"]);
            until("the other one ends", || (!runs(second)).then_some(()));
            let screen = told("jobs");
            assert!(screen.contains("code 130") && says(&screen, "Running"), "{way}: {screen}");
            // Again where the key came before the shell had brought the job to the front.
            until("the job ends", || {
                terminal.keys(&["fg", "Enter"]);
                thread::sleep(Duration::from_millis(300));
                terminal.keys(&["C-c"]);
                none_runs()
            });
            let screen = told("jobs");
            assert!(!says(&screen, "Running") && !says(&screen, "Stopped"), "{way}: {screen}");
        }
        terminal.keys(&[&format!("exec sleep {last}"), "Enter"]);
        until("the last one runs", || runs(&last).then_some(()));
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
    needs!("network", "script");
    let sandbox = Sandbox::new();
    let smallest = smallest(Arch::Riscv64);
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
        // A terminal that can do nothing is shown no progress.
        .env("TERM", "xterm")
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
