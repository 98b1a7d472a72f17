//! The project's own tasks, run as `cargo xtask TASK`: what a shell script would do elsewhere.
//!
//! One file per task. Nothing here is part of what users run.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod catalogue;
mod ci;
mod compiler;
mod cross;
mod distribution;
mod docs;
mod elf_rules;
mod examples;
mod foundry;
mod fuzz;
mod json;
mod lab;
mod launchers;
mod man;
mod marked_page;
mod package;
mod pip_tool;
mod rust_src;
mod shelf;
mod tables;
mod test;
mod tidy;
mod tools;
mod turn;
mod unibin;
mod verify;
mod workflows;
mod workspace;

use std::process::ExitCode;

// A task asks for it as `crate::workspace()`.
use workspace::workspace;

const USAGE: &str = "\
usage: cargo xtask TASK [OPTION...]

  test [--quick] [ARGUMENT...]
            run all tests for which this machine has what they need; list what it lacks and what did not run;
            --quick leaves out what needs a network, root or minutes;
            ARGUMENTs go to `cargo nextest run`, or to `cargo test` where that is not installed
  ci [--before 'SECONDS NAME']...
            run what continuous integration runs;
            --before names a step that was run before, for the table of seconds
  launchers [--check [--rotating]] [--only ARCH] [--out DIR]
            build the launchers and brokers into templates/launchers (or DIR);
            --check builds them elsewhere and compares byte for byte,
            --rotating those of two hosts, other ones with each commit
  catalogue [--check] [--allow-stale] [--mirror URL]
            write emulator/catalogue.toml from Debian's archives;
            --check says whether the committed one is up to date
  foundry [--host H]... [--target T]... [--check [--rotating]] [--jobs N] [--mirror URL]
          [--keep DIR] [--patch-dir DIR]
            build unibin's own emulators into foundry/HOST (foundry/README.md);
            --check compares them with the committed ones, with --rotating only one of them, a different one
            with each commit; --keep puts the programs into DIR; --patch-dir takes the patches of DIR
            instead of ours, and then nothing is written to foundry/
  foundry --update [--mirror URL]
            pin the newest source and build root that Debian's archive has
  bench start [--runs N]
            warm start of a bundle against direct execution, interleaved
  bench children [--runs N]
            starting a program of another architecture beside an emulated app, with and without broker
  bench pauth [--runs N]
            an aarch64 program with and without pointer authentication
  bench emulator [--runs N | --target T]
            unibin's own emulators against Debian's, 10.0 and 7.2, by processor time
  bench cold|pack|size|all [--runs N] [--tree DIR] [--write-docs]
            a large tree against tar, wrappe, makeself and squashfs: docs/benchmarks.md
  bench view [--runs N]
            calls that take a path: with the tree laid over the root, with QEMU's -L, with neither
  bench fetch
            bytes that an emulator takes over the network, host by host
  lab [all|each|rotating|HOST...|MACHINE...] [--case NAME] [--fast] [--from-logs] [--self-test] [--write-docs]
            boot Debian's kernels for eight architectures and run bundles there: docs/lab.md;
            `each` is one machine of each host, `rotating` three machines, one with large pages;
            --fast runs the same cases without booting, under user-mode emulation
  shelf [NAME...] [--target T] [--jobs N] [--resume] [--write-docs] [--rotating]
            pack real programs from Debian, run them, compare their output and files: docs/shelf.md;
            NAME is a row or a file of shelf/; --resume takes results that the same unibin has already;
            --rotating runs a few light rows, other ones with each commit
  examples  run every example of examples/ and check what it prints
  fuzz [TARGET...] [--seconds N | --runs N] [--ours] [--keep] [--seeds DIR]
            fuzz the parsers of untrusted input (docs/fuzzing.md);
            --ours builds and guides by our crates alone, which takes a minute;
            --keep adds inputs that reach new code to fuzz/corpus
  docs      check every relative link of the texts and build the book into target/book
  man       write man pages and shell completions into target/dist
  package   pack every published crate, build and install from what was packed
  cross HOST...
            build unibin as a static program for each HOST into target/cross/HOST/unibin; needs
            `rustup target add` for what the toolchain lacks. These are the builds in unibin.toml:
            `cargo run -- release` makes a bundle of unibin itself
  packages [--program FILE] [--out DIR]
            write a .deb and an .rpm of unibin (or of FILE) into target/packages (or DIR), and check them by
            installing each in an empty root
  workflows check .github/workflows
  tidy      check the project's rules that no compiler checks
  tools     install what the end-to-end tests use: C compiler, scanner
  verify    check the committed launchers and brokers against the rules for them
";

fn main() -> ExitCode {
    if let Some(compiled) = launchers::rustc::stand_in().or_else(fuzz::rustc::stand_in) {
        return compiled.unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        });
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((task, rest)) if task == "launchers" => launchers::run(rest),
        Some((task, rest)) if task == "catalogue" => catalogue::run(rest),
        Some((task, rest)) if task == "foundry" => foundry::run(rest),
        Some((task, rest)) if task == "lab" => lab::run(rest),
        Some((task, rest)) if task == "shelf" => shelf::run(rest),
        Some((task, rest)) if task == "cross" => cross::run(rest),
        Some((task, rest)) if task == "packages" => distribution::run(rest),
        Some((task, rest)) if task == "bench" => bench::run(rest),
        Some((task, rest)) if task == "fuzz" => fuzz::run(rest),
        Some((task, rest)) if task == "test" => test::run(rest),
        Some((task, rest)) if task == "ci" => ci::run(rest),
        Some((task, [])) if task == "examples" => examples::run(),
        Some((task, [])) if task == "docs" => docs::run(),
        Some((task, [])) if task == "man" => man::run(),
        Some((task, [])) if task == "package" => package::run(),
        Some((task, [])) if task == "workflows" => workflows::run(),
        Some((task, [])) if task == "tidy" => tidy::run(),
        Some((task, [])) if task == "tools" => tools::all(),
        Some((task, [])) if task == "verify" => verify::run(),
        Some((task, _)) if matches!(task.as_str(), "help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
