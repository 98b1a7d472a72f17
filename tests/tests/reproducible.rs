//! Same inputs, same bytes: nothing of the machine, the user or the moment gets into a bundle.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use bundle::Arch;
use end_to_end::{Sandbox, busybox, has, needs, store, unibin};

/// A program to pack: the app of a bundle, extracted.
fn program(directory: &Path) -> PathBuf {
    let out = directory.join("extracted");
    let bundle = busybox(Arch::Riscv64);
    let mut extract = Command::new(bundle);
    extract.env("UNIBIN_DO", "extract").env("UNIBIN_TO", &out).env("UNIBIN_CACHE", directory.join("cache"));
    assert!(extract.status().expect("started").success());
    let program = directory.join("busybox");
    fs::copy(out.join("usr/bin/busybox"), &program).expect("copied");
    program
}

/// Runs a prepared `unibin pack PROGRAM -o bundle` in `directory` and gives the bundle's bytes.
fn packed(command: &mut Command, directory: &Path) -> Vec<u8> {
    let output = directory.join("bundle");
    let ran = command.output().expect("started");
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    let bytes = fs::read(&output).expect("bundle");
    fs::remove_file(output).expect("removed");
    bytes
}

const HOSTS: &str = "x86_64,riscv64";

fn pack(program: &Path, directory: &Path) -> Command {
    let mut command = unibin();
    command
        .arg("pack")
        .arg(program)
        .args(["--hosts", HOSTS, "--level", "3", "-o", "bundle"])
        .current_dir(directory);
    command
}

#[test]
fn another_program_makes_another_bundle() {
    needs!("network");
    let directory = tempfile::tempdir().expect("directory");
    let program = program(directory.path());
    let one = packed(&mut pack(&program, directory.path()), directory.path());
    let mut bytes = fs::read(&program).expect("program");
    bytes.push(0);
    fs::write(&program, bytes).expect("written");
    assert!(one != packed(&mut pack(&program, directory.path()), directory.path()));
}

#[test]
fn neither_time_nor_place_nor_settings_change_a_byte() {
    needs!("network");
    let directory = tempfile::tempdir().expect("directory");
    let program = program(directory.path());
    let first = packed(&mut pack(&program, directory.path()), directory.path());
    let same = |what: &str, command: &mut Command, directory: &Path| {
        assert!(packed(command, directory) == first, "{what} changes the bundle");
    };

    same("a second time", &mut pack(&program, directory.path()), directory.path());

    let file = File::options().write(true).open(&program).expect("program");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).expect("time");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("chmod");
    same("the program's time or mode", &mut pack(&program, directory.path()), directory.path());

    let mut elsewhere = pack(&program, directory.path());
    elsewhere
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("LANG", "C")
        .env("TZ", "Pacific/Chatham")
        .env("HOME", directory.path());
    elsewhere.env("SOURCE_DATE_EPOCH", "12345").env("COLUMNS", "20");
    same("locale, time zone, home", &mut elsewhere, directory.path());

    let other = tempfile::tempdir().expect("directory");
    let copy = other.path().join("busybox");
    fs::copy(&program, &copy).expect("copied");
    same("the directory", &mut pack(Path::new("./busybox"), other.path()), other.path());

    if has("taskset") {
        let mut one_cpu = Command::new("taskset");
        let inner = pack(&program, directory.path());
        one_cpu.args(["-c", "0"]).arg(inner.get_program()).args(inner.get_args());
        one_cpu.current_dir(directory.path()).env("UNIBIN_STORE", store());
        same("the number of CPUs", &mut one_cpu, directory.path());
    }

    let mut masked = Command::new("sh");
    let inner = pack(&program, directory.path());
    masked.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    masked.current_dir(directory.path()).env("UNIBIN_STORE", store());
    same("the umask", &mut masked, directory.path());

    let mut order = unibin();
    order.args(["pack", "--level", "3", "-o", "bundle", "--hosts", "riscv64,x86_64"]).arg(&program);
    same("the order of options", order.current_dir(directory.path()), directory.path());
}

#[test]
fn another_user_packs_the_same_bytes() {
    needs!("network", "root");
    let directory = tempfile::tempdir().expect("directory");
    let program = program(directory.path());
    let first = packed(&mut pack(&program, directory.path()), directory.path());

    let sandbox = Sandbox::new();
    let own = sandbox.copy(&program, "busybox");
    let tool = sandbox.copy(Path::new(unibin().get_program()), "unibin");
    let copy = sandbox.at("store");
    let copied = Command::new("cp").arg("-r").arg(store()).arg(&copy).status().expect("cp");
    assert!(copied.success());
    for path in Sandbox::tree(&copy).iter().map(|path| copy.join(path)).chain([copy.clone()]) {
        chown(path, Some(sandbox.uid()), Some(sandbox.uid())).expect("chown");
    }
    let mut command = sandbox.command(tool);
    command.arg("pack").arg(own).args(["--hosts", HOSTS, "--level", "3", "--offline", "-o", "bundle"]);
    command.env("UNIBIN_STORE", copy);
    assert!(packed(&mut command, sandbox.path()) == first, "the user changes the bundle");
}
