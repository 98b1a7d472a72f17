//! `unibin`: packs a Linux program into one executable file that runs on every Linux architecture. Each
//! command is a file; this one selects it, and turns its result into output and an exit code.
//!
//! The directories lie in layers, and each uses only those after it: `release`; `commands`; `compose`;
//! `pack`; `machine`; `resolve`; `debootstrap`; `image`; `write`; `emulators`; `packages`; `components`;
//! `system`; `relocate`; `input`; `request`; `tree`; `signatures`; `project`; then `error`, `cli` and the
//! files beside this one. `cargo xtask tidy` refuses modules that use each other.

mod atomic_file;
mod bounds;
mod byte_search;
mod cli;
mod commands;
mod components;
mod compose;
mod configure;
mod debootstrap;
mod emulators;
mod error;
mod hash;
mod host_program;
mod image;
mod input;
mod json;
mod machine;
mod notices;
mod pack;
mod packages;
mod progress;
mod project;
mod release;
mod relocate;
mod request;
mod resolve;
mod say;
mod signatures;
mod source_date;
mod system;
mod tree;
mod units;
mod write;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let command = Cli::from_command_line().command;
    if let Command::Run(args) = &command {
        return commands::run::run(args);
    }
    let done =
        atomic_file::clean_up_on_signals().map_err(error::Error::Temporary).and_then(|()| match command {
            Command::Pack(args) => project::completed(*args).and_then(pack::pack),
            Command::Inspect(args) => commands::inspect::inspect(&args),
            Command::Verify(args) => commands::verify::verify(&args),
            Command::Extract(args) => commands::extract::extract(&args),
            Command::Sign(args) => commands::sign::sign(&args),
            Command::Merge(args) => compose::merge::merge(&args),
            Command::Thin(args) => compose::thin::thin(&args),
            Command::Replace(args) => compose::replace::replace(&args),
            Command::Check(args) => compose::check::check(&args),
            Command::Init(args) => project::init::init(&args),
            Command::Plan(args) => release::plan::plan(&args),
            Command::Release(args) => release::release(&args),
            Command::Sbom(args) => commands::sbom::sbom(&args),
            Command::Oci(args) => commands::oci::oci(&args),
            Command::Hosts(args) => Ok(commands::hosts::hosts(args.json)),
            Command::Targets(args) => Ok(commands::hosts::targets(args.json)),
            Command::Binfmt(command) => commands::binfmt::binfmt(&command),
            Command::Emulator(command) => commands::emulator::emulator(&command),
            Command::Cache(command) => commands::cache::cache(&command),
            Command::Generate { directory } => commands::generate::generate(&directory),
            Command::Run(_) => Ok(String::new()),
        });
    match done {
        Ok(text) => say::output(&text),
        Err(error) => say::failure(&error),
    }
}
