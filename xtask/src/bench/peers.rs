//! Other tools for what a bundle of a large tree does, and a tree to try all of them on. A tool that is not
//! available is `NOT RUN`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use end_to_end::{cargo, smallest};

use super::interrupted;
use super::pairs::tree_of;
use crate::shelf::is_installed;
use crate::unibin::released;
use crate::workspace::target_directory;

/// A compiler and the library of another: few large programs that resemble each other, one that is alone, and
/// thousands of short files.
const PACKAGES: [&str; 2] = ["g++", "libllvm19"];

/// The program of every tree that is started: it ends at once, with this code.
pub(super) const START: &str = "start";
pub(super) const ENDED: i32 = 42;

const WRAPPE: &str = "1.0.6";

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) wall: Duration,
    /// Of the processor in user mode, by it and its children.
    pub(super) user: Duration,
}

/// A way to bring a tree to another machine.
pub(super) struct Peer {
    pub(super) name: String,
    /// Whether it is tried in all settings: not those that do what `tar` does, in other words.
    pub(super) everywhere: bool,
    /// The command that packs the tree, into the file.
    pub(super) pack: fn(&Place, &Path, i32) -> Command,
    /// The command that unpacks the file into a directory that does not exist, and starts what is in it.
    pub(super) cold: fn(&Place, &Path, &Path) -> Command,
}

/// Where everything lies: in memory if there is room, since a file system avoids inodes that were deleted
/// lately, and so is slower in each round.
pub(super) struct Place {
    directory: tempfile::TempDir,
    /// It is not left over.
    _in_use: fs::File,
    pub(super) tree: PathBuf,
    pub(super) unibin: PathBuf,
}

impl Place {
    /// With a tree, the given one or one of Debian's packages; `None` where the mirror does not have them.
    pub(super) fn new(given: Option<&Path>) -> Result<Option<Self>> {
        const NEEDED: u64 = 6 << 30;
        let memory = Path::new("/dev/shm");
        let free = free(memory).unwrap_or(0);
        let disk = std::env::temp_dir();
        let (directory, in_use) = interrupted::directory(if free >= NEEDED { memory } else { &disk })?;
        if free < NEEDED {
            println!(
                "NOT RUN: in memory: `{}` has no room; what is deleted slows what follows",
                memory.display()
            );
        }
        let tree = match given {
            Some(given) => {
                let copy = directory.path().join("tree");
                let copied = Command::new("cp").arg("-a").args([given, &copy]).status()?;
                ensure!(copied.success(), "cannot copy `{}`", given.display());
                copy
            }
            None => match tree_of(&PACKAGES, Arch::X86_64, directory.path())? {
                Some(tree) => tree,
                None => return Ok(None),
            },
        };
        let start = tree.join(START);
        fs::write(&start, smallest(Arch::HOST.context("a host of no architecture")?).elf())?;
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
        Ok(Some(Self { directory, _in_use: in_use, tree, unibin: released()? }))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The bytes of all files.
    pub(super) fn size(&self) -> Result<u64> {
        fn of(directory: &Path) -> Result<u64> {
            let mut all = 0;
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                all += if metadata.is_dir() { of(&entry.path())? } else { metadata.len() };
            }
            Ok(all)
        }
        of(&self.tree)
    }
}

/// The tree in a bundle.
fn unibin_pack(place: &Place, to: &Path, level: i32) -> Command {
    let mut command = Command::new(&place.unibin);
    let host = Arch::HOST.map_or("x86_64", Arch::name);
    command.arg("pack").arg(&place.tree).args(["--entry", START, "--hosts", host, "--target", host]);
    command.args(["--level", &level.to_string(), "-o"]).arg(to);
    // What was remembered of a run before would be no packing.
    command.env("UNIBIN_STORE", to.with_extension("store"));
    command
}

fn unibin_cold(_: &Place, file: &Path, to: &Path) -> Command {
    let mut command = Command::new(file);
    command.env("UNIBIN_CACHE", to);
    command
}

fn tar_pack(place: &Place, to: &Path, level: i32) -> Command {
    let mut command = Command::new("tar");
    command.arg("-C").arg(&place.tree).arg("-cf").arg(to);
    // The window that unibin has too.
    command.arg(format!("--use-compress-program=zstd -T1 --ultra -{level} --long=26")).arg(".");
    command
}

fn tar_cold(_: &Place, file: &Path, to: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", "mkdir \"$2\"; tar --zstd -C \"$2\" -xf \"$1\"; exec \"$2/start\"", "sh"]);
    command.args([file, to]);
    command
}

fn wrappe_pack(place: &Place, to: &Path, level: i32) -> Command {
    let mut command = Command::new(wrappe());
    command.args(["-s", "bench", "-i", "none", "-c", &level.to_string()]);
    command.arg(&place.tree).arg(START).arg(to);
    command
}

fn wrappe_cold(_: &Place, file: &Path, to: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", "mkdir \"$2\"; exec \"$1\"", "sh"]).args([file, to]).env("TMPDIR", to);
    command
}

fn makeself_pack(place: &Place, to: &Path, level: i32) -> Command {
    let mut command = Command::new("makeself");
    command.args(["--quiet", "--nox11", "--zstd", "--complevel", &level.to_string()]);
    command.arg(&place.tree).arg(to).args(["bench", "./start"]);
    command
}

fn makeself_cold(_: &Place, file: &Path, to: &Path) -> Command {
    let mut command = Command::new(file);
    command.args(["--quiet", "--nox11", "--target"]).arg(to);
    command
}

fn squashfs_pack(place: &Place, to: &Path, level: i32) -> Command {
    let mut command = Command::new("mksquashfs");
    command.arg(&place.tree).arg(to).args(["-quiet", "-no-progress", "-noappend", "-comp", "zstd"]);
    command.args(["-Xcompression-level", &level.to_string()]);
    command
}

fn squashfs_cold(_: &Place, file: &Path, to: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", "unsquashfs -quiet -no-progress -d \"$2\" \"$1\"; exec \"$2/start\"", "sh"]);
    command.args([file, to]);
    command
}

/// Those that are here, unibin first. `tar` is what the others are compared with.
pub(super) fn all() -> Vec<Peer> {
    let mut peers =
        vec![Peer { name: "unibin".into(), everywhere: true, pack: unibin_pack, cold: unibin_cold }];
    let mut add = |name: &str, there: bool, pack, cold| {
        if there {
            let everywhere = name.starts_with("tar") || name.starts_with("wrappe");
            peers.push(Peer { name: name.into(), everywhere, pack, cold });
        } else {
            println!("NOT RUN: {name}: it is not installed");
        }
    };
    add("tar --zstd", is_installed("tar") && is_installed("zstd"), tar_pack, tar_cold);
    add(&format!("wrappe {WRAPPE}"), have_wrappe(), wrappe_pack, wrappe_cold);
    add("makeself", is_installed("makeself") && is_installed("zstd"), makeself_pack, makeself_cold);
    add(
        "squashfs-tools",
        is_installed("mksquashfs") && is_installed("unsquashfs"),
        squashfs_pack,
        squashfs_cold,
    );
    peers
}

fn wrappe() -> PathBuf {
    target_directory().join("bench-tools").join(format!("wrappe-{WRAPPE}")).join("bin/wrappe")
}

/// Has cargo install it, once.
fn have_wrappe() -> bool {
    let program = wrappe();
    if program.is_file() {
        return true;
    }
    let Some(root) = program.parent().and_then(Path::parent) else { return false };
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "wrappe", "--version", WRAPPE, "--root"]).arg(root);
    install.status().is_ok_and(|status| status.success()) && program.is_file()
}

/// Runs `command`, which must end with `code`.
pub(super) fn timed(mut command: Command, code: i32) -> Result<Took> {
    // cargo's, which has /bin/sh look for its libc in directories of rustc first: no user's start does.
    command.env_remove("LD_LIBRARY_PATH");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let (before, begin) = (user_time(), Instant::now());
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let (wall, after) = (begin.elapsed(), user_time());
    let (status, told) = (output.status, String::from_utf8_lossy(&output.stderr));
    ensure!(status.code() == Some(code), "{command:?} ended with {status}: {told}");
    Ok(Took { wall, user: after.saturating_sub(before) })
}

/// What those that this process has waited for have used: `cutime` of `proc_pid_stat(5)`, in hundredths of a
/// second on every Linux.
fn user_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets, which may hold anything.
    let mut fields = stat.rsplit_once(')').map_or("", |(_, after)| after).split_whitespace();
    let ticks: u64 = fields.nth(13).and_then(|field| field.parse().ok()).unwrap_or_default();
    Duration::from_millis(ticks * 10)
}

/// The bytes that are free in a file system.
fn free(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// The same command, on the first of this process's CPUs alone, by `taskset(1)`.
pub(super) fn on_one_cpu(command: &Command) -> Command {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.and_then(|list| list.trim().split([',', '-']).next()).unwrap_or("0");
    let mut alone = Command::new("taskset");
    alone.args(["-c", first]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    alone
}

/// The run whose wall time is the median.
pub(super) fn median(runs: &[Took]) -> Option<Took> {
    let mut runs = runs.to_vec();
    runs.sort_unstable_by_key(|took| took.wall);
    runs.get(runs.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_on_one_cpu_has_one_and_its_arguments_and_variables() {
        if !is_installed("taskset") {
            return println!("NOT RUN: taskset is not installed");
        }
        let mut command = Command::new("sh");
        command.args(["-c", "nproc; echo \"$1 $MARK\"", "sh", "a b"]).env("MARK", "c");
        let output = on_one_cpu(&command).output().expect("it is run");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1\na b c\n");
    }
}
