//! The CPU that an emulator shows to the app: without pointer authentication where that loses nothing, and
//! otherwise as packing, or whoever starts the bundle, says. The app itself tells what it sees.

use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::{Sandbox, needs, pack_if_there, unibin};

/// `HWCAP_PACA` of Linux for aarch64 (`arch/arm64/include/uapi/asm/hwcap.h`).
const HWCAP_PACA: u64 = 1 << 30;

/// Debian 13's busybox for aarch64, whose compiler signs return addresses; Debian 12's did not.
fn busybox(more: &[&str]) -> Option<PathBuf> {
    let busybox = ["--deb", "busybox-static", "--suite", "trixie", "--target", "aarch64"];
    pack_if_there(&[&busybox[..], &["--hosts", "x86_64", "--level", "1"], more].concat())
}

/// Whether `AT_HWCAP` (16), as `od` has written the auxiliary vector, names pointer authentication.
#[track_caller]
fn signs(vector: &str) -> bool {
    let words: Vec<u64> =
        vector.split_whitespace().map(|word| u64::from_str_radix(word, 16).expect("a number")).collect();
    let row = words.chunks_exact(2).find(|row| row[0] == 16).expect("AT_HWCAP");
    row[1] & HWCAP_PACA != 0
}

const OD: [&str; 6] = ["od", "-A", "n", "-v", "-t", "x8"];
const VECTOR: &str = "/proc/self/auxv";

#[test]
fn pointer_authentication_is_left_out_where_nothing_needs_it_for_children_too_and_every_other_word_counts() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(packed) = busybox(&[]) else { return };
    let bundle = sandbox.copy(&packed, "busybox");
    let run = |bundle: &Path, options: &str, arguments: &[&str]| {
        // The caller's own QEMU_CPU is for the emulators that the caller starts.
        let variables = [("UNIBIN_EMULATOR_OPTIONS", options), ("QEMU_CPU", "cortex-a53")];
        signs(&sandbox.run_with(&variables, bundle, arguments).must_succeed())
    };
    let itself = [&OD[..], &[VECTOR]].concat();
    let child = format!("busybox {}", itself.join(" "));
    let child = ["sh", "-c", &child];
    for arguments in [&itself[..], &child] {
        assert!(!run(&bundle, "", arguments), "{arguments:?}");
        assert!(run(&bundle, "-cpu max", arguments), "what is said at run time comes first: {arguments:?}");
    }
    let Some(packed) = busybox(&["--cpu", "max"]) else { return };
    let bundle = sandbox.copy(&packed, sandbox.make_directory("max").join("busybox"));
    assert!(run(&bundle, "", &itself), "packed with `--cpu max`");
    assert!(!run(&bundle, "-cpu max,pauth=off", &itself));
}

#[test]
fn one_instruction_of_pointer_authentication_that_is_no_hint_keeps_it() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(packed) = busybox(&[]) else { return };
    let out = sandbox.at("out");
    let extract = unibin().arg("extract").arg(packed).arg(&out).output().expect("unibin starts");
    assert!(extract.status.success(), "{extract:?}");
    let mut program = fs::read(out.join("usr/bin/busybox")).expect("a program");
    let model = |program: &[u8]| {
        let program = sandbox.write("program", program);
        let bundle = sandbox.at("bundle");
        let options = ["--hosts", "x86_64", "--level", "1", "-o"];
        let pack = unibin().arg("pack").arg(program).args(options).arg(&bundle).output();
        let pack = pack.expect("unibin starts");
        assert!(pack.status.success(), "{pack:?}");
        let shown = unibin().arg("inspect").arg(&bundle).output().expect("unibin starts");
        String::from_utf8_lossy(&shown.stdout).contains("set QEMU_CPU max,pauth=off")
    };
    assert!(model(&program));
    // What a compiler for ARMv8.3 writes in place of `autiasp; ret`.
    let pair = [0xd503_23bf_u32, 0xd65f_03c0].map(u32::to_le_bytes).concat();
    let at = program.windows(8).position(|found| found == pair).expect("a function that ends so");
    program[at + 4..at + 8].copy_from_slice(&0xd65f_0bff_u32.to_le_bytes());
    assert!(!model(&program));
}
