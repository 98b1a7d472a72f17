//! Packs a row's program with the `unibin` of this tree, and keeps the bundle for the next run with the same
//! `unibin` and the same words.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::digest;
use end_to_end::{OTHER_SUITES, lacking, store};
use serde::Deserialize;

use super::rows::Program;
use crate::json;

/// The compression of the bundles: quick to pack, and about a tenth larger than what users get.
const LEVEL: &str = "3";

/// The code of a `build` that cannot get what it needs.
const LACKING: i32 = 77;

/// The packer, and where what it packs is kept.
pub(crate) struct Packer {
    program: PathBuf,
    directory: PathBuf,
    /// Nobody else changes the directory meanwhile.
    _lock: File,
}

/// What came of packing.
pub(crate) enum Packed {
    /// It is there.
    Bundle(Bundle),
    /// The archive lacks something: what.
    Lacking(String),
    /// `unibin` does not pack it: its message.
    Refused(String),
}

/// A bundle and what is told about it.
pub(crate) struct Bundle {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The version of the first package; empty for what is no package.
    pub(crate) version: String,
    /// The suite that was named, because the mirror lacks a package of the newest.
    pub(crate) suite: Option<&'static str>,
}

impl Packer {
    /// Builds `unibin`, or takes the one that `UNIBIN` names. Bundles of other ones are removed.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let program = match std::env::var_os("UNIBIN") {
            Some(program) => program.into(),
            None => crate::unibin::unibin()?,
        };
        let bytes = fs::read(&program).with_context(|| format!("cannot read `{}`", program.display()))?;
        let key = digest::of(&bytes).to_string()[..16].to_owned();
        fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        let lock = File::create(directory.join("lock"))?;
        lock.lock().context("cannot lock the shelf")?;
        let bundles = directory.join("bundles");
        fs::create_dir_all(bundles.join(&key))?;
        for entry in fs::read_dir(&bundles)? {
            let entry = entry?;
            if entry.file_name() != key.as_str() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { program, directory: bundles.join(key), _lock: lock })
    }

    /// Where everything lies that this `unibin` has made.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The bundle of a program for a target, for this machine; of another suite where the mirror lacks a
    /// package of the newest, as it does for some days after a point release.
    pub(crate) fn pack(&self, program: &Program, target: Arch) -> Result<Packed> {
        let newest = self.pack_of(None, program, target)?;
        if matches!(newest, Packed::Lacking(_)) && !program.deb.is_empty() {
            for suite in OTHER_SUITES {
                if let Packed::Bundle(bundle) = self.pack_of(Some(suite), program, target)? {
                    return Ok(Packed::Bundle(bundle));
                }
            }
        }
        Ok(newest)
    }

    /// As [`Self::pack`], of this suite only.
    pub(crate) fn pack_of(
        &self,
        suite: Option<&'static str>,
        program: &Program,
        target: Arch,
    ) -> Result<Packed> {
        let mut words = words(program, target);
        words.extend(suite.iter().flat_map(|suite| ["--suite".to_owned(), (*suite).to_owned()]));
        let of = format!("{words:?} {:?} {:?}", program.inputs, program.build);
        let path = self.directory.join(&digest::of(of.as_bytes()).to_string()[..16]);
        let table = path.with_extension("json");
        if !table.exists() {
            let inputs = tempfile::tempdir().context("cannot make a temporary directory")?;
            write(&program.inputs, inputs.path())?;
            if let Some(build) = &program.build {
                let built = Command::new("sh")
                    .args(["-euc", build])
                    .env("TARGET", target.name())
                    .current_dir(inputs.path())
                    .output()?;
                let told = String::from_utf8_lossy(&built.stderr).trim().to_owned();
                if built.status.code() == Some(LACKING) {
                    return Ok(Packed::Lacking(told));
                }
                ensure!(built.status.success(), "`build` failed: {told}");
            }
            let mut command = self.command();
            command.args(&words).arg("-o").arg(&path).current_dir(inputs.path());
            let packed = command.output();
            let packed = packed.with_context(|| format!("cannot run `{}`", self.program.display()))?;
            if !packed.status.success() {
                return Ok(refused(String::from_utf8_lossy(&packed.stderr).trim()));
            }
            // Last, so that half a bundle counts as none.
            fs::write(&table, packed.stdout)?;
        }
        let report: Report = json::parse(&fs::read(&table)?).context("of `unibin pack --json`")?;
        let version = report.version_of(program.deb.first().map_or("", String::as_str));
        Ok(Packed::Bundle(Bundle { path, size: report.length, version, suite }))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if std::env::var_os("UNIBIN_STORE").is_none() {
            // What the tests have fetched already.
            command.env("UNIBIN_STORE", store());
        }
        command.args(["pack", "--json", "--allow-stale", "--level", LEVEL]);
        command
    }
}

/// The words of `unibin pack` for a row.
fn words(program: &Program, target: Arch) -> Vec<String> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    for name in &program.deb {
        option("--deb", name);
    }
    if !program.deb.is_empty() {
        for entry in &program.entries {
            option("--entry", entry);
        }
    }
    option("--target", target.name());
    option("--hosts", Arch::X86_64.name());
    words.extend(program.pack.iter().cloned());
    words
}

/// Puts the inputs into a directory; those that begin with `#!` can be executed.
pub(crate) fn write(inputs: &BTreeMap<String, String>, directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, text) in inputs {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().context("an input without a name")?)?;
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// What it means that `unibin pack` failed: the archive's matter, or its own.
fn refused(message: &str) -> Packed {
    let is_archives = |line: &&str| {
        line.starts_with("error: there is no package `") || line.starts_with("error: no mirror has ")
    };
    match lacking(message).or_else(|| message.lines().find(is_archives)) {
        Some(line) => Packed::Lacking(line.trim_start_matches("error: ").to_owned()),
        None => Packed::Refused(message.to_owned()),
    }
}

/// What `unibin pack --json` prints, as far as it is of interest.
#[derive(Deserialize)]
struct Report {
    length: u64,
    tree: Option<Tree>,
}

#[derive(Deserialize)]
struct Tree {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Report {
    fn version_of(&self, package: &str) -> String {
        let found = self.tree.iter().flat_map(|tree| &tree.packages).find(|found| found.name == package);
        found.map_or(String::new(), |found| found.version.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_archive_lacks_is_told_from_what_unibin_refuses() {
        let gone = "error: `http://a/pool/j/jq_1.deb` does not exist\nhint: later";
        assert!(matches!(refused(gone), Packed::Lacking(why) if why.contains("jq_1.deb")));
        assert!(matches!(
            refused("error: there is no package `jq` for vax in suite `sid`"),
            Packed::Lacking(_)
        ));
        assert!(matches!(refused("error: `/usr/bin/php` is no file of the app"), Packed::Refused(_)));
    }

    #[test]
    fn the_version_is_the_first_packages() {
        let text = r#"{ "length": 5, "tree": { "packages": [
            { "kind": "deb", "name": "libjq1", "version": "2" },
            { "kind": "deb", "name": "jq", "version": "1.7-6" } ] }, "app": 3 }"#;
        let report: Report = json::parse(text.as_bytes()).expect("a report");
        assert_eq!((report.version_of("jq"), report.version_of("")), ("1.7-6".to_owned(), String::new()));
    }
}
