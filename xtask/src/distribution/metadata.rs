//! What `packer/Cargo.toml` says about packages, as cargo-deb and cargo-generate-rpm read it: of both lists, what
//! is used here is source, place and mode.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where the lists have the program that was built.
const PROGRAM: &str = "target/release/unibin";

/// A file of a package, or several of a directory.
pub(super) struct Asset {
    source: PathBuf,
    /// A directory if it ends in `/`.
    place: String,
    pub(super) mode: u32,
}

/// The crate's manifest.
pub(super) fn read(workspace: &Path) -> Result<toml::Table> {
    let path = workspace.join("packer/Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    text.parse().with_context(|| format!("`{}` is no TOML", path.display()))
}

/// The table of `[package.metadata]` for a kind of packages.
pub(super) fn table<'m>(manifest: &'m toml::Table, name: &str) -> Result<&'m toml::Table> {
    let metadata = manifest.get("package").and_then(|package| package.get("metadata"));
    let table = metadata.and_then(|metadata| metadata.get(name)).and_then(toml::Value::as_table);
    table.with_context(|| format!("packer/Cargo.toml has no `[package.metadata.{name}]`"))
}

/// A text of a table.
pub(super) fn text<'m>(table: &'m toml::Table, name: &str) -> Result<&'m str> {
    table
        .get(name)
        .and_then(toml::Value::as_str)
        .with_context(|| format!("packer/Cargo.toml has no `{name}`"))
}

/// What it installs. `base` is what its sources are relative to.
pub(super) fn assets(table: &toml::Table, base: &Path) -> Result<Vec<Asset>> {
    let rows = table.get("assets").and_then(toml::Value::as_array).context("no `assets`")?;
    let asset = |row: &toml::Value| {
        let field = |number: usize, name: &str| {
            let listed = row.as_array().and_then(|fields| fields.get(number));
            listed.or_else(|| row.get(name)).and_then(toml::Value::as_str)
        };
        let (source, place, mode) = (field(0, "source")?, field(1, "dest")?, field(2, "mode")?);
        Some(Asset {
            source: if source == PROGRAM { PathBuf::from(PROGRAM) } else { base.join(source) },
            place: place.trim_start_matches('/').to_owned(),
            mode: u32::from_str_radix(mode, 8).ok()?,
        })
    };
    rows.iter().map(|row| asset(row).with_context(|| format!("not understood: {row}"))).collect()
}

impl Asset {
    /// Its files, and where each is installed, relative to the root. `program` stands for what was built.
    pub(super) fn files(&self, program: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        if self.source == Path::new(PROGRAM) {
            return Ok(vec![(program.to_owned(), self.placed(Path::new("unibin")))]);
        }
        let name = self.source.file_name().and_then(|name| name.to_str()).context("a source has a name")?;
        // `*.1`: the only pattern that there is.
        let Some(ending) = name.strip_prefix('*') else {
            return Ok(vec![(self.source.clone(), self.placed(Path::new(name)))]);
        };
        let directory = self.source.parent().context("a pattern has a directory")?;
        let mut files = Vec::new();
        let all =
            fs::read_dir(directory).with_context(|| format!("cannot read `{}`", directory.display()))?;
        for entry in all {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.ends_with(ending)) {
                files.push((entry.path(), self.placed(Path::new(&entry.file_name()))));
            }
        }
        files.sort();
        Ok(files)
    }

    fn placed(&self, name: &Path) -> PathBuf {
        if self.place.ends_with('/') { Path::new(&self.place).join(name) } else { PathBuf::from(&self.place) }
    }
}
