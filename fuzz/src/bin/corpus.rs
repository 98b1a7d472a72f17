//! `corpus list`, `corpus unpack TARGET FOLDER`, `corpus keep TARGET FOLDER`: between the one file that is kept and the
//! folder that libFuzzer works on. For `cargo xtask fuzz`.
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
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["keep", target, folder] => keep(target, Path::new(folder)),
        _ => Err(io::Error::other("it takes list, or unpack or keep with a target and a folder")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, input) in corpus::read(target)?.iter().enumerate() {
        fs::write(folder.join(format!("kept-{number}")), input)?;
    }
    Ok(())
}

fn keep(target: &str, folder: &Path) -> io::Result<()> {
    let files = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let inputs = files.iter().map(|file| fs::read(file.path())).collect::<io::Result<Vec<_>>>()?;
    println!("{target}: {} inputs are kept", inputs.len());
    corpus::write(target, inputs)
}
