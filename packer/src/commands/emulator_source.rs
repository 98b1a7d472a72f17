//! `unibin emulator source`: downloads the source packages of emulators into a directory that can be
//! published beside a release. Each file is checked against the digest in the archive's signed index. Beside
//! them goes the recipe of unibin's own emulators, which this program contains.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use debian::{ArchiveError, FetchError};
use foundry::Recipe;

use crate::cli::ArchiveArgs;
use crate::emulators::obtain::Sources;
use crate::error::Error;
use crate::packages::suites;
use crate::progress::Bars;
use crate::units::size;

/// The suites that emulators come from, in the order in which they are searched.
const SUITES: [&str; 3] = ["trixie", "sid", "bookworm"];

/// The directory for a recipe.
const RECIPE: &str = "unibin-recipe";

/// Downloads each source package of `wanted` into `to`, and writes its recipe there. What no suite has any
/// more, and a recipe of another version of unibin, is an error, reported after all others are there.
pub(crate) fn fetch(wanted: Sources, to: &Path, args: &ArchiveArgs) -> Result<String, Error> {
    fs::create_dir_all(to).map_err(|source| Error::io("make", to, source))?;
    let bars = Bars::default();
    let Sources { packages: mut missing, mut recipes } = wanted;
    let mut text = String::new();
    let named = args.suite.as_deref().map_or(SUITES.to_vec(), |suite| vec![suite]);
    for suite in named {
        if missing.is_empty() {
            break;
        }
        let bar = bars.bar(suite);
        let archive = suites::open_suite(args, suite, &bar)?;
        let found = archive.sources(|name| missing.iter().any(|(wanted, _)| wanted == name));
        for source in found? {
            let name = (source.name.clone(), source.version.clone());
            if !missing.contains(&name) {
                continue;
            }
            let mut files = source.files.iter();
            let fetched =
                files.try_for_each(|file| archive.download_source(&source, file, &to.join(&file.name)));
            match fetched {
                Ok(()) => drop(missing.remove(&name)),
                // The index of a mirror may be older than its pool.
                Err(ArchiveError::Fetch(FetchError::NotFound { .. })) => continue,
                Err(error) => return Err(error.into()),
            }
            let total = source.files.iter().map(|file| file.size).sum();
            let _ = writeln!(text, "{} {} ({})", source.name, source.version, size(total));
        }
    }
    let recipe = Recipe::embedded();
    if recipes.remove(&recipe.digest()) {
        let path = to.join(RECIPE);
        write_recipe(&recipe, to, &path).map_err(|source| Error::io("write", &path, source))?;
        let _ = writeln!(text, "{RECIPE} sha256 {}", recipe.digest());
    }
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|(name, version)| format!("{name} {version}")).collect();
        return Err(Error::SourcesGone { names });
    }
    recipes.pop_first().map_or(Ok(text), |digest| Err(Error::RecipeElsewhere { digest }))
}

/// Writes `recipe` to `path`, a directory in `to`, by rename. What is there and differs is replaced.
fn write_recipe(recipe: &Recipe, to: &Path, path: &Path) -> io::Result<()> {
    if Recipe::read(path).is_ok_and(|there| there == *recipe) {
        return Ok(());
    }
    let temporary = tempfile::tempdir_in(to)?;
    let made = temporary.path().join(RECIPE);
    recipe.write(&made)?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(&made, path),
    }
}
