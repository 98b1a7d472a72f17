//! Several translators for one pair: the first that passes its probe runs; whether it does is asked until it
//! does.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    Namespace, Sandbox, broken_emulator, needs, older_qemu, pack_by_hand, smallest, translator_row, unibin,
};

/// A row of `emulators.toml` for riscv64 programs on `x86_64`.
fn row(name: &str, version: &str, program: &Path, more: &str) -> String {
    translator_row(Arch::Riscv64, name, version, program, more)
}

fn packed(sandbox: &Sandbox, translators: &str) -> PathBuf {
    let file = sandbox.write("emulators.toml", translators.as_bytes());
    let output = sandbox.at("packed");
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    let mut arguments: Vec<String> = busybox.map(str::to_owned).to_vec();
    arguments.extend(["--translators".to_owned(), file.display().to_string()]);
    pack_by_hand(&arguments, &output).must_succeed();
    sandbox.copy(&output, "busybox")
}

/// The same with a broker that attends to nothing: the launcher itself executes what is unpacked.
fn packed_without_children(sandbox: &Sandbox, translators: &str, more: &[&str]) -> PathBuf {
    let file = sandbox.write("emulators.toml", translators.as_bytes()).display().to_string();
    let output = sandbox.at("packed");
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    let options = ["--children", "none", "--translators", &file];
    pack_by_hand(&[&busybox, &options[..], more].concat(), &output).must_succeed();
    sandbox.copy(&output, "busybox")
}

/// Runs `uname -m` and gives what was told on the way.
fn told(sandbox: &Sandbox, bundle: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = sandbox.command(bundle);
    command.args(["uname", "-m"]).env("UNIBIN_LOG", "1").envs(variables.iter().copied());
    let ran = Sandbox::finish(&mut command);
    assert_eq!(ran.must_succeed().trim(), "riscv64");
    ran.errors()
}

#[test]
fn the_first_translator_that_passes_its_probe_runs_and_that_it_works_is_remembered() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let probe = "probe = [\"-version\"]";
    let older = older_qemu(Arch::Riscv64);
    let rows =
        row("broken", "1", &broken_emulator(&sandbox), probe) + &row("qemu-user", "7.2", &older, probe);
    let bundle = packed(&sandbox, &rows);
    for start in ["first", "second"] {
        let told = told(&sandbox, &bundle, &[]);
        assert!(told.contains("not using broken 1: it fails its probe"), "{start} start: {told}");
        let executed = told.lines().find(|line| line.contains("executing")).expect("something ran");
        assert!(executed.contains("qemu-user-7.2"), "{start} start: {told}");
    }
    let marks = || {
        let all = Sandbox::tree(&sandbox.cache());
        let is_mark = |path: &&PathBuf| path.to_string_lossy().contains("/works-");
        all.iter().filter(is_mark).map(|path| sandbox.cache().join(path)).collect::<Vec<_>>()
    };
    let [mark] = &marks()[..] else { panic!("{:?}", marks()) };
    assert!(mark.to_string_lossy().contains("/works-qemu-user-7.2-"), "{}", mark.display());

    // A start that gives no emulator enough memory says nothing about the machine.
    fs::remove_file(mark).expect("asked anew");
    let limited = "ulimit -v 16000; UNIBIN_LOG=1 exec \"$1\" uname -m";
    let limited = sandbox.shell(limited, &[&bundle]);
    assert!(limited.errors().contains("not using qemu-user 7.2: it fails its probe"), "{limited}");
    assert!(told(&sandbox, &bundle, &[]).contains("asqemu-user-7.2"), "asked again");
    // What has worked is believed until somebody asks for a check.
    assert_eq!(marks().len(), 1);
    assert!(told(&sandbox, &bundle, &[("UNIBIN_VERIFY", "1")]).contains("asqemu-user-7.2"), "asked anew");
}

#[test]
fn where_no_translator_passes_its_probe_that_is_said() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let bundle = packed(
        &sandbox,
        &("catalogue = false\n".to_owned()
            + &row("broken", "1", &broken_emulator(&sandbox), "probe = [\"\"]")),
    );
    let ran = sandbox.run(&bundle, &["uname", "-m"]);
    ran.must_fail_with(126, &["the emulator `broken` does not work on this machine", "UNIBIN_EMULATOR"]);
    let older = sandbox.copy(&older_qemu(Arch::Riscv64), "older");
    let mut command = sandbox.command(&bundle);
    let own = Sandbox::finish(command.args(["uname", "-m"]).env("UNIBIN_EMULATOR", &older));
    assert_eq!(own.must_succeed().trim(), "riscv64");
}

#[test]
fn arguments_and_variables_of_a_translator_arrive() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let more = "arguments = [\"-strace\", \"-0\", \"{argv0}\", \"{program}\", \"{arguments}\"]\n\
                set = { FROM = \"a file\" }\nunset = [\"GONE\"]";
    let bundle = packed(&sandbox, &row("qemu-user", "7.2", &older_qemu(Arch::Riscv64), more));
    let mut command = sandbox.command(&bundle);
    command.args(["sh", "-c", "echo $FROM,$GONE"]).env("GONE", "still here");
    let ran = Sandbox::finish(&mut command);
    assert_eq!(ran.text(), "a file,\n", "{ran}");
    assert!(ran.errors().contains("exit_group(0)"), "it says what the program calls: {ran}");
}

#[test]
fn a_translator_is_passed_over_where_the_kernels_pages_are_larger_than_it_serves() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let older = older_qemu(Arch::Riscv64);
    let small = row("small", "1", &older, "pages = 2048\nprobe = [\"-version\"]");
    let bundle = packed(&sandbox, &("catalogue = false\n".to_owned() + &small));
    let refused = sandbox.run(&bundle, &["uname", "-m"]);
    refused.must_fail_with(
        126,
        &["the emulator `small` does not work with this kernel's pages of 4096 bytes (at most 2048)"],
    );
    assert_eq!(refused.errors().lines().count(), 2, "one line and a hint: {refused}");
    // What comes after it is taken; and it is not even asked.
    let bundle = packed(&sandbox, &(small + &row("qemu-user", "7.2", &older, "pages = 4096")));
    let told = told(&sandbox, &bundle, &[]);
    assert!(told.contains("not using small 1: the emulator `small` does not work with"), "{told}");
    let executed = told.lines().find(|line| line.contains("executing")).expect("something ran");
    assert!(executed.contains("qemu-user-7.2"), "{told}");
}

#[test]
fn a_start_that_nobody_attends_to_heeds_the_kernels_pages_too_from_a_directory_and_from_memory() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let older = older_qemu(Arch::Riscv64);
    let refused =
        ["the emulator `small` does not work with this kernel's pages of 4096 bytes (at most 2048)"];
    for (pages, fits) in [("pages = 2048", false), ("pages = 4096", true)] {
        let rows = "catalogue = false\n".to_owned() + &row("small", "1", &older, pages);
        let bundle = packed_without_children(&sandbox, &rows, &[]);
        let ran = sandbox.run(&bundle, &["uname", "-m"]);
        if fits {
            assert_eq!(ran.must_succeed().trim(), "riscv64");
        } else {
            ran.must_fail_with(126, &refused);
        }

        // Where no directory can be written, emulator and program are in memory.
        let bundle = packed_without_children(&sandbox, &rows, &["--head", "elf:x86_64"]);
        let Some(namespace) = Namespace::Mounts.available() else { continue };
        let script = "mount -t tmpfs -o mode=0755 none /run\n\
            cp \"$1\" /run/busybox && chmod 755 /run/busybox && mount --bind /run /run\n\
            mount -o remount,bind,ro /run\n\
            for place in /var/tmp /dev/shm /tmp; do mount -t tmpfs -o ro none $place; done\n\
            unset HOME XDG_CACHE_HOME XDG_RUNTIME_DIR UNIBIN_CACHE\n\
            UNIBIN_LOG=1 exec setpriv --reuid $2 --regid $2 --clear-groups /run/busybox uname -m";
        let ran = namespace.run(&sandbox, script, &[bundle.as_os_str(), sandbox.uid().to_string().as_ref()]);
        assert!(ran.errors().contains("no directory serves: unpacking into memory"), "{ran}");
        if fits {
            assert_eq!(ran.must_succeed().trim(), "riscv64");
        } else {
            ran.must_fail_with(126, &refused);
        }
    }
}

#[test]
fn an_older_qemu_is_known_by_its_file_and_what_it_does_not_serve_is_packed_with_it() {
    needs!("network", "older-qemu");
    let sandbox = Sandbox::new();
    let inspected = |target: Arch| {
        let given = format!("x86_64={}", older_qemu(target).display());
        let output = sandbox.at("packed");
        let smallest = smallest(target);
        let program = sandbox.write("program", &smallest.elf()).display().to_string();
        let arguments = [&program, "--hosts", "x86_64", "--emulator", &given, "--level", "1"];
        pack_by_hand(&arguments, &output).must_succeed();
        let told = unibin().args(["inspect", "--json"]).arg(&output).output().expect("unibin starts");
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
        told["translators"][0].clone()
    };
    let arm = inspected(Arch::Armv7);
    assert!(arm["version"].as_str().is_some_and(|version| version.starts_with("7.2")), "{arm}");
    assert!(arm["rules"].to_string().contains("pages 16384"), "{arm}");
    let riscv64 = inspected(Arch::Riscv64);
    assert!(!riscv64["rules"].to_string().contains("pages"), "{riscv64}");
}
