//! What the shelf was asked for: the words after `cargo xtask shelf`, and which rows they mean.

use anyhow::{Context, Result, ensure};
use bundle::Arch;

use super::rows::Program;

/// How many rows `--rotating` takes.
const ROTATING: usize = 8;

/// The words, read.
pub(crate) struct Request {
    /// Names of programs, or of files in `shelf/`; all if there are none.
    names: Vec<String>,
    /// For this target only; a program that is named is run for it even if its row does not say so.
    target: Option<Arch>,
    /// How many rows are run at a time.
    pub(crate) jobs: usize,
    /// Take the results that this `unibin` has already.
    pub(crate) resume: bool,
    /// Write docs/shelf.md.
    pub(crate) write_docs: bool,
    /// Some of the light rows, other ones with each commit.
    pub(crate) rotating: bool,
}

impl Request {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut request = Self {
            names: Vec::new(),
            target: None,
            jobs: 1,
            resume: false,
            write_docs: false,
            rotating: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` wants a value"));
            match word.as_str() {
                "--target" => {
                    let name = value()?;
                    let arch = Arch::from_name(name);
                    request.target = Some(arch.with_context(|| format!("unknown architecture `{name}`"))?);
                }
                "--jobs" => request.jobs = value()?.parse().context("`--jobs` wants a number")?,
                "--resume" => request.resume = true,
                "--write-docs" => request.write_docs = true,
                "--rotating" => request.rotating = true,
                option => {
                    ensure!(!option.starts_with('-'), "unknown option `{option}` of `shelf`");
                    request.names.push(option.to_owned());
                }
            }
        }
        ensure!(request.jobs > 0, "`--jobs` wants at least 1");
        let is_part = !request.names.is_empty() || request.target.is_some();
        ensure!(!(request.rotating && is_part), "`--rotating` chooses the rows itself");
        ensure!(!request.write_docs || !(is_part || request.rotating), "`--write-docs` goes with all rows");
        Ok(request)
    }

    /// The rows that are meant, in the order of the table.
    pub(crate) fn chosen<'p>(&self, programs: &'p [Program]) -> Result<Vec<(&'p Program, Arch)>> {
        if self.rotating {
            return Ok(rotated(&light(programs), crate::turn::turn()?));
        }
        for name in &self.names {
            let is_known = programs.iter().any(|program| program.is_called(name));
            ensure!(is_known, "no row and no file of `shelf` is called `{name}`");
        }
        let mut chosen = Vec::new();
        for program in programs {
            let is_named = self.names.iter().any(|name| program.is_called(name));
            if !is_named && !self.names.is_empty() {
                continue;
            }
            match self.target {
                Some(target) if is_named || program.targets.contains(&target) => {
                    chosen.push((program, target));
                }
                Some(_) => {}
                None => chosen.extend(program.targets.iter().map(|target| (program, *target))),
            }
        }
        ensure!(!chosen.is_empty(), "no row is for that target");
        Ok(chosen)
    }
}

fn light(programs: &[Program]) -> Vec<(&Program, Arch)> {
    let light = programs.iter().filter(|program| program.light);
    light.flat_map(|program| program.targets.iter().map(move |target| (program, *target))).collect()
}

/// Eight of them, each commit's eight behind those of the commit before.
fn rotated<T: Copy>(rows: &[T], turn: usize) -> Vec<T> {
    let count = ROTATING.min(rows.len());
    let begin = if rows.is_empty() { 0 } else { turn * count % rows.len() };
    rows.iter().cycle().skip(begin).take(count).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse(words: &[&str]) -> Result<Request> {
        Request::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        for bad in [
            &["--target", "vax9"][..],
            &["--jobs", "0"],
            &["--jobs", "many"],
            &["--target"],
            &["--loud"],
            &["--rotating", "jq"],
            &["--rotating", "--target", "riscv64"],
            &["--write-docs", "jq"],
            &["--write-docs", "--rotating"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse(&["jq", "--jobs", "2"]).expect("a request").jobs, 2);
    }

    #[test]
    fn a_turn_for_every_row_comes_within_as_many_commits_as_needed() {
        let rows: Vec<usize> = (0..21).collect();
        let seen: BTreeSet<usize> = (100..103).flat_map(|turn| rotated(&rows, turn)).collect();
        assert_eq!(seen.len(), 21, "{seen:?}");
        assert_eq!(rotated(&rows, 7).len(), ROTATING);
        assert_eq!(rotated(&[1, 2], 7), [1, 2]);
        assert_eq!(rotated::<usize>(&[], 7), [0; 0]);
    }
}
