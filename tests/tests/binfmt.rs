//! Handlers for `binfmt_misc`: the bytes of the table of CPUs against those that Debian registers, and the
//! kernel itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bundle::Arch;
use end_to_end::{Namespace, Sandbox, User, binfmt_d, busybox, emulator_of, needs, store, unibin};

#[test]
fn each_of_the_33_cpus_is_known_by_the_bytes_that_debian_registers() {
    needs!("network", "binfmt.d");
    let debian = binfmt_d();
    let mut ours: Vec<_> = Arch::CATALOGUED.iter().collect();
    ours.sort_by_key(|arch| arch.qemu_name());
    let names: Vec<_> = debian.iter().map(|handler| handler.name.as_str()).collect();
    assert_eq!(names, ours.iter().map(|arch| format!("qemu-{}", arch.qemu_name())).collect::<Vec<_>>());
    for (arch, theirs) in ours.iter().zip(&debian) {
        let ours = arch.binfmt();
        assert_eq!((ours.magic(), ours.mask()), (&theirs.magic[..], &theirs.mask[..]), "{arch}");
        assert_eq!(theirs.flags, "OPF", "{arch}");
    }
}

/// Debian's static busybox for riscv64, as it is.
fn foreign_program(sandbox: &Sandbox) -> std::path::PathBuf {
    let directory = sandbox.at("busybox");
    let extracted = unibin().arg("extract").arg(busybox(Arch::Riscv64)).arg(&directory).output();
    assert!(extracted.expect("unibin starts").status.success());
    directory.join("usr/bin/busybox")
}

/// What is done, step by step, on a machine whose `binfmt_misc` is the script's own: `$1` is `unibin`, `$2`
/// the foreign program, `$3` the store.
const STEPS: &str = r#"
export UNIBIN_STORE="$3"
told() { "$@" 2>&1 || echo "code $?"; }
echo "== closed";        told "$1" binfmt register --target riscv64 --offline
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
echo "== refused";       told "$2" echo ran
echo "== show";          told "$1" binfmt show --target riscv64
echo "== none";          told "$1" binfmt unregister --target riscv64
echo "== register";      told "$1" binfmt register --target riscv64 --offline
echo "== runs";          told "$2" sh -c 'echo "$0 $*"; exit 7' 'a b' c
echo "== name";          ln -s "$2" echo; told ./echo by name
echo "== script";        printf '#!%s sh\necho script $1\n' "$2" >script; chmod +x script; told ./script x
echo "== known";         told "$1" binfmt show --target riscv64
echo "== twice";         told "$1" binfmt register --target riscv64 --offline
echo "== unregister";    told "$1" binfmt unregister --target riscv64
echo "== refused again"; told "$2" echo ran
"$1" binfmt show --target riscv64 >lines
grep -v '^#' lines >/proc/sys/fs/binfmt_misc/register
echo "== by hand";       told "$2" echo ran
echo "== outside";       told "$1" binfmt register --target cris --emulator "$("$1" emulator path --target riscv64)"
echo "== all gone";      told "$1" binfmt unregister --all
echo "== nobody left";   told "$1" binfmt unregister --all
echo "== end"
"#;

#[test]
fn a_handler_is_registered_runs_programs_and_is_taken_away() {
    needs!("network", "namespaces", "binfmt");
    let Some(namespace) = Namespace::OwnUsers.available() else { return };
    let sandbox = Sandbox::of(User::Tester);
    emulator_of(Arch::Riscv64);
    let own = namespace.run(&sandbox, "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc", &[""; 0]);
    own.must_succeed();
    let program = unibin().get_program().to_owned();
    let arguments = [program, foreign_program(&sandbox).into(), store().into()];
    let told = namespace.run(&sandbox, STEPS, &arguments).must_succeed();
    let said = |step: &str| {
        let (_, rest) = told.split_once(&format!("== {step}\n")).expect(step);
        rest.split("== ").next().unwrap_or_default().to_owned()
    };
    let holds = |step: &str, words: &[&str]| {
        let said = said(step);
        assert!(words.iter().all(|word| said.contains(word)), "{step}: {words:?} in: {told}");
    };
    holds("closed", &["is not mounted", "mount -t binfmt_misc", "code 1"]);
    holds("refused", &["code 126"]);
    holds("show", &["# qemu-riscv64: not registered", "\n:qemu-riscv64:M::\\x7f\\x45", ":OPF\n"]);
    holds("none", &["no handler `qemu-riscv64`", "code 1"]);
    holds("register", &["qemu-riscv64: /", "(flags OPF)"]);
    assert_eq!(said("runs"), "a b c\ncode 7\n", "{told}");
    assert_eq!(said("name"), "by name\n", "argv[0] is kept: {told}");
    assert_eq!(said("script"), "script x\n", "{told}");
    holds("known", &["registered: enabled", "interpreter /", "flags: POF"]);
    holds("twice", &["already registered", "unibin binfmt unregister --target riscv64", "code 1"]);
    holds("unregister", &["qemu-riscv64: gone"]);
    holds("refused again", &["code 126"]);
    assert_eq!(said("by hand"), "ran\n", "`show` prints what the kernel takes: {told}");
    holds("outside", &["qemu-cris: /"]);
    holds("all gone", &["qemu-riscv64: gone", "qemu-cris: gone"]);
    assert_eq!(said("nobody left"), "", "{told}");
}

#[test]
fn who_is_not_root_and_who_asks_for_nonsense_is_told() {
    let run = |arguments: &[&str]| {
        let output = unibin().arg("binfmt").args(arguments).output().expect("unibin starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let own = Arch::HOST.expect("the tests run on a host").name();
    let (code, said) = run(&["register", "--target", own]);
    assert!(code == Some(3) && said.contains("run here without an emulator"), "{said}");
    let (code, said) = run(&["register", "--target", "riscv64", "--flags", "OX"]);
    assert!(code == Some(2) && said.contains("O, P, F and C"), "{said}");
    assert_eq!(run(&["register"]).0, Some(2), "for which CPU must be said");
    let (code, said) = run(&["show", "--target", "riscv64", "--target", "s390x", "--emulator", "/bin/true"]);
    assert!(code == Some(3) && said.contains("needs exactly one target"), "{said}");

    needs!("setpriv");
    let Some(namespace) = Namespace::Mounts.available() else { return };
    let sandbox = Sandbox::of(User::Tester);
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let program = sandbox.at("unibin");
    fs::copy(unibin().get_program(), &program).expect("copied");
    let script = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n\
                  setpriv --reuid 65534 --regid 65534 --clear-groups \"$1\" binfmt register --target riscv64";
    let refused = namespace.run(&sandbox, script, &[program]);
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.errors().contains("only root may change handlers"), "{refused}");
}
