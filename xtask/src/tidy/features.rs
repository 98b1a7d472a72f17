//! Other people's crates have the same features for `cargo run`, for the tasks and for the whole workspace:
//! else each of these builds compiles them anew, and all that depends on them. Nothing is compiled here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use end_to_end::cargo;
use serde::Deserialize;

/// The builds whose crates shall be the same; the first is README's.
const BUILDS: [&[&str]; 4] = [
    &["build", "--bin=unibin"],
    &["build", "--package=xtask"],
    &["build", "--workspace", "--bins"],
    &["test", "--no-run", "--workspace"],
];

#[derive(Deserialize)]
struct Graph {
    units: Vec<Unit>,
}

/// A crate as it is compiled once.
#[derive(Deserialize)]
struct Unit {
    pkg_id: String,
    target: Target,
    profile: Profile,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    opt_level: String,
}

/// What has other features in another build.
pub(super) fn nothing_is_compiled_twice(workspace: &Path) -> Result<Vec<String>> {
    let mut first: BTreeMap<(String, String, String), BTreeSet<Vec<String>>> = BTreeMap::new();
    let mut found = Vec::new();
    for build in BUILDS {
        let graph = graph(workspace, build)?;
        let mut here: BTreeMap<_, BTreeSet<Vec<String>>> = BTreeMap::new();
        for Unit { pkg_id, target, profile, features } in graph.units {
            let is_library = target.kind.iter().any(|kind| kind.contains("lib"));
            if is_library && pkg_id.starts_with("registry+") {
                here.entry((pkg_id, target.name, profile.opt_level)).or_default().insert(features);
            }
        }
        for (key, features) in here {
            let known = first.entry(key.clone()).or_insert_with(|| features.clone());
            for other in features.difference(known) {
                let name = &key.1;
                found.push(format!(
                    "Cargo.toml: `cargo {}` builds `{name}` with other features than `cargo run`: {}",
                    build.join(" "),
                    other.join(", "),
                ));
            }
        }
    }
    Ok(found)
}

/// What cargo would compile. Only nightly's cargo tells, or one that takes itself for such.
fn graph(workspace: &Path, build: &[&str]) -> Result<Graph> {
    let output = cargo()
        .current_dir(workspace)
        .args(build)
        .args(["--quiet", "--locked", "-Zunstable-options", "--unit-graph"])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo does not tell what it would build: {said}");
    crate::json::parse(&output.stdout).context("cargo tells about a build")
}
