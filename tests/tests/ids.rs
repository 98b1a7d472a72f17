//! Ids of users and groups that unibin's own emulators keep (`-ids`): a program says line by line what each
//! call says, and below an emulator, as an ordinary user, it must be what it says natively as real root.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, User, needs, own_emulator, own_program};

/// With 64 and 32 bits, and of the other byte order.
const TARGETS: [Arch; 3] = [Arch::Riscv64, Arch::Armv7, Arch::S390x];

/// The capabilities that root can have here: a container leaves some out.
fn capabilities() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.expect("capabilities").trim().to_owned()
}

/// An emulator and a program for its target, of a user who has both.
struct Emulated {
    sandbox: Sandbox,
    emulator: PathBuf,
    program: PathBuf,
}

impl Emulated {
    fn new(target: Arch) -> Self {
        Self::inside(Sandbox::new(), target)
    }

    fn inside(sandbox: Sandbox, target: Arch) -> Self {
        let (emulator, program) = (own_emulator(&sandbox, target), own_program(&sandbox, "ids", target));
        Self { sandbox, emulator, program }
    }

    fn run(&self, options: &[&str], arguments: &[&str]) -> Outcome {
        let mut command = self.sandbox.command(&self.emulator);
        Sandbox::finish(command.args(options).arg(&self.program).args(arguments))
    }

    /// A directory of the user's, as an argument.
    fn directory(&self, name: &str) -> String {
        self.sandbox.make_directory(name).to_str().expect("text").to_owned()
    }
}

/// What is really known of these files: name, mode, attribute.
fn noted(native: &Path, directory: &str, names: &[&str]) -> String {
    let files = names.iter().map(|name| format!("{directory}/{name}"));
    let mut command = std::process::Command::new(native);
    let text = Sandbox::finish(command.arg("noted").args(files)).must_succeed();
    text.replace(&format!("{directory}/"), "")
}

#[test]
fn every_call_says_to_an_ordinary_user_what_it_says_to_real_root() {
    needs!("x86_64", "zig", "suid");
    let root = Sandbox::of(User::Tester);
    let native = own_program(&root, "ids", Arch::X86_64);
    let directory = root.make_directory("natively");
    let capabilities = capabilities();
    let run = root.run(&native, &[directory.as_os_str(), capabilities.as_ref()]);
    let expected = run.must_succeed();
    assert!(expected.lines().count() > 5000, "{run}");
    for target in TARGETS {
        let emulated = Emulated::new(target);
        let directory = emulated.directory("emulated");
        let run = emulated.run(&["-children", "on", "-ids", "0:0"], &[&directory, &capabilities]);
        let seen = run.must_succeed();
        let difference = expected.lines().zip(seen.lines()).find(|(natively, emulated)| natively != emulated);
        assert_eq!(difference, None, "{target}");
        assert_eq!(expected.lines().count(), seen.lines().count(), "{target}");
    }
}

#[test]
fn owners_are_attributes_that_the_program_does_not_see() {
    needs!("x86_64", "zig");
    let tester = Sandbox::of(User::Tester);
    let native = own_program(&tester, "ids", Arch::X86_64);
    for target in TARGETS {
        let emulated = Emulated::new(target);
        let directory = emulated.directory("apart");
        for (name, text) in [("noted", "101 104 2755"), ("odd", "101 104 2755 ")] {
            let path = emulated.sandbox.write(format!("apart/{name}"), b"");
            let note = ["note", path.to_str().expect("text"), text];
            Sandbox::finish(std::process::Command::new(&native).args(note)).must_succeed();
        }
        let seen = emulated.run(&["-ids", "0:0"], &["apart", &directory]).must_succeed();
        let (seen, narrow) = seen.split_once("16 bits: ").unwrap_or((&seen, ""));
        assert_eq!(
            seen,
            "block device: EPERM\n\
             character device: EPERM\n\
             made file: 0 0 100644\n\
             attribute: EPERM\n\
             no attribute: ENODATA\n\
             chown: 0\n\
             chmod: 0\n\
             made plain: 0 0 100600\n\
             link: 0 0 120777 statx 0 0 120777\n\
             noted: 101 104 102755 statx 101 104 102755\n\
             odd: 0 0 100755 statx 0 0 100755\n\
             fifo: 0 0 10600 statx 0 0 10600\n\
             another's: 0 0 EPERM\n",
            "{target}"
        );
        let expected = "setuid 0 uid 0 70 0 70 gid 0 0 0 0 setfsuid 70 70 large 65534\n";
        assert_eq!(narrow, if target == Arch::Armv7 { expected } else { "" }, "{target}");
        assert_eq!(
            noted(&native, &directory, &["file", "directory", "plain", "noted", "odd"]),
            "file 100611 5 4000000000 6011\n\
             directory 40700 0 0 1000\n\
             plain 100600 ENODATA\n\
             noted 100755 101 104 2755\n\
             odd 100755 101 104 2755 \n",
            "{target}"
        );
    }
}

#[test]
fn programs_are_started_in_a_chroot_without_proc() {
    needs!("x86_64", "zig", "namespaces");
    for target in TARGETS {
        // Who enters the namespace is its root, and the files are his.
        let emulated = Emulated::inside(Sandbox::of(User::Tester), target);
        let root = emulated.sandbox.make_directory("root");
        let arguments = [&emulated.emulator, &emulated.program, &root];
        let script = r#"exec "$1" -children on -ids 0:0 "$2" chroot "$3""#;
        let seen = Namespace::OwnUsers.run(&emulated.sandbox, script, &arguments).must_succeed();
        let tail = "cap 0 0 0 keep 0 groups\n";
        let as_root = format!("uid 0 5 5 5 gid 0 6 6 6 aux 0 5 0 6 secure 1 {tail}");
        let as_user = format!("uid 8 5 5 5 gid 9 6 6 6 aux 8 5 9 6 secure 1 {tail}");
        // Started by a program that has been given to 5:6 itself.
        assert_eq!(
            seen,
            format!(
                "chroot: 0 0\n/proc: ENOENT\nin a chroot: {as_root}once more: {as_root}spawn 0\n\
                 of a user: {as_user}again: {as_root}"
            ),
            "{target}"
        );
    }
}

#[test]
fn ids_that_are_none_are_refused() {
    needs!("x86_64", "zig");
    let emulated = Emulated::new(Arch::Riscv64);
    for good in ["0:0", "0:0:", "4294967294:4000000000:5,4,4294967294", "1,2,3,4:5,6,7,8:9"] {
        let ran = emulated.run(&["-ids", good], &["tell", good, "0"]);
        assert!(ran.must_succeed().starts_with(good), "{ran}");
    }
    let bad = ["", "0", "0:", ":0", "0:0:1,x", "-1:0", "4294967295:0", "0:99999999999", "0:0:1;2", "a:b"];
    for bad in bad.into_iter().chain(["0:0:1:2"]) {
        let ran = emulated.run(&["-ids", bad], &["tell", bad, "0"]);
        assert_eq!((ran.code(), ran.text().as_str()), (Some(1), ""), "{bad}: {ran}");
        assert!(ran.errors().starts_with(&format!("qemu: -ids `{bad}`: ")), "{ran}");
    }
    let tree = emulated.sandbox.make_directory("tree");
    fs::write(tree.join(".unibin-view"), b"unibin-view 1\n\0\0").expect("writable");
    let ran = emulated.run(&["-view", tree.to_str().expect("text"), "-ids", "0:0"], &["tell", "both", "0"]);
    assert!(!ran.status.success() && ran.text().is_empty(), "{ran}");
}
