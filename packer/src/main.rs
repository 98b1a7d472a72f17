//! `unibin`: packs a Linux program into one executable file that runs on every Linux CPU.
//! Each command is a file; this one only picks it, and turns what it gives into output and an exit code.

mod additions;
mod also_target;
mod app;
mod archive;
mod archives;
mod assemble;
mod binfmt;
mod builtin_paths;
mod bundle_file;
mod cache_cmd;
mod cli;
mod complete;
mod compress;
mod content;
mod deb;
mod elf;
mod emulator_cmd;
mod emulator_only;
mod emulators;
mod error;
mod extract;
mod families;
mod gather;
mod gconv;
mod hash;
mod head;
mod hosts;
mod in_use;
mod inspect;
mod json;
mod known;
mod layers;
mod libs;
mod listing;
mod lock_file;
mod missing;
mod native;
mod notices;
mod pack;
mod place;
mod progress;
mod report;
mod request;
mod run;
mod say;
mod search_path;
mod shared;
mod sources;
mod sparse;
mod spool;
mod summary;
mod trace;
mod transfer;
mod unscripted;
mod variants;
mod verify;
mod words;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let command = Cli::from_command_line().command;
    if let Command::Run(args) = &command {
        return run::run(args);
    }
    let done = place::clean_up_on_signals().map_err(error::Error::Temporary).and_then(|()| match command {
        Command::Pack(args) => pack::pack(*args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Verify(args) => verify::verify(&args.file),
        Command::Extract(args) => extract::extract(&args),
        Command::Hosts(args) => Ok(hosts::hosts(args.json)),
        Command::Targets(args) => Ok(hosts::targets(args.json)),
        Command::Binfmt(command) => binfmt::binfmt(&command),
        Command::Emulator(command) => emulator_cmd::emulator(&command),
        Command::Cache(command) => cache_cmd::cache(&command),
        Command::Run(_) => Ok(String::new()),
    });
    match done {
        Ok(text) => say::output(&text),
        Err(error) => say::failure(&error),
    }
}
