//! A `binfmt_misc` of one's own, on this machine's kernel. A program and not a test of the harness: who
//! enters a user namespace must have one thread. `echo` stands for the emulator, so that it shows how the
//! kernel calls one.
#![allow(clippy::print_stderr, reason = "what ran and what did not belongs in the log")]

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use bundle::Arch;
use launcher::children::binfmt::enter;
use launcher::log::Log;

/// The user who runs the tests when that is not root.
const NOBODY: u32 = 65534;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("inside") => inside(Path::new(&arguments[2])),
        Some("fails") => fails(),
        _ => outside(),
    }
}

/// Runs the two others as a user like any other.
fn outside() {
    let directory = std::env::temp_dir().join(format!("unibin-binfmt-{}", std::process::id()));
    fs::create_dir(&directory).expect("a directory of our own");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
    let program = directory.join("program");
    // Enough of an ELF header to be known: 64 bits, little-endian, ET_EXEC, riscv64.
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xf3\0".to_vec();
    head.resize(64, 0);
    fs::write(&program, head).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let own = directory.join("test");
    fs::copy(std::env::current_exe().expect("a path"), &own).expect("a copy that everybody may execute");

    let root = fs::metadata("/proc/self").expect("procfs").uid() == 0;
    for user in [None, Some(NOBODY)] {
        if user.is_some() && !root {
            continue;
        }
        for what in ["fails", "inside"] {
            let mut command = Command::new(&own);
            command.args([what, directory.to_str().expect("UTF-8")]).current_dir(&directory);
            if let Some(user) = user {
                command.uid(user).gid(user);
            }
            let output = command.output().expect("it starts");
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "`{what}` as {user:?}: {:?}\n{err}", output.status);
            eprint!("{err}");
        }
    }
    fs::remove_dir_all(&directory).expect("ours");
}

fn ids() -> (u32, u32) {
    let own = fs::metadata("/proc/self").expect("procfs");
    (own.uid(), own.gid())
}

fn namespaces() -> [String; 2] {
    ["user", "mnt"].map(|name| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).expect("procfs");
        link.display().to_string()
    })
}

/// Where a step fails, nothing has changed.
fn fails() {
    let before = (ids(), namespaces(), std::env::current_dir().expect("a directory"));
    let missing = enter(&[(Arch::Riscv64, c"/no/such/emulator")], Log { on: false });
    let text = missing.err().map(|error| String::from_utf8_lossy(error.text()).into_owned());
    let text = text.expect("an emulator that is not there cannot be registered with `F`");
    assert_eq!(before, (ids(), namespaces(), std::env::current_dir().expect("a directory")), "{text}");
    eprintln!("private binfmt_misc refused: {text}");
}

fn inside(directory: &Path) {
    let program = directory.join("program");
    let refused = Command::new(&program).output().map_err(|error| error.raw_os_error());
    // ENOEXEC: nobody else has registered riscv64 here.
    if refused.as_ref().err() != Some(&Some(8)) {
        eprintln!("NOT RUN: this machine runs riscv64 programs already: {refused:?}");
        return;
    }
    let before = (ids(), namespaces(), std::env::current_dir().expect("a directory"));
    let echo = CString::new("/bin/echo").expect("no NUL");
    if let Err(error) = enter(&[(Arch::Riscv64, &echo), (Arch::S390x, &echo)], Log { on: false }) {
        let text = String::from_utf8_lossy(error.text());
        assert_eq!(before, (ids(), namespaces(), std::env::current_dir().expect("a directory")), "{text}");
        eprintln!("NOT RUN: a private binfmt_misc cannot be had here: {text}");
        return;
    }
    let (ids_before, namespaces_before, place_before) = before;
    assert_eq!((ids(), std::env::current_dir().expect("a directory")), (ids_before, place_before));
    assert!(namespaces().iter().zip(&namespaces_before).all(|(now, before)| now != before));

    // `P`: the program's path, then its argv[0], then the rest.
    let output = Command::new(&program).arg0("called").args(["a b", "c"]).output().expect("it runs now");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{} called a b c\n", program.display()));
    // A script whose interpreter is such a program is the kernel's business too, and so is the search along
    // PATH.
    let script = format!("#!{} argument\n", program.display());
    let own = std::env::temp_dir().join(format!("unibin-script-{}", std::process::id()));
    fs::write(&own, script).expect("written");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("ours");
    let output = Command::new(&own).output().expect("it runs");
    let _ = fs::remove_file(&own);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.ends_with(&format!(" argument {}\n", own.display())), "{said}");
    // The host's programs are run as ever, and see the user as himself.
    let output = Command::new("id").arg("-u").output().expect("coreutils");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", ids_before.0));
    eprintln!("private binfmt_misc: seen, as user {}", ids_before.0);
}
