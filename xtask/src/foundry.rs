//! `cargo xtask foundry`: builds unibin's own emulators from Debian's source of QEMU and our changes, in a
//! root of pinned packages, byte for byte the same on every machine; foundry/README.md tells how.
//!
//! What is trusted: the digests in `foundry/recipe`. `--update` takes them from an index that Debian's
//! signature covers; afterwards they alone decide, so that no mirror and no later key matters.

mod build;
mod check;
mod committed;
mod fetch;
mod frame;
mod pins;
mod request;
mod root;
mod table;
mod unavailable;
mod update;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use foundry::Recipe;

use build::{Build, Built};
use fetch::Cache;
use pins::{Hosts, RootPins, SourcePins};
use request::Request;
use root::Root;
use table::Table;

pub(crate) use committed::verify_committed;
pub(crate) use unavailable::Unavailable;

/// The directory of this task, in the workspace.
const DIRECTORY: &str = "foundry";

/// Runs the task with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let request = Request::parse(arguments)?;
    let workspace = crate::workspace();
    let foundry = workspace.join(DIRECTORY);
    let work = crate::workspace::target_directory().join("foundry");
    fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
    if request.update {
        return update::update(&foundry.join("recipe"), &work, &request.mirrors);
    }
    let recipe = Recipe::read(&foundry.join("recipe"))?;
    let recipe = match &request.patches {
        Some(directory) => recipe.with_patches(patches(directory)?),
        None => recipe,
    };
    let task = Task::new(recipe, &work, &request)?;
    let mut differences = Vec::new();
    for (host, targets) in task.hosts.chosen(&request, &foundry)? {
        let built = task.build(host, &targets)?;
        if let Some(directory) = &request.keep {
            built.keep(directory)?;
        }
        let home = foundry.join(host.name());
        if request.check {
            differences.extend(check::differences(&built, &home, &task.recipe)?);
        } else if request.writes() && targets == task.hosts.targets {
            task.write(&built, &home)?;
        } else {
            println!("foundry: `{}` is not written: not everything was built as committed", home.display());
        }
    }
    ensure!(differences.is_empty(), "the committed emulators are not these:\n{}", differences.join("\n"));
    Ok(())
}

/// The patches in a directory, by their names.
fn patches(directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list `{}`", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            let name = path.file_name().and_then(|name| name.to_str()).context("a name that is not UTF-8")?;
            found.push((name.to_owned(), fs::read(&path)?));
        }
    }
    ensure!(!found.is_empty(), "`{}` holds no `.patch`", directory.display());
    Ok(found)
}

/// What all builds of a call share.
struct Task<'a> {
    recipe: Recipe,
    hosts: Hosts,
    source: SourcePins,
    packages: RootPins,
    work: &'a Path,
    cache: Cache,
    jobs: Option<usize>,
    begin: Instant,
}

impl<'a> Task<'a> {
    fn new(recipe: Recipe, work: &'a Path, request: &Request) -> Result<Self> {
        let packages = RootPins::read(recipe.text(pins::ROOT)?)?;
        Ok(Self {
            hosts: Hosts::read(recipe.text(pins::HOSTS)?)?,
            source: SourcePins::read(recipe.text(pins::SOURCE)?)?,
            cache: Cache::new(work.join("files"), &request.mirrors, &packages.snapshot),
            packages,
            recipe,
            work,
            jobs: request.jobs,
            begin: Instant::now(),
        })
    }

    fn say(&self, what: &str) {
        println!("foundry: {:4} s  {what}", self.begin.elapsed().as_secs());
    }

    fn build(&self, host: Arch, targets: &[Arch]) -> Result<Built> {
        build::namespaces()?;
        self.say(&format!("fetch what is not here yet of the source package {}", self.source.version));
        let source: Vec<(String, PathBuf)> = self
            .source
            .files
            .iter()
            .map(|file| Ok((file.name.clone(), self.cache.fetch(&self.source.pinned(file))?)))
            .collect::<Result<_>>()?;
        let packages = self.packages.of(host);
        self.say(&format!("make the root of {} packages for {host}, unless it is here", packages.len()));
        let root = Root::make(self.work, &packages, &self.cache)?;
        let (recipe, all, jobs) = (&self.recipe, &self.hosts.targets, self.jobs);
        let build = Build { host, all, targets, recipe, source: &source, jobs };
        let built = build.run(self.work, &root, |step| self.say(step))?;
        self.say("check the programs");
        built.check()?;
        Ok(built)
    }

    /// Writes frame and table of a host.
    fn write(&self, built: &Built, home: &Path) -> Result<()> {
        self.say("compress");
        let programs: Vec<&[u8]> = built.programs.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let frame = frame::pack(&programs)?;
        let table = Table::of(built, &frame, &self.recipe, &self.source, &self.packages)?;
        fs::create_dir_all(home)?;
        for (name, bytes) in [(table::FRAME, frame.as_slice()), (table::TABLE, table.text().as_bytes())] {
            let path = home.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        self.say(&format!("`{}`: {} programs in {} bytes", home.display(), programs.len(), frame.len()));
        Ok(())
    }
}
