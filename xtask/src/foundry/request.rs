//! What the foundry was asked for: the words after `cargo xtask foundry`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;
use debian::MirrorSources;

/// The words, read.
#[derive(Default)]
pub(crate) struct Request {
    /// Hosts to build for; those that are committed if there are none.
    pub(crate) hosts: Vec<Arch>,
    /// Targets to build; all if there are none.
    pub(crate) targets: Vec<Arch>,
    /// Compare with what is committed, and write nothing.
    pub(crate) check: bool,
    /// One pair only, another one with each commit.
    pub(crate) rotating: bool,
    /// Write the pins anew.
    pub(crate) update: bool,
    /// The mirrors to ask.
    pub(crate) mirrors: MirrorSources,
    /// Where the programs are put too.
    pub(crate) keep: Option<PathBuf>,
    /// Patches in the place of ours.
    pub(crate) patches: Option<PathBuf>,
    /// How many compilers run at a time.
    pub(crate) jobs: Option<usize>,
}

impl Request {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut request = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` wants a value"));
            match word.as_str() {
                "--host" => request.hosts.push(arch(value()?)?),
                "--target" => request.targets.push(arch(value()?)?),
                "--check" => request.check = true,
                "--rotating" => request.rotating = true,
                "--update" => request.update = true,
                "--mirror" => request.mirrors.arguments.push(value()?.clone()),
                "--keep" => request.keep = Some(value()?.into()),
                "--patch-dir" => request.patches = Some(value()?.into()),
                "--jobs" => request.jobs = Some(value()?.parse().context("`--jobs` wants a number")?),
                other => bail!("unknown option `{other}` of `foundry`"),
            }
        }
        ensure!(request.check || !request.rotating, "`--rotating` goes with `--check`");
        ensure!(
            !request.rotating || (request.hosts.is_empty() && request.targets.is_empty()),
            "`--rotating` chooses host and target itself"
        );
        ensure!(
            !request.check || request.patches.is_none(),
            "`--check` compares with what our own patches give, so `--patch-dir` does not go with it"
        );
        Ok(request)
    }

    /// Whether a complete build is to be committed.
    pub(crate) fn writes(&self) -> bool {
        !self.check && self.patches.is_none()
    }
}

fn arch(name: &str) -> Result<Arch> {
    Arch::from_name(name).with_context(|| format!("unknown architecture `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Request> {
        Request::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        for bad in [
            &["--rotating"][..],
            &["--check", "--rotating", "--host", "x86_64"],
            &["--check", "--patch-dir", "patches"],
            &["--target", "vax"],
            &["--jobs", "many"],
            &["--keep"],
            &["x86_64"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let tried = parse(&["--patch-dir", "patches", "--target", "riscv64"]).expect("a request");
        assert!(!tried.writes() && tried.targets == [Arch::Riscv64]);
    }
}
