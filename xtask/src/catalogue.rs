//! `cargo xtask catalogue`: writes `emulator/catalogue.toml` from what Debian's archives hold now, every
//! package read whole and believed for its signatures; `--check` only says whether the committed file is
//! that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use debian::{FetchOptions, MirrorSources, Silent};
use emulator::pin::{PinOptions, catalogue};

/// Runs the task with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut check, mut allow_stale, mut mirrors) = (false, false, MirrorSources::default());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--check" => check = true,
            "--allow-stale" => allow_stale = true,
            "--mirror" => {
                mirrors
                    .arguments
                    .push(words.next().context("`--mirror` needs a URL or a directory")?.clone());
            }
            other => bail!("unknown word `{other}` after `catalogue`"),
        }
    }
    let workspace = crate::workspace();
    let cache = workspace.join("target/archives");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make `{}`", cache.display()))?;
    let fetch = FetchOptions::default();
    let text = catalogue(&PinOptions { mirrors, cache, fetch, allow_stale, progress: &Silent }).map_err(
        |error| {
            let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            anyhow::Error::new(error).context(format!("the catalogue cannot be made{hint}"))
        },
    )?;
    compare_or_write(&workspace.join("emulator/catalogue.toml"), &text, check)
}

fn compare_or_write(path: &Path, text: &str, check: bool) -> Result<()> {
    let committed = fs::read_to_string(path).unwrap_or_default();
    if committed == text {
        println!("`{}` is what the archives hold", path.display());
        return Ok(());
    }
    if check {
        let line = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = line.unwrap_or_else(|| committed.lines().count().min(text.lines().count())) + 1;
        bail!(
            "`{}` is not what the archives hold, first in line {line}; run `cargo xtask catalogue`",
            path.display()
        );
    }
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    println!("`{}` written: {} lines", path.display(), text.lines().count());
    Ok(())
}
