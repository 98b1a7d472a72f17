//! What the committed emulators must be, seen from their bytes: as their table says, of this recipe, and each
//! program within the rules. Nothing is built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::digest;
use foundry::Recipe;

use super::pins::{self, Committed, Hosts};
use super::table::{FRAME, TABLE};
use super::{DIRECTORY, build, frame};

/// Checks every host that has a directory.
pub(crate) fn verify_committed() -> Result<()> {
    let directory = crate::workspace().join(DIRECTORY);
    let recipe = Recipe::read(&directory.join("recipe"))?;
    let hosts = Hosts::read(recipe.text(pins::HOSTS)?)?;
    let mut checked = 0;
    for host in hosts.rows.keys() {
        let home = directory.join(host.name());
        if home.is_dir() {
            checked += verify(*host, &home, &recipe, &hosts.targets)
                .with_context(|| format!("`{}`", home.display()))?;
        }
    }
    println!("{checked} emulators in `{DIRECTORY}` keep every rule");
    Ok(())
}

/// Checks one host's files; how many programs there are.
fn verify(host: Arch, home: &Path, recipe: &Recipe, targets: &[Arch]) -> Result<usize> {
    let table = fs::read_to_string(home.join(TABLE)).with_context(|| format!("cannot read `{TABLE}`"))?;
    let table = Committed::read(&table).with_context(|| format!("`{TABLE}` is unusable"))?;
    ensure!(
        table.recipe == recipe.digest() && table.version == recipe.version()?,
        "`{TABLE}` is of another recipe: run `cargo xtask foundry`, and read what has changed"
    );
    let frame = fs::read(home.join(FRAME)).with_context(|| format!("cannot read `{FRAME}`"))?;
    ensure!(
        frame.len() as u64 == table.frame.size && digest::of(&frame) == table.frame.sha256,
        "`{FRAME}` is not what `{TABLE}` says"
    );
    let programs = frame::unpack(&frame, table.frame.unpacked)?;
    let names: Vec<&str> = table.members.keys().map(String::as_str).collect();
    let mut wanted: Vec<&str> = targets.iter().map(|target| target.name()).collect();
    wanted.sort_unstable();
    ensure!(names == wanted, "the programs are {}, not {}", names.join(" "), wanted.join(" "));
    let mut end = 0;
    for target in targets {
        let member = &table.members[target.name()];
        ensure!(member.offset == end, "{target} is not where the program before it ends");
        end += member.size;
        let range = usize::try_from(member.offset)?..usize::try_from(end)?;
        let program = programs.get(range).with_context(|| format!("{target} is not in the frame"))?;
        ensure!(digest::of(program) == member.sha256, "{target} is not what `{TABLE}` says");
        build::check(host, *target, program)?;
    }
    ensure!(end == table.frame.unpacked, "the frame holds more than the programs");
    Ok(targets.len())
}
