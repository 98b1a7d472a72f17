//! `cargo xtask packages`: makes a .deb and an .rpm of a `unibin` program with `dpkg-deb` and `rpmbuild`,
//! from the files that `packer/Cargo.toml` lists for cargo-deb and cargo-generate-rpm. Then each is installed
//! in an empty root and checked. Nothing is signed or sent.

mod content;
mod deb;
mod metadata;
mod rpm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{target_directory, workspace};
use content::Content;
use metadata::Package;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut program, mut out) = (None, target_directory().join("packages"));
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = || format!("`{argument}` wants a path");
        match argument.as_str() {
            "--program" => program = Some(PathBuf::from(rest.next().with_context(value)?)),
            "--out" => out = PathBuf::from(rest.next().with_context(value)?),
            other => bail!("unknown option `{other}` of `packages`"),
        }
    }
    let program = match program {
        Some(program) => fs::canonicalize(&program).with_context(|| format!("no `{}`", program.display()))?,
        None => crate::unibin::released()?,
    };
    crate::man::run()?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let out = fs::canonicalize(out)?;
    let content = Content::of(program)?;
    let described = Package::read(&workspace())?;
    for (tool, make) in [("dpkg-deb", deb::make as Make), ("rpmbuild", rpm::make)] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("NOT RUN: there is no `{tool}`");
            continue;
        }
        let package = make(&content, &described, &out)?;
        println!("`{}`: {} bytes", package.display(), fs::metadata(&package)?.len());
    }
    Ok(())
}

type Make = fn(&Content, &Package, &Path) -> Result<PathBuf>;
