//! What continuous integration runs, step by step, and the table of what each step took: seconds, and seconds
//! of the processor. Where the second is less than the first times the processors, something waited.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::cargo;

use crate::test::BROKER;

/// Names steps that run beside others, for a process of their own.
const LANE: &str = "--lane";

/// Every check of the house. Fails at the first step that does. The table is printed either way.
/// `--before "SECONDS NAME"` is a step that was taken before.
///
/// Some steps use one processor, or wait for a network: configuring QEMU, linking, fetching, the examples.
/// They run beside others that leave one idle.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let [option, lane] = arguments
        && option == LANE
    {
        let mut steps = Steps { done: Vec::new() };
        let outcome = steps.lane(lane);
        print!("{}", steps.table());
        return outcome;
    }
    let mut steps = Steps::after(arguments)?;
    let outcome = all(&mut steps);
    print!("\n{}", steps.table());
    outcome
}

fn all(steps: &mut Steps) -> Result<()> {
    steps.cargo("format", &["fmt", "--all", "--check"])?;
    let built = Beside::start("launchers, an emulator, C compiler", &["ci", LANE, "built"])?;
    let read = steps.read();
    let built = steps.run("launchers, an emulator, C compiler (the rest)", || built.end());
    read.and(built)?;
    // All sixteen take half an hour or more; these are three of them, other ones with each commit. A booted
    // machine takes one processor, and the tests leave one idle at times.
    let lab = Beside::start("lab: three machines", &["lab", "rotating"])?;
    let others = beside_the_lab(steps);
    // What it has found is told, whatever became of the others.
    let lab = steps.run("lab: three machines (the rest)", || lab.end());
    others.and(lab)?;
    steps.run("benchmark: it runs", benchmark)
}

/// What is measured here is of no interest: the program that is there serves.
fn benchmark() -> Result<()> {
    let mut bench = Command::new(std::env::current_exe().context("where is this program?")?);
    bench.args(["bench", "start", "--runs", "20"]).env("UNIBIN", crate::unibin::unibin()?);
    let status = bench.status().context("cannot run this program again")?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn beside_the_lab(steps: &mut Steps) -> Result<()> {
    steps.run("tests", || crate::test::run(&[]))?;
    let examples = Beside::start("examples", &["ci", LANE, "examples"])?;
    let others = steps.beside_the_examples();
    let examples = steps.run("examples (the rest)", || examples.end());
    others.and(examples)?;
    let jobs = crate::workspace::cpus().to_string();
    steps.run("shelf: eight programs", || {
        crate::shelf::run(&["--rotating".to_owned(), "--jobs".to_owned(), jobs])
    })?;
    // Every night each has two minutes.
    steps.run("fuzzers, briefly", || crate::fuzz::run(&["--ours", "--seconds", "5"].map(str::to_owned)))
}

/// A task that runs beside the steps, in a process of its own whose output is kept until it ends.
struct Beside {
    task: &'static str,
    process: Child,
    output: File,
    begin: Instant,
}

impl Beside {
    fn start(task: &'static str, arguments: &[&str]) -> Result<Self> {
        println!("== {task}: from here on, beside the next steps");
        let output = tempfile::tempfile().context("cannot make a temporary file")?;
        let process = Command::new(std::env::current_exe().context("where is this program?")?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()
            .context("cannot run this program again")?;
        Ok(Self { task, process, output, begin: Instant::now() })
    }

    /// Waits for the end.
    fn end(mut self) -> Result<()> {
        let status = self.process.wait().context("cannot wait for it")?;
        self.output.rewind()?;
        io::copy(&mut self.output, &mut io::stdout())?;
        println!("{}: {} s from its start", self.task, self.begin.elapsed().as_secs());
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

/// Debian's suites keep the source of a compiler for some weeks only. Where it is gone, the committed
/// launchers can't be compared with the source; the step after this one checks them all the same.
fn launchers() -> Result<()> {
    if let Err(error) = crate::rust_src::library(&crate::workspace()) {
        println!("NOT RUN: the launchers were not compared with their source: {error:#}");
        return Ok(());
    }
    crate::launchers::run(&["--check".to_owned(), crate::launchers::ROTATING.to_owned()])
}

/// One of our emulators, another one with each commit. Where its source, the packages of its build root or
/// namespaces can't be had, it is not built; the step before this one checks the committed ones all the same.
fn emulator() -> Result<()> {
    match crate::foundry::run(&["--check".to_owned(), "--rotating".to_owned()]) {
        Err(error) if error.downcast_ref::<crate::foundry::Unavailable>().is_some() => {
            println!("NOT RUN: no emulator was compared with its recipe: {error:#}");
            Ok(())
        }
        other => other,
    }
}

/// The steps so far.
struct Steps {
    done: Vec<Step>,
}

/// What a step took.
struct Step {
    name: String,
    seconds: u64,
    /// Of all its processes, in user and kernel mode together. Not known of a step before this program.
    processor: Option<u64>,
}

impl Steps {
    /// The steps of a lane.
    fn lane(&mut self, name: &str) -> Result<()> {
        match name {
            "built" => {
                self.run("C compiler and scanner of the tests", crate::tools::all)?;
                self.run("launchers are what the source gives", launchers)?;
                self.run("launchers and emulators keep their rules", crate::verify::run)?;
                self.run("an emulator is what the recipe gives", emulator)
            }
            "examples" => self.run("examples", crate::examples::run),
            _ => bail!("there is no lane `{name}`"),
        }
    }

    /// What reads the source.
    fn read(&mut self) -> Result<()> {
        self.run("tidy", crate::tidy::run)?;
        self.run("links and book", crate::docs::run)?;
        self.run("workflows", crate::workflows::run)?;
        self.cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        let broker = [&["clippy"][..], &BROKER, &["--all-targets", "--", "-D", "warnings"]].concat();
        self.cargo("lints of the broker", &broker)
    }

    fn beside_the_examples(&mut self) -> Result<()> {
        self.run("packages for the registry", crate::package::run)?;
        self.run("lab: a broken launcher is seen", || {
            crate::lab::run(&["--self-test".into(), "--fast".into()])
        })?;
        self.run("build of the fuzzers", crate::fuzz::build_ours)
    }

    fn after(arguments: &[String]) -> Result<Self> {
        let mut done = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word != "--before" {
                bail!("unknown option `{word}` of `ci`");
            }
            let step = words.next().and_then(|step| step.split_once(' '));
            let (seconds, name) = step.context("`--before` wants seconds and a name")?;
            let seconds = seconds.parse().context("`--before` wants seconds")?;
            done.push(Step { name: name.to_owned(), seconds, processor: None });
        }
        Ok(Self { done })
    }

    fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("== {name}");
        let (begin, used) = (Instant::now(), processor_time());
        let outcome = work().with_context(|| format!("step `{name}`"));
        let step = Step {
            name: name.to_owned(),
            seconds: begin.elapsed().as_secs(),
            processor: processor_time().zip(used).map(|(now, before)| now.saturating_sub(before).as_secs()),
        };
        println!("== {name}: {} s", step.seconds);
        self.done.push(step);
        outcome
    }

    fn cargo(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        self.run(name, || {
            let status = cargo().args(arguments).status().context("cannot run cargo")?;
            ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
            Ok(())
        })
    }

    fn table(&self) -> String {
        let all = Step {
            name: "all".to_owned(),
            seconds: self.done.iter().map(|step| step.seconds).sum(),
            processor: None,
        };
        let mut text = String::from("seconds  of processor  step\n");
        for step in self.done.iter().chain([&all]) {
            let processor = step.processor.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:7}  {processor:>12}  {}", step.seconds, step.name);
        }
        text
    }
}

/// What this process and those that it has waited for have used: `utime`, `stime`, `cutime` and `cstime` of
/// `proc_pid_stat(5)`, in hundredths of a second on every Linux.
fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let after_name = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}
