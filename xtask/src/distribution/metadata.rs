//! What `packer/Cargo.toml` says about packages, as cargo-deb and cargo-generate-rpm read it: of both lists,
//! what is used here is source, place and mode.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::tables;

/// Where the lists have the program that was built.
const PROGRAM: &str = "target/release/unibin";

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

/// The crate that is packed.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) description: String,
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) deb: Deb,
    #[serde(rename = "generate-rpm")]
    pub(super) rpm: Rpm,
}

/// What cargo-deb reads.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Deb {
    pub(super) maintainer: String,
    pub(super) section: String,
    pub(super) extended_description: String,
    /// Source, place, mode; sources are relative to the crate.
    assets: Vec<(String, String, String)>,
}

/// What cargo-generate-rpm reads.
#[derive(Deserialize)]
pub(super) struct Rpm {
    pub(super) summary: String,
    pub(super) license: String,
    assets: Vec<RpmAsset>,
}

/// Sources are relative to the workspace.
#[derive(Deserialize)]
struct RpmAsset {
    source: String,
    dest: String,
    mode: String,
}

impl Package {
    /// Reads the crate's manifest.
    pub(super) fn read(workspace: &Path) -> Result<Self> {
        let path = workspace.join("packer/Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let manifest: Manifest =
            tables::read(&text).with_context(|| format!("`{}` is not understood", path.display()))?;
        Ok(manifest.package)
    }
}

impl Deb {
    pub(super) fn assets(&self, workspace: &Path) -> Result<Vec<Asset>> {
        let base = workspace.join("packer");
        self.assets.iter().map(|(source, place, mode)| Asset::new(&base, source, place, mode)).collect()
    }
}

impl Rpm {
    pub(super) fn assets(&self, workspace: &Path) -> Result<Vec<Asset>> {
        self.assets.iter().map(|row| Asset::new(workspace, &row.source, &row.dest, &row.mode)).collect()
    }
}

/// A file of a package, or several of a directory.
pub(super) struct Asset {
    source: PathBuf,
    /// A directory if it ends in `/`.
    place: String,
    pub(super) mode: u32,
}

impl Asset {
    fn new(base: &Path, source: &str, place: &str, mode: &str) -> Result<Self> {
        Ok(Self {
            source: if source == PROGRAM { PathBuf::from(PROGRAM) } else { base.join(source) },
            place: place.trim_start_matches('/').to_owned(),
            mode: u32::from_str_radix(mode, 8).with_context(|| format!("`{mode}` is no mode"))?,
        })
    }

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
