//! `corpus list`, `corpus unpack TARGET DIR`, `corpus keep TARGET DIR`: between the one file that is kept and
//! the directory that libFuzzer works on. For `cargo xtask fuzz`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use fuzz::{TARGETS, corpus};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["list"] => {
            for target in TARGETS {
                println!("{} {}", target.name, target.max);
            }
            Ok(())
        }
        ["unpack", target, directory] => unpack(target, Path::new(directory)),
        ["keep", target, directory] => keep(target, Path::new(directory)),
        _ => Err(io::Error::other("it takes list, or unpack or keep with a target and a directory")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(target: &str, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (number, input) in corpus::read(target)?.iter().enumerate() {
        fs::write(directory.join(format!("kept-{number}")), input)?;
    }
    Ok(())
}

fn keep(target: &str, directory: &Path) -> io::Result<()> {
    let files = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let inputs = files.iter().map(|file| fs::read(file.path())).collect::<io::Result<Vec<_>>>()?;
    println!("{target}: {} inputs are kept", inputs.len());
    corpus::write(target, inputs)
}
