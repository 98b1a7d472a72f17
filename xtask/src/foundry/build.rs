//! A build of one host's emulators: the recipe's `build.sh`, run in a build root in namespaces of its own,
//! without network, at paths that are the same on every machine.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;
use foundry::Recipe;

use super::root::Root;
use super::unavailable::Unavailable;
use crate::elf_rules::{self, Machine};

/// Runs its arguments from the third on with the directory `$1` as root and `$2` as `/build`. What the
/// machine has in its environment stays outside.
const ENTER: &str = r#"
    PATH=/usr/sbin:/usr/bin:/sbin:/bin
    root=$1 build=$2
    shift 2
    mount --rbind /dev "$root/dev"
    # Where parts of /proc are hidden, as in a container, no new one can be mounted.
    mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    mount --bind "$build" "$root/build"
    # The task holds the other end of standard input. When it is gone, so are the compilers.
    exec 9<&0 </dev/null
    (cat <&9; kill -KILL -1) >/dev/null 2>&1 &
    exec 9<&-
    exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin "$@"
"#;
/// Mounts, processes and network of one's own (`unshare(1)`); the last process ends with the first.
const NAMESPACES: [&str; 5] = ["--mount", "--pid", "--fork", "--kill-child", "--net"];
/// The user who builds is root in a namespace of users, and nowhere else.
const USERS: [&str; 2] = ["--user", "--map-root-user"];
/// Lines of the log that are shown when a build fails.
const TAIL: usize = 30;

/// Kernels of these hosts may have pages of 64 KiB; of `x86_64` there is one size only.
const LARGE_PAGE: u64 = 0x10000;
/// What the ELF headers of emulators say: `e_flags` as in each CPU's psABI.
const MACHINES: [Machine; 6] = [
    Machine { host: Arch::X86_64, flags: 0, page: 0x1000 },
    Machine { host: Arch::Aarch64, flags: 0, page: LARGE_PAGE },
    Machine { host: Arch::Riscv64, flags: 5, page: LARGE_PAGE },
    Machine { host: Arch::Ppc64le, flags: 2, page: LARGE_PAGE },
    Machine { host: Arch::S390x, flags: 0, page: LARGE_PAGE },
    Machine { host: Arch::Loongarch64, flags: 0x43, page: LARGE_PAGE },
];

/// Fails with [`Unavailable`] where no build can run.
pub(crate) fn namespaces() -> Result<()> {
    if std::env::consts::ARCH != Arch::X86_64.name() {
        let what =
            format!("the packages of the build root are for x86_64, this is {}", std::env::consts::ARCH);
        return Err(Unavailable { what, hint: "build on an x86_64 machine" }.into());
    }
    unshare().map(drop)
}

/// `unshare(1)` with the namespaces of a build, if there is a way to get them.
fn unshare() -> Result<Command> {
    let ways = [&USERS[..], &[]];
    let mut reasons = Vec::new();
    for users in ways {
        let command = || {
            let mut command = Command::new("unshare");
            command.args(users).args(NAMESPACES);
            command
        };
        match command().args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]).output() {
            Ok(output) if output.status.success() => return Ok(command()),
            Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => reasons.push(format!("cannot run unshare(1): {error}")),
        }
    }
    let what = format!("a build needs namespaces of its own: {}", reasons.join("; "));
    Err(Unavailable { what, hint: "allow user namespaces, or build as root" }.into())
}

/// What is to be built.
pub(crate) struct Build<'a> {
    pub(crate) host: Arch,
    /// What is configured: all targets of the recipe.
    pub(crate) all: &'a [Arch],
    /// Those to compile.
    pub(crate) targets: &'a [Arch],
    pub(crate) recipe: &'a Recipe,
    /// The files of the source package: name, path.
    pub(crate) source: &'a [(String, PathBuf)],
    /// How many compilers run at a time; as many as there are processors, where this is none.
    pub(crate) jobs: Option<usize>,
}

/// What was built.
pub(crate) struct Built {
    pub(crate) host: Arch,
    /// Target and program, in the order in which they were asked for.
    pub(crate) programs: Vec<(Arch, Vec<u8>)>,
    /// Packages of which something is linked in.
    pub(crate) linked: Vec<String>,
}

impl Build<'_> {
    /// Builds in a directory of its own below `work`. What each step is goes to `say`.
    pub(crate) fn run(&self, work: &Path, root: &Root, say: impl Fn(&str)) -> Result<Built> {
        let host = self.host.name();
        let scratch = tempfile::Builder::new().prefix(&format!("build-{host}-")).tempdir_in(work)?;
        self.recipe.write(&scratch.path().join("recipe"))?;
        fs::create_dir(scratch.path().join("source"))?;
        for (name, path) in self.source {
            fs::copy(path, scratch.path().join("source").join(name))?;
        }
        let mut command = unshare()?;
        command.args(["sh", "-euc", ENTER, "sh"]).arg(&root.tree).arg(scratch.path());
        command.args(self.jobs.map(|jobs| format!("JOBS={jobs}")));
        let names = |targets: &[Arch]| targets.iter().map(|target| target.qemu_name()).collect::<Vec<_>>();
        command.arg(format!("ONLY={}", names(self.targets).join(" ")));
        command.args(["sh", "/build/recipe/build.sh", host]).args(names(self.all));
        let errors = File::create(scratch.path().join("errors"))?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot run unshare(1)")?;
        let alive = process.stdin.take();
        let steps = process.stdout.take().context("its output is a pipe")?;
        let mut last = String::from("enter the root");
        for step in BufReader::new(steps).lines() {
            last = step?;
            say(&last);
        }
        let status = process.wait().context("cannot wait for the build")?;
        drop(alive);
        let log = work.join(format!("{host}.log"));
        let logged = [
            fs::read(scratch.path().join("errors"))?,
            fs::read(scratch.path().join("log")).unwrap_or_default(),
        ]
        .concat();
        fs::write(&log, &logged)?;
        if !status.success() {
            let text = String::from_utf8_lossy(&logged);
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            bail!("the build for {host} failed at `{last}`; the end of `{}`:\n{tail}", log.display());
        }
        let out = scratch.path().join("out");
        let program = |target: &Arch| {
            let path = out.join(format!("qemu-{}", target.qemu_name()));
            Ok((*target, fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?))
        };
        let programs = self.targets.iter().map(program).collect::<Result<_>>()?;
        let libraries = fs::read_to_string(out.join("linked"))?;
        let package = |path: &str| {
            let package = root.package_of(path).with_context(|| format!("no package has `{path}`"))?;
            Ok(package.to_owned())
        };
        let mut linked = libraries.lines().map(package).collect::<Result<Vec<_>>>()?;
        ensure!(!linked.is_empty(), "the linker's maps name no library");
        linked.sort();
        linked.dedup();
        Ok(Built { host: self.host, programs, linked })
    }
}

impl Built {
    /// Whether each program keeps the rules.
    pub(crate) fn check(&self) -> Result<()> {
        self.programs.iter().try_for_each(|(target, bytes)| check(self.host, *target, bytes))
    }

    /// Puts the programs into `directory`, below the host's name.
    pub(crate) fn keep(&self, directory: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = directory.join(self.host.name());
        fs::create_dir_all(&directory)?;
        for (target, bytes) in &self.programs {
            let path = directory.join(format!("qemu-{}", target.qemu_name()));
            fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        println!("foundry: the programs are in `{}`", directory.display());
        Ok(())
    }
}

/// Whether the emulator of `target` for `host` keeps the rules for committed programs.
pub(crate) fn check(host: Arch, target: Arch, bytes: &[u8]) -> Result<()> {
    let machine = MACHINES.iter().find(|machine| machine.host == host).context("this host has no rules")?;
    elf_rules::check(machine, bytes)
        .with_context(|| format!("the emulator of {target} for {host} breaks a rule"))
}

#[cfg(test)]
mod tests;
