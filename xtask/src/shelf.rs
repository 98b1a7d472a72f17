//! `cargo xtask shelf`: real programs out of Debian's archive, each packed by the `unibin` of this tree and
//! made to do real work; what it prints, how it ends and the files that it makes are compared with the same
//! program run natively, or with what its row says. The rows are `shelf/*.toml`.
//!
//! A row that the mirror or this machine cannot serve is NOT RUN, with the reason. A failure that a row
//! expects must occur; if it does not, that is an error too, so that the row gets changed.

mod compare;
mod outcome;
mod pack;
mod report;
mod request;
mod results;
mod rows;
mod run;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Arch;

use compare::{Verdict, differences, judge};

use outcome::Outcome;
use pack::{Packed, Packer};
use report::Row;
use request::Request;
use results::Results;
use rows::{Program, Truth};
use run::Scratch;
pub(crate) use run::is_installed;

/// The directory of the rows, in the workspace.
const DIRECTORY: &str = "shelf";

/// After this time `--rotating` begins no more rows, so that continuous integration does not wait for it.
const ROTATING_MAX: Duration = Duration::from_secs(100);

/// Runs the task with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let request = Request::parse(arguments)?;
    let programs = rows::read(&crate::workspace().join(DIRECTORY))?;
    let chosen = request.chosen(&programs)?;
    let directory = crate::workspace::target_directory().join("shelf");
    let packer = Packer::open(&directory)?;
    let results = Results::open(packer.directory())?;
    let shelf = Shelf { packer, results, begin: Instant::now() };
    let rows = shelf.rows(&chosen, &request)?;
    print!("\n{}", report::table(&rows));
    if request.write_docs {
        report::write(&crate::workspace().join("docs/shelf.md"), &rows)?;
    }
    println!("\n{}.", report::summary(&rows));
    let complaints = report::complaints(&rows);
    ensure!(complaints.is_empty(), "not everything is as the rows say:\n{}", complaints.join("\n"));
    ensure!(rows.iter().any(Row::ran), "nothing ran");
    Ok(())
}

/// What all rows share.
struct Shelf {
    packer: Packer,
    results: Results,
    begin: Instant,
}

impl Shelf {
    /// Runs the rows, `jobs` at a time, in the order of the table.
    fn rows(&self, chosen: &[(&Program, Arch)], request: &Request) -> Result<Vec<Row>> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let work = || -> Result<()> {
            while let Some((program, target)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                if request.rotating && self.begin.elapsed() > ROTATING_MAX {
                    println!("shelf: {} for {target}: left for another commit: time is up", program.name);
                    continue;
                }
                let kept = request.resume.then(|| self.results.kept(program, *target)).flatten();
                let row = match kept {
                    Some(row) => row,
                    None => self.run(program, *target).with_context(|| format!("row `{}`", program.name))?,
                };
                println!("shelf: {:4} s  {}", self.begin.elapsed().as_secs(), row.line());
                let place = chosen.iter().position(|(one, arch)| one.name == program.name && arch == target);
                done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, row));
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..request.jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })?;
        let mut rows = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.sort_by_key(|(place, _)| *place);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn run(&self, program: &Program, target: Arch) -> Result<Row> {
        let row = self.row(program, target)?;
        self.results.keep(program, target, &row)?;
        Ok(row)
    }

    /// One program for one target: packed, started, made to work, compared.
    fn row(&self, program: &Program, target: Arch) -> Result<Row> {
        let mut row = Row::of(program, target);
        if let Some(lacking) = program.needs.iter().find(|name| !run::is_installed(name)) {
            row.verdict = Verdict::NotRun(format!("this machine has no `{lacking}`"));
            return Ok(row);
        }
        let bundle = match self.packer.pack(program, target)? {
            Packed::Bundle(bundle) => bundle,
            Packed::Lacking(why) => {
                row.verdict = Verdict::NotRun(why);
                return Ok(row);
            }
            Packed::Refused(message) => {
                row.verdict =
                    judge(&[format!("`unibin pack` refuses: {message}")], program.fails_for(target));
                return Ok(row);
            }
        };
        row.version.clone_from(&bundle.version);
        row.size = Some(bundle.size);
        let truth = match &program.truth {
            Truth::Stored(outcome) => outcome.clone(),
            Truth::Native => match self.native(program, bundle.suite)? {
                Ok(outcome) => outcome,
                Err(why) => {
                    row.verdict = why;
                    return Ok(row);
                }
            },
        };
        let scratch = Scratch::new(program, &bundle)?;
        let started = scratch.starts(program)?;
        (row.first, row.warm) = (started.first, started.warm);
        let mut found = started.complaints;
        if found.is_empty() {
            let outcome = scratch.run(program, target)?;
            found = differences(&outcome, &truth);
            if !found.is_empty() {
                found.extend(outcome.words());
            }
        }
        row.verdict = judge(&found, program.fails_for(target));
        Ok(row)
    }

    /// What this machine's own build of the program does, packed and run natively.
    fn native(
        &self,
        program: &Program,
        suite: Option<&'static str>,
    ) -> Result<std::result::Result<Outcome, Verdict>> {
        let bundle = match self.packer.pack_of(suite, program, Arch::X86_64)? {
            Packed::Bundle(bundle) => bundle,
            Packed::Lacking(why) => return Ok(Err(Verdict::NotRun(format!("no native program: {why}")))),
            Packed::Refused(message) => {
                let why = format!("`unibin pack` refuses the native program: {message}");
                return Ok(Err(Verdict::Failed(vec![why])));
            }
        };
        let outcome = Scratch::new(program, &bundle)?.run(program, Arch::X86_64)?;
        if outcome.code != Some(program.code) {
            let why =
                format!("natively it ended with {}, so there is nothing to compare with", outcome.end());
            return Ok(Err(Verdict::Failed([vec![why], outcome.words()].concat())));
        }
        Ok(Ok(outcome))
    }
}
