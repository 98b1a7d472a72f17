//! Same inputs, same bytes: nothing of the machine, the user or the moment gets into a bundle.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use bundle::Arch;
use end_to_end::{Sandbox, busybox, store, unibin};

/// A program to pack: the app of a bundle, extracted.
fn program(folder: &Path) -> PathBuf {
    let out = folder.join("extracted");
    let bundle = busybox(Arch::Riscv64);
    let mut extract = Command::new(bundle);
    extract.env("UNIBIN_DO", "extract").env("UNIBIN_TO", &out).env("UNIBIN_CACHE", folder.join("cache"));
    assert!(extract.status().expect("started").success());
    let program = folder.join("busybox");
    fs::copy(out.join("usr/bin/busybox"), &program).expect("copied");
    program
}

/// Runs a prepared `unibin pack PROGRAM -o bundle` in `folder` and gives the bundle's bytes.
fn packed(command: &mut Command, folder: &Path) -> Vec<u8> {
    let output = folder.join("bundle");
    let ran = command.output().expect("started");
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    let bytes = fs::read(&output).expect("bundle");
    fs::remove_file(output).expect("removed");
    bytes
}

const HOSTS: &str = "x86_64,riscv64";

fn pack(program: &Path, folder: &Path) -> Command {
    let mut command = unibin();
    command
        .arg("pack")
        .arg(program)
        .args(["--hosts", HOSTS, "--level", "3", "-o", "bundle"])
        .current_dir(folder);
    command
}

#[test]
fn another_program_makes_another_bundle() {
    let folder = tempfile::tempdir().expect("folder");
    let program = program(folder.path());
    let one = packed(&mut pack(&program, folder.path()), folder.path());
    let mut bytes = fs::read(&program).expect("program");
    bytes.push(0);
    fs::write(&program, bytes).expect("written");
    assert!(one != packed(&mut pack(&program, folder.path()), folder.path()));
}

#[test]
fn neither_time_nor_place_nor_settings_change_a_byte() {
    let folder = tempfile::tempdir().expect("folder");
    let program = program(folder.path());
    let first = packed(&mut pack(&program, folder.path()), folder.path());
    let same = |what: &str, command: &mut Command, folder: &Path| {
        assert!(packed(command, folder) == first, "{what} changes the bundle");
    };

    same("a second time", &mut pack(&program, folder.path()), folder.path());

    let file = File::options().write(true).open(&program).expect("program");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).expect("time");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("chmod");
    same("the program's time or mode", &mut pack(&program, folder.path()), folder.path());

    let mut elsewhere = pack(&program, folder.path());
    elsewhere
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("LANG", "C")
        .env("TZ", "Pacific/Chatham")
        .env("HOME", folder.path());
    elsewhere.env("SOURCE_DATE_EPOCH", "12345").env("COLUMNS", "20");
    same("locale, time zone, home", &mut elsewhere, folder.path());

    let other = tempfile::tempdir().expect("folder");
    let copy = other.path().join("busybox");
    fs::copy(&program, &copy).expect("copied");
    same("the folder", &mut pack(Path::new("./busybox"), other.path()), other.path());

    let mut one_cpu = Command::new("taskset");
    let inner = pack(&program, folder.path());
    one_cpu.args(["-c", "0"]).arg(inner.get_program()).args(inner.get_args()).current_dir(folder.path());
    one_cpu.env("UNIBIN_STORE", store());
    same("the number of CPUs", &mut one_cpu, folder.path());

    let mut masked = Command::new("sh");
    let inner = pack(&program, folder.path());
    masked.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    masked.current_dir(folder.path()).env("UNIBIN_STORE", store());
    same("the umask", &mut masked, folder.path());

    let mut order = unibin();
    order.args(["pack", "--level", "3", "-o", "bundle", "--hosts", "riscv64,x86_64"]).arg(&program);
    same("the order of options", order.current_dir(folder.path()), folder.path());
}

#[test]
fn another_user_packs_the_same_bytes() {
    if !Sandbox::tester_is_root() {
        end_to_end::without("root", "only root can be another user");
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let program = program(folder.path());
    let first = packed(&mut pack(&program, folder.path()), folder.path());

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
