//! An app of one CPU that starts programs of another: with the emulators that `--also-target` adds, in both
//! ways of attending to children; without them it is refused, as ever.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    CODE_OF_ENDING, CODE_OF_STARTING, Outcome, SAYS, Sandbox, alpha_that_starts, attends, busybox, needs,
    older_qemu, pack_by_hand, smallest, translator_row, unibin,
};

/// Debian's static busybox for s390x, as a file of the name that it has in the app.
fn other_program(directory: &Path) -> PathBuf {
    let tree = directory.join("tree");
    let extracted = unibin().arg("extract").arg(busybox(Arch::S390x)).arg(&tree).output();
    assert!(extracted.expect("unibin starts").status.success());
    let program = directory.join("busybox-s390x");
    fs::copy(tree.join("usr/bin/busybox"), &program).expect("copied");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    program
}

/// The app, in a sandbox of its own, packed with `options`.
fn app(options: &[&str]) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let directory = tempfile::tempdir().expect("a directory");
    let add = format!("{}:usr/bin/busybox-s390x", other_program(directory.path()).display());
    let app = [
        "--deb",
        "busybox-static",
        "--target",
        "riscv64",
        "--hosts",
        "x86_64",
        "--level",
        "3",
        "--add",
        &add,
    ];
    let packed = directory.path().join("packed");
    let outcome = pack_by_hand(&[&app, options].concat(), &packed);
    assert!(outcome.status.success(), "{outcome}");
    let hinted = outcome.errors().contains("`--also-target s390x` adds the emulators");
    assert_eq!(hinted, options.is_empty(), "{outcome}");
    let bundle = sandbox.copy(&packed, "busybox");
    (sandbox, bundle)
}

fn run(sandbox: &Sandbox, bundle: &Path, way: &str, script: &str) -> Outcome {
    sandbox.run_with(&[("UNIBIN_CHILDREN", way), ("UNIBIN_LOG", "1")], bundle, &["sh", "-c", script])
}

/// Each way by which the kernel is asked: a path that only the tree has, or a name.
const SCRIPTS: [(&str, &str); 2] = [
    ("broker", "busybox uname -m; /usr/bin/busybox-s390x uname -m; exit 7"),
    ("binfmt", "busybox uname -m; busybox-s390x uname -m; exit 7"),
];

#[test]
fn a_program_of_another_cpu_is_started_where_its_emulator_was_packed_too() {
    needs!("network");
    let (without_it, refused) = app(&[]);
    let (with_it, runs) = app(&["--also-target", "s390x"]);
    for (way, script) in SCRIPTS {
        if !attends(way) {
            continue;
        }
        let outcome = run(&without_it, &refused, way, script);
        assert!(outcome.errors().contains("children: attended to by"), "{way}: {outcome}");
        assert_eq!((outcome.code(), outcome.text()), (Some(7), "riscv64\n".to_owned()), "{way}: {outcome}");
        let outcome = run(&with_it, &runs, way, script);
        assert_eq!(
            (outcome.code(), outcome.text()),
            (Some(7), "riscv64\ns390x\n".to_owned()),
            "{way}: {outcome}"
        );
    }
    // It says so of itself, and so does the packer.
    let told = unibin().arg("inspect").arg(&runs).output().expect("unibin starts");
    assert!(String::from_utf8_lossy(&told.stdout).contains("; for s390x qemu-user"), "{told:?}");
}

#[test]
fn a_program_that_runs_natively_starts_those_of_other_cpus_too() {
    needs!("network");
    let directory = tempfile::tempdir().expect("a directory");
    let other = other_program(directory.path());
    let base = [
        "--deb",
        "busybox-static",
        "--target",
        "riscv64",
        "--native",
        "x86_64",
        "--hosts",
        "x86_64",
        "--level",
        "3",
    ];
    for (also, said) in [(&[][..], ""), (&["--also-target", "s390x"], "s390x\n")] {
        let packed = directory.path().join("packed");
        pack_by_hand(&[&base, also].concat(), &packed).must_succeed();
        for (way, attended) in
            [("broker", "a broker"), ("binfmt", "a private binfmt_misc"), ("auto", "a broker")]
        {
            if !end_to_end::attends(way) {
                continue;
            }
            let sandbox = Sandbox::new();
            let bundle = sandbox.copy(&packed, "busybox");
            let program = sandbox.copy(&other, "busybox-s390x").display().to_string();
            // Its own CPU's, the host's and the other one's; and a search path that is the caller's.
            let script = format!(
                "uname -m; /usr/bin/env echo host; echo \"$PATH\"; {program} uname -m 2>/dev/null; exit 7"
            );
            let outcome = run(&sandbox, &bundle, way, &script);
            let log = outcome.errors();
            assert!(log.contains("route: native"), "{outcome}");
            let attends = log.contains(&format!("children: attended to by {attended}"));
            // Where nothing but its own CPU's programs can be meant, nobody is put beside the app.
            assert_eq!(attends, !also.is_empty(), "{way}: {outcome}");
            let command = sandbox.command("true");
            let path = command.get_envs().find(|(name, _)| *name == "PATH");
            let path = path.and_then(|(_, path)| path?.to_str()).expect("a search path").to_owned();
            let expected = format!("x86_64\nhost\n{path}\n{said}");
            assert_eq!((outcome.code(), outcome.text()), (Some(7), expected), "{way}: {outcome}");
        }
    }
}

/// The variables that the rules of an emulator make are for the programs that it runs: those of the other CPU
/// have them, and neither those of the app's own nor the host's.
#[test]
fn what_the_rules_of_another_cpus_emulator_set_is_set_for_its_programs_alone() {
    needs!("network", "ptrace", "older-qemu");
    let directory = tempfile::tempdir().expect("a directory");
    let rows = directory.path().join("emulators.toml");
    let more = "set = { SPEED = \"other\", OTHER = \"yes\" }\nunset = [\"GONE\"]";
    let other = translator_row(Arch::S390x, "older", "1", &older_qemu(Arch::S390x), more);
    let own =
        translator_row(Arch::Riscv64, "older", "1", &older_qemu(Arch::Riscv64), "set = { SPEED = \"app\" }");
    fs::write(&rows, other + &own).expect("written");
    let rows = rows.display().to_string();
    let (sandbox, bundle) = app(&["--also-target", "s390x", "--translators", &rows]);
    let say = sandbox.write("say", b"echo $SPEED,$OTHER,$GONE").display().to_string();
    let (own, other) = (format!("/usr/bin/busybox sh {say}"), format!("/usr/bin/busybox-s390x sh {say}"));
    // By the app, by a program of the other CPU, by one of the host that this starts and by one of the app's
    // CPU; and the app's own value.
    let script = format!(
        "{own}; {other}; /usr/bin/busybox-s390x sh -c '/usr/bin/env sh {say}; {own}'; SPEED=mine {other}; exit 7"
    );
    let mut command = sandbox.command(&bundle);
    command.args(["sh", "-c", &script]).env("UNIBIN_CHILDREN", "broker").env("UNIBIN_LOG", "1");
    let ran = Sandbox::finish(command.env("GONE", "here").env("SPEED", "host"));
    assert!(ran.errors().contains("children: attended to by a broker"), "{ran}");
    let expected = "app,,here\nother,yes,\nhost,,here\napp,,here\nmine,yes,\n";
    assert_eq!((ran.code(), ran.text().as_str()), (Some(7), expected), "{ran}");
}

#[test]
fn an_alpha_program_starts_a_riscv32_program() {
    needs!("network", "ptrace");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
        path.to_str().expect("text").to_owned()
    };
    let app = file("app", &alpha_that_starts("/usr/bin/child"));
    let child = smallest(Arch::Riscv32);
    let add = format!("{}:usr/bin/child", file("child", &child.elf()));
    let arguments = [&app, "--target", "alpha", "--hosts", "x86_64", "--level", "3", "--add", &add];
    for (also, said, code) in
        [(&[][..], "", CODE_OF_STARTING), (&["--also-target", "riscv32"], SAYS, CODE_OF_ENDING)]
    {
        let packed = directory.path().join("packed");
        pack_by_hand(&[&arguments, also].concat(), &packed).must_succeed();
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "app");
        let nothing: [&str; 0] = [];
        let outcome = sandbox.run_with(&[("UNIBIN_CHILDREN", "broker")], &bundle, &nothing);
        assert_eq!((outcome.code(), outcome.text().as_str()), (Some(code), said), "{also:?}: {outcome}");
    }
}
