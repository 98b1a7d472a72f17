//! `cargo xtask lab`: tests what is claimed of bundles on booted kernels of eight CPUs: Debian's kernels, on
//! machines of qemu-system, as a user with nothing installed. `--fast` runs the same cases without booting,
//! under user-mode emulation.
//!
//! A machine that cannot be tested is NOT RUN, which is a failure. docs/lab.md has the last full table.

mod abis;
mod archive;
mod boot;
mod bundles;
mod cases;
mod compile;
mod disks;
mod docs;
mod fast;
mod initramfs;
mod machines;
mod modules;
mod power;
mod report;
mod request;
mod self_test;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bundle::Arch;

use archive::Suites;
use bundles::Packer;
use cases::{CASES, Case};
use initramfs::Programs;
use machines::{Board, MACHINES, Machine};
use report::Row;
use request::{Request, Way};

/// Runs the task with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let request = Request::parse(arguments)?;
    let lab = Lab::open(&crate::workspace().join("target/lab"))?;
    if request.self_test {
        return lab.sees_a_broken_launcher(request.way);
    }
    let rows = lab.rows(&request)?;
    print!("\n{}", report::table(&rows));
    if request.write_docs {
        docs::write(&crate::workspace().join("docs/lab.md"), &rows)?;
    }
    let complaints = report::complaints(&rows);
    println!("\nlogs: `{}`", lab.directory.join("logs").display());
    ensure!(complaints.is_empty(), "not everything is green:\n{}", complaints.join("\n"));
    Ok(())
}

/// What all machines share.
struct Lab {
    directory: PathBuf,
    packer: Packer,
}

/// What a machine needs to run its cases.
struct Ready {
    cases: Vec<&'static Case>,
    bundles: PathBuf,
    programs: Programs,
    /// Where it is to boot.
    boots: Option<Boots>,
}

/// What a machine boots from.
struct Boots {
    kernel: PathBuf,
    initramfs: PathBuf,
    disk: PathBuf,
    qemu: Command,
    memory: u32,
    command_line: String,
}

impl Lab {
    fn open(directory: &Path) -> Result<Self> {
        crate::tools::run()?;
        let packer = Packer::build(&directory.join("bundles"))?;
        Ok(Self { directory: directory.to_owned(), packer })
    }

    /// The lab's own test: see [`self_test`].
    fn sees_a_broken_launcher(mut self, way: Way) -> Result<()> {
        let machine = MACHINES.iter().find(|machine| machine.host == self_test::HOST).context("a machine")?;
        let native = CASES.iter().find(|case| case.name == "native").context("a case")?;
        let request = Request { machines: vec![*machine], cases: vec![native], way, ..Request::default() };
        let broken = self_test::broken_launchers(&self.directory)?;
        let broken = self.packer.with_launchers(&broken)?;
        let whole = std::mem::replace(&mut self.packer, broken);
        let row = self.rows(&request)?.remove(0);
        ensure!(row.not_run.is_none(), "the machine did not come up: {}", row.not_run.unwrap_or_default());
        ensure!(!row.is_green(), "a launcher that cannot execute anything was not seen");
        println!("lab: a broken launcher is seen; now the whole one");
        self.packer = whole;
        let row = self.rows(&request)?.remove(0);
        ensure!(row.is_green(), "the whole launcher is red too: {}", report::complaints(&[row]).join("; "));
        Ok(())
    }

    /// Runs the cases on each machine. What goes wrong with one is its own row's matter.
    fn rows(&self, request: &Request) -> Result<Vec<Row>> {
        let mut suites = Suites::new(self.directory.join("debian"));
        // Two labs would write to one shared home: one waits for the other. The lock ends with us.
        std::fs::create_dir_all(&self.directory)?;
        let lock = std::fs::File::create(self.directory.join(format!("{:?}.lock", request.way)))?;
        lock.lock().context("cannot lock the lab")?;
        let shared = match request.way {
            Way::Fast => fast::fresh_directory(&self.directory.join("shared"))?,
            Way::Booted => disks::empty(self.directory.join("shared.img"), 512)?,
            Way::Logs => PathBuf::new(),
        };
        // While a machine runs, which takes one processor most of the time, what the next one needs is
        // fetched and packed.
        std::thread::scope(|scope| {
            let (sender, ready) = mpsc::sync_channel(0);
            if request.way != Way::Logs {
                let suites = &mut suites;
                scope.spawn(move || {
                    for machine in &request.machines {
                        if sender.send(self.ready(machine, request, suites)).is_err() {
                            return;
                        }
                    }
                });
            }
            self.rows_of(request, &ready, &shared)
        })
    }

    fn rows_of(
        &self,
        request: &Request,
        ready: &mpsc::Receiver<Result<Ready>>,
        shared: &Path,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for machine in &request.machines {
            println!("lab: == {}", machine.name);
            let begin = Instant::now();
            let ran = if request.way == Way::Logs {
                self.kept_console(machine, request)
            } else {
                ready
                    .recv()
                    .context("nothing is made ready")?
                    .and_then(|ready| self.console(machine, request, ready, shared))
            };
            let seconds = begin.elapsed().as_secs();
            let row = match ran {
                Ok(console) => Row {
                    machine: *machine,
                    release: report::release(&console).unwrap_or_default().to_owned(),
                    not_run: report::release(&console)
                        .is_none()
                        .then(|| "it did not come up; see its log".to_owned()),
                    verdicts: report::judge(&console, machine, &request.cases, request.way != Way::Fast),
                    pages: report::pages(&console),
                    seconds,
                },
                Err(error) => Row {
                    machine: *machine,
                    release: String::new(),
                    not_run: Some(format!("{error:#}")),
                    verdicts: Vec::new(),
                    pages: Vec::new(),
                    seconds,
                },
            };
            let word = if row.is_green() { "green" } else { "NOT GREEN" };
            println!("lab: == {}: {word}, {seconds} s", machine.name);
            for line in report::complaints(std::slice::from_ref(&row)) {
                println!("lab: {line}");
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn log(&self, machine: &Machine, request: &Request) -> PathBuf {
        let way = if request.way == Way::Fast { "fast" } else { "booted" };
        self.directory.join(format!("logs/{}.{way}.log", machine.name))
    }

    /// What the console said last time, if that was this very `unibin`'s.
    fn kept_console(&self, machine: &Machine, request: &Request) -> Result<String> {
        let log = self.log(machine, request);
        let console = std::fs::read(&log).with_context(|| format!("there is no `{}`", log.display()))?;
        let console = String::from_utf8_lossy(&console).into_owned();
        let packer = format!("@lab unibin {}", self.packer.digest());
        ensure!(console.lines().any(|line| line == packer), "`{}` is another unibin's", log.display());
        Ok(console)
    }

    /// Makes what a machine needs.
    fn ready(&self, machine: &Machine, request: &Request, suites: &mut Suites) -> Result<Ready> {
        let applies = |case: &&&Case| case.applies(machine, request.way != Way::Fast);
        let cases: Vec<&Case> = request.cases.iter().filter(applies).copied().collect();
        let scripts: String = cases.iter().map(|case| case.script_on(machine)).collect();
        let bundles = self.packer.all_for(machine.host, &scripts)?;
        let programs = programs(machine.host, suites)?;
        let boots = match request.way {
            Way::Booted => Some(self.boots(machine, &bundles, &programs, &cases, suites)?),
            Way::Fast | Way::Logs => None,
        };
        Ok(Ready { cases, bundles, programs, boots })
    }

    /// Makes what a machine boots from.
    fn boots(
        &self,
        machine: &Machine,
        bundles: &Path,
        programs: &Programs,
        cases: &[&Case],
        suites: &mut Suites,
    ) -> Result<Boots> {
        let kernel = suites.kernel(machine)?;
        let initramfs = self.directory.join("roots").join(machine.name);
        let archive = initramfs::archive(machine, &kernel, programs, cases)?;
        archive::appear(&initramfs, |new| Ok(std::fs::write(new, archive)?))?;
        let disk = disks::of_directory(bundles, &self.directory.join("disks"))?;
        let mut qemu = self.qemu(&machines::board(machine.host))?;
        let mut memory = 512;
        let mut command_line = "loglevel=3".to_owned();
        if machine.host == Arch::Loongarch64 {
            let firmware = "usr/share/qemu-efi-loongarch64/QEMU_EFI.fd";
            let firmware = suites.file("sid", Arch::X86_64, "qemu-efi-loongarch64", firmware)?;
            qemu.arg("-bios").arg(firmware);
            memory = 1024;
            command_line.push_str(" mem=512M");
        }
        if machine.host == Arch::X86_64 {
            // Debian's kernels know the ABI x32 and refuse its programs until they are told not to.
            command_line.push_str(" syscall.x32=y");
        }
        Ok(Boots { kernel: kernel.image, initramfs, disk, qemu, memory, command_line })
    }

    /// Runs the cases on a machine; what its console said.
    fn console(&self, machine: &Machine, request: &Request, ready: Ready, shared: &Path) -> Result<String> {
        let Ready { cases, bundles, programs, boots } = ready;
        let mut log = boot::Log::begin(&self.log(machine, request), self.packer.digest())?;
        let told = |line: &str| {
            if let Some(case) = line.strip_prefix("@lab begin ") {
                println!("lab: {}: {case}", machine.name);
            }
        };
        let Some(boots) = boots else {
            let emulator = (!matches!(machine.host, Arch::X86_64 | Arch::I686))
                .then(|| self.packer.emulator(Arch::X86_64, machine.host))
                .transpose()?;
            let parts = fast::Parts { machine, programs: &programs, emulator, bundles: &bundles, shared };
            return fast::run(&parts, &cases, &mut log, told);
        };
        let board = machines::board(machine.host);
        let mut life = |words: &str, disks: Vec<&Path>| {
            let parts = boot::Parts {
                qemu: &boots.qemu,
                board: &board,
                memory: boots.memory,
                kernel: &boots.kernel,
                command_line: format!("{} {words}", boots.command_line),
                initramfs: &boots.initramfs,
                disks,
            };
            boot::boot(parts, &mut log, told)
        };
        if !cases.iter().any(|case| case.name == power::CASE) {
            return life("", vec![&boots.disk, shared]);
        }
        // Another lab of this checkout may run beside this one.
        let apart = tempfile::tempdir_in(&self.directory)?;
        let cut = disks::with_journal(apart.path().join("power.img"))?;
        let first = life(power::FIRST_LIFE, vec![&boots.disk, &cut])?;
        Ok(first + &life("", vec![&boots.disk, shared, &cut])?)
    }

    /// The emulator of a machine: installed; for loongarch64 Debian 13's, in a bundle of our own with its
    /// libraries. Debian 12 has one that knows neither today's firmware nor kernel.
    fn qemu(&self, board: &Board) -> Result<Command> {
        if board.program == machines::LOONGARCH {
            let entry = format!("qemu=/usr/bin/{}", board.program);
            let words =
                ["--deb", board.package, "--suite", "trixie", "--target", "x86_64", "--hosts", "x86_64"];
            let words = [&words[..], &["--entry", &entry]].concat();
            return Ok(Command::new(
                self.packer.pack(&words.into_iter().map(str::to_owned).collect::<Vec<_>>())?,
            ));
        }
        let installed = Path::new("/usr/bin").join(board.program);
        ensure!(
            installed.exists(),
            "`{}` is not installed: `apt-get install {}`",
            board.program,
            board.package
        );
        Ok(Command::new(installed))
    }
}

/// What a machine runs beside its bundles.
fn programs(host: Arch, suites: &mut Suites) -> Result<Programs> {
    let suite = if host == Arch::Loongarch64 { "sid" } else { "trixie" };
    Ok(Programs {
        busybox: suites.file(suite, host, "busybox-static", "usr/bin/busybox")?,
        r#as: compile::compile("as", host)?,
    })
}
