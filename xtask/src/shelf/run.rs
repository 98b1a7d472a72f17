//! Runs a bundle in a scratch directory of its own: an ordinary user with an empty home, a short environment,
//! limits of time and processes. What a script leaves running is found and ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use end_to_end::{Sandbox, User};

use super::outcome::{Outcome, shortened};
use super::pack::{self, Bundle};
use super::rows::Program;

/// Debian's `nobody`, who has an account: programs look their user up.
const NOBODY: u32 = 65534;
/// Warm starts of which the median is told, at most.
const WARM_STARTS: usize = 5;
/// After this time there are no more.
const STARTS_MAX: Duration = Duration::from_secs(20);
/// A start may take this long, in seconds.
const START_MAX: u64 = 120;
/// Processes of the user: a program that starts itself without end meets this.
const PROCESSES: u32 = 1000;
/// How long what a script has left may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// The code of timeout(1) when time was up, and of the shell when the program was killed.
const TIME_IS_UP: [i32; 2] = [124, 137];

/// Whether this machine has a program.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// A directory with `bin` (the bundle, by the names of its entries), `work` (the inputs) and `home`.
pub(crate) struct Scratch {
    sandbox: Sandbox,
}

/// What came of starting a program a few times.
pub(crate) struct Starts {
    /// With an empty cache.
    pub(crate) first: Option<Duration>,
    /// The median of the next ones.
    pub(crate) warm: Option<Duration>,
    /// What went wrong.
    pub(crate) complaints: Vec<String>,
}

impl Scratch {
    pub(crate) fn new(program: &Program, bundle: &Bundle) -> Result<Self> {
        let user = if Sandbox::tester_is_root() { User::Other(NOBODY) } else { User::Tester };
        let sandbox = Sandbox::of(user);
        for name in ["bin", "work", "tmp"] {
            sandbox.make_directory(name);
        }
        let scratch = Self { sandbox };
        let mut names = program.entry_names();
        let first = scratch.at("bin").join(names.next().context("no entry")?);
        // By another process: what this one has open for writing, a child of another row's may inherit, and
        // then it could not be executed.
        let copied = Command::new("cp").arg("--").args([&bundle.path, &first]).status();
        ensure!(copied.context("cannot run cp")?.success(), "cannot copy `{}`", bundle.path.display());
        for name in names {
            std::os::unix::fs::symlink(&first, scratch.at("bin").join(name))?;
        }
        pack::write(&program.inputs, &scratch.at("work"))?;
        if Sandbox::tester_is_root() {
            let owner = format!("{0}:{0}", scratch.sandbox.uid());
            let mut give = Command::new("chown");
            give.args(["-R", &owner]).args(["work", "bin"].map(|name| scratch.at(name)));
            ensure!(give.status().context("cannot run chown")?.success(), "cannot give the inputs away");
        }
        Ok(scratch)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.sandbox.at(name)
    }

    /// A command in `work`, with limits.
    fn command(&self, seconds: u64) -> Command {
        let mut command = self.sandbox.command("prlimit");
        command.arg(format!("--nproc={PROCESSES}"));
        command.args(["timeout", "--kill-after=5", &seconds.to_string()]);
        let mut path = OsString::from(self.at("bin"));
        path.push(":/usr/bin:/bin");
        command.env("PATH", path).env("TMPDIR", self.at("tmp")).env("TZ", "UTC").env("LANG", "C.UTF-8");
        // The account's own is nologin.
        command.env("SHELL", "/bin/sh");
        command.current_dir(self.at("work"));
        command
    }

    /// Starts the program with an empty cache, and then again.
    pub(crate) fn starts(&self, program: &Program) -> Result<Starts> {
        let mut starts = Starts { first: None, warm: None, complaints: Vec::new() };
        let mut times = Vec::new();
        let all = Instant::now();
        for _ in 0..=WARM_STARTS {
            // A warm one there is always.
            if times.len() > 1 && all.elapsed() > STARTS_MAX {
                break;
            }
            let log = File::create(self.at("start.log"))?;
            let begin = Instant::now();
            let status = self
                .command(program.seconds.min(START_MAX))
                .args(&program.start)
                .stdout(log.try_clone()?)
                .stderr(log)
                .status()
                .context("cannot run prlimit")?;
            times.push(begin.elapsed());
            if !status.success() {
                let told = shortened(&fs::read(self.at("start.log"))?);
                starts.complaints.push(format!("`{}`: {status}: {told}", program.start.join(" ")));
                return Ok(starts);
            }
        }
        starts.first = Some(times.remove(0));
        times.sort_unstable();
        starts.warm = times.get(times.len() / 2).copied();
        Ok(starts)
    }

    /// Does the row's work.
    pub(crate) fn run(&self, program: &Program, target: Arch) -> Result<Outcome> {
        // Into files: what a script leaves running would keep a pipe open.
        let (stdout, stderr) = (self.at("stdout"), self.at("stderr"));
        let status = self
            .command(program.seconds)
            .args(["sh", "-euc", &program.run])
            .env("TARGET", target.name())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .status()
            .context("cannot run prlimit")?;
        let left = self.left_running();
        let mut outcome = Outcome {
            code: status.code(),
            too_long: status.code().is_some_and(|code| TIME_IS_UP.contains(&code)),
            stdout: fs::read(stdout)?,
            stderr: fs::read(stderr)?,
            left,
            ..Outcome::default()
        };
        for name in &program.made {
            if let Ok(bytes) = fs::read(self.at("work").join(name)) {
                outcome.files.insert(name.clone(), bytes);
            }
        }
        Ok(outcome)
    }

    /// Ends what still runs after some seconds; tells its names.
    fn left_running(&self) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return Vec::new();
            }
            if begin.elapsed() > PATIENCE {
                for (process, _) in &left {
                    let _ = Command::new("kill").args(["-KILL", process]).status();
                }
                return left.into_iter().map(|(_, name)| name).collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The processes of this scratch directory: those with its home in their environment, or in it.
    fn processes(&self) -> Vec<(String, String)> {
        let uid = self.sandbox.uid();
        let home = [b"HOME=", self.sandbox.home().as_os_str().as_encoded_bytes()].concat();
        let is_ours = |process: &Path| {
            fs::metadata(process).is_ok_and(|process| process.uid() == uid)
                && (fs::read(process.join("environ"))
                    .is_ok_and(|variables| variables.split(|byte| *byte == 0).any(|one| one == home))
                    || fs::read_link(process.join("cwd"))
                        .is_ok_and(|directory| directory.starts_with(self.sandbox.path())))
        };
        let all = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let mut found = Vec::new();
        for process in all.filter(|process| is_ours(process)) {
            let Some(number) = process.file_name().and_then(|name| name.to_str()) else { continue };
            // A process that has ended and is not waited for yet has no command line.
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            if !line.is_empty() {
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                found.push((number.to_owned(), line.trim().to_owned()));
            }
        }
        found
    }
}
