//! The root that unibin's own emulators make of a directory (`-root`), against a real chroot with binds.
//! Programs say line by line what each call says; an ordinary user, who may make neither, gets the same.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, User, differences, lines, needs, own_emulator, own_program};

/// With 64 and 32 bits, and of the other byte order.
const TARGETS: [Arch; 3] = [Arch::Riscv64, Arch::Armv7, Arch::S390x];

/// What lies where: `=` makes a file, `>` a link, and neither a directory.
const ROOT: &str = "
    a/f=f  a/d/g=g  a/d/e  usr/bin/tool=x  b  c/ro  etc/file=own  proc  dev  tmp  n/m/up>../../a  bin>usr/bin
    labs>/a/f  lrel>a/f  ldir>a/d  labsd>/a/d  lup>../../../../a/f  loop>loop  dangle>/nowhere  newl>/a/newx
    lb>/b  lbf>/b/f  lbr>b/../a  lbd>b/d/..  lro>c/ro/f  lnd>a/f/x  lsl>./a//d/  lcwd>/proc/self/cwd
    lroot>/proc/self/root/a";

/// What is seen at `/b`.
const BOUND: &str = "
    f=f  d/x=x  deep/er  up>../a/f  abs>/a/f  absb>/b/d  sl>d  loopb>/b/loopb  upup>../../..  up1>..  ef>/etc/file";

/// What is seen at `/c/ro`, and cannot be written.
const FIXED: &str = "f=ro  d/y=y  l>d  lb>/b/f";

/// Paths that are looked at. A path is its own label.
const LOOKED_AT: &str = "
    / /. /.. /../a /a /a/ /a/. /a/.. /a/../a/f /a/f /a/f/ /a/f/. /a/f/.. /a/f/x /a/d /a/d/g /a/d/none /a/d/none/x
    /a/none/.. /a/none/../f /a//d///g /a/./d/./g /labs /labs/ /lrel /ldir /ldir/ /ldir/g /ldir/.. /ldir/../f /labsd
    /labsd/g /labsd/.. /lup /loop /loop/x /dangle /dangle/x /newl /lb /lb/ /lb/f /lb/d/x /lb/.. /lb/../a /lbf /lbr
    /lbr/f /bin /bin/tool /bin/none /bin/.. /usr/bin/tool /etc /etc/file /etc/file/ /etc/none /lcwd /lcwd/a /lroot
    /lroot/f /n/m/up /n/m/up/f /n/m/.. /lbd /lbd/f /lro /lnd /lsl /lsl/g /b /b/ /b/. /b/.. /b/../a/f /b/f /b/f/ /b/f/x
    /b/d /b/d/x /b/none /b/none/x /b/up /b/abs /b/absb /b/absb/x /b/sl /b/sl/x /b/sl/../f /b/loopb /b/upup /b/upup/a
    /b/up1 /b/up1/a/f /b/ef /b/deep/er /b/deep/er/../../../a /c /c/ro /c/ro/ /c/ro/f /c/ro/none /c/ro/none/x /c/ro/d/y
    /c/ro/l /c/ro/l/y /c/ro/lb /c/ro/.. /c/ro/../ro/f /proc/self/root /proc/self/root/ /proc/self/root/a/f
    /proc/self/cwd /proc/self/cwd/a/f /proc/self/exe/x /proc/thread-self/cwd/a /dev/null /dev/fd/0 /nonexistent/x
    /proc/none /tmp /tmp/none";

/// Paths by which files are made, changed and removed.
const CHANGED: &str = "
    /new /a/new /a/d/new /ldir/new /labsd/new /newl /dangle /b/new /b/d/new /lb/new /b/sl/new /b/up1/new /lbr/new
    /n/m/up/new /c/new /c/ro/new /c/ro/f /c/ro/d/new /lro /etc/file /etc/new /a/f /b/f /b/abs /b/ef /a/none/new
    /a/f/new /../new /b/../new /bin/new /labs /tmp/../new";

/// Files that cannot be changed.
const UNCHANGED: &str = "/c/ro/f /c/ro/d /c/ro/d/y /c/ro/l";

/// A directory that becomes a root, and what is bound into it: names of the sandbox.
struct World {
    sandbox: Sandbox,
}

impl World {
    fn new(sandbox: Sandbox) -> Self {
        let world = Self { sandbox };
        world.make_anew();
        world
    }

    /// The tester's, who is root in namespaces of his own.
    fn of_the_tester() -> Self {
        Self::new(Sandbox::of(User::Tester))
    }

    /// An ordinary user's.
    fn of_an_ordinary_user() -> Self {
        Self::new(Sandbox::new())
    }

    /// As it is before a program changes it.
    fn make_anew(&self) {
        for (name, what) in [("root", ROOT), ("bound", BOUND), ("fixed", FIXED)] {
            let top = self.sandbox.at(name);
            let _ = fs::remove_dir_all(&top);
            for word in what.split_whitespace() {
                let place = |path: &str| {
                    let path = top.join(path);
                    fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
                    path
                };
                if let Some((path, contents)) = word.split_once('=') {
                    fs::write(place(path), format!("{contents}\n")).expect("writable");
                } else if let Some((path, target)) = word.split_once('>') {
                    symlink(target, place(path)).expect("writable");
                } else {
                    fs::create_dir_all(place(word)).expect("writable");
                }
            }
        }
        // A new one: the mode of the old one was changed.
        let _ = fs::remove_file(self.sandbox.at("hosts-file"));
        fs::write(self.sandbox.at("hosts-file"), "host\n").expect("writable");
        for (name, paths) in [("look", LOOKED_AT), ("change", CHANGED), ("break", UNCHANGED)] {
            let lines = paths.split_whitespace().map(|path| format!("{path} {path}\n"));
            fs::write(self.root().join(name), lines.collect::<String>()).expect("writable");
        }
        let uid = Some(self.sandbox.uid());
        for name in ["root", "bound", "fixed", "hosts-file"] {
            let top = self.sandbox.at(name);
            let below = Sandbox::tree(&top).into_iter().map(|path| top.join(path));
            for path in below.chain([top.clone()]) {
                // Links too: the kernel lets nobody make a hard link to another user's.
                lchown(path, uid, uid).expect("chown");
            }
        }
    }

    fn root(&self) -> PathBuf {
        self.sandbox.at("root")
    }

    /// Copies a program into the root, under a name that every target's has; its path there.
    fn install(&self, program: &Path) -> &'static str {
        fs::copy(program, self.root().join("program")).expect("writable");
        "/program"
    }

    /// The program in a real chroot with bind mounts.
    fn natively(&self, program: &Path, arguments: &[&str]) -> Outcome {
        let script = r#"
            mount --bind bound root/b
            mount --bind fixed root/c/ro
            mount -o remount,bind,ro root/c/ro
            mount --bind hosts-file root/etc/file
            mount --rbind /proc root/proc
            mount --rbind /dev root/dev
            SHALLOW=1 exec chroot root "$@"
        "#;
        let arguments: Vec<&str> = [&[self.install(program)], arguments].concat();
        Namespace::OwnUsers.run(&self.sandbox, script, &arguments)
    }

    /// The program of another target, in the root that its emulator makes; `before`: what starts that.
    fn emulated(&self, before: &[&str], emulator: &Path, program: &Path, arguments: &[&str]) -> Outcome {
        let program = self.install(program);
        let own = |name: &str| self.sandbox.at(name).to_str().expect("text").to_owned();
        let bind = |how: &str, source: &str, target: &str| format!("{how}{}:{source}{target}", source.len());
        let options = [
            own("root"),
            bind("w", &own("bound"), "/b"),
            bind("r", &own("fixed"), "/c/ro"),
            bind("w", &own("hosts-file"), "/etc/file"),
            bind("w", "/proc", "/proc"),
            bind("w", "/dev", "/dev"),
        ];
        let all: Vec<&str> = before.iter().copied().chain([emulator.to_str().expect("text")]).collect();
        let mut command = self.sandbox.command(all[0]);
        command.args(&all[1..]).args(options.iter().flat_map(|option| ["-root", option]));
        command
            .args(["-ids", "0:0"])
            .arg(program)
            .args(arguments)
            .env("SHALLOW", "1")
            .current_dir(self.root());
        Sandbox::finish(&mut command)
    }
}

/// Without what changes from start to start.
fn steady(outcome: &Outcome) -> Vec<String> {
    let mut lines = lines(outcome);
    lines.retain(|line| !line.starts_with("/proc ") && !line.starts_with("/dev/fd "));
    lines
}

#[test]
fn every_call_says_of_every_path_what_it_says_in_a_real_chroot() {
    needs!("x86_64", "zig", "namespaces");
    let real = World::of_the_tester();
    let native = own_program(&real.sandbox, "view-calls", Arch::X86_64);
    let really = |what: &str| {
        real.make_anew();
        steady(&real.natively(&native, &[&format!("/{what}"), what, "/tmp"]))
    };
    let [expected, expected_of_changes, refused] = ["look", "change", "break"].map(really);
    assert!(expected.len() > 3000 && expected_of_changes.len() > 500, "{expected:?}");
    let world = World::of_an_ordinary_user();
    for target in TARGETS {
        let emulator = own_emulator(&world.sandbox, target);
        let program = own_program(&world.sandbox, "view-calls", target);
        let seen = |what: &str| {
            world.make_anew();
            steady(&world.emulated(&[], &emulator, &program, &[&format!("/{what}"), what, "/tmp"]))
        };
        assert_eq!(differences(&expected, &seen("look")), BTreeSet::new(), "{target}");
        assert_eq!(differences(&expected_of_changes, &seen("change")), BTreeSet::new(), "{target}");
        // Which of several errors is named first is no matter here.
        let done = |lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| line.ends_with(" ok")).cloned().collect()
        };
        assert_eq!(done(&refused), done(&seen("break")), "{target}");
    }
}

#[test]
fn the_root_is_the_same_where_the_kernel_cannot_look_paths_up_without_links() {
    needs!("x86_64", "zig");
    let world = World::of_an_ordinary_user();
    let emulator = own_emulator(&world.sandbox, Arch::Riscv64);
    let program = own_program(&world.sandbox, "view-calls", Arch::Riscv64);
    let refuse = own_program(&world.sandbox, "refuse", Arch::X86_64);
    let refuse = refuse.to_str().expect("text");
    // The program's own openat2 is refused too.
    let look = |before: &[&str]| {
        let mut lines = steady(&world.emulated(before, &emulator, &program, &["/look", "look"]));
        lines.dedup_by(|line, before| line.contains("  contents ") && before.contains(" openat2"));
        lines.retain(|line| !line.contains(" openat2"));
        lines
    };
    let usual = look(&[]);
    for error in ["38", "1"] {
        assert_eq!(differences(&usual, &look(&[refuse, "437", error])), BTreeSet::new(), "{error}");
    }
}

#[test]
fn ids_in_such_a_root_are_what_they_are_to_real_root() {
    needs!("x86_64", "zig", "suid");
    let root = Sandbox::of(User::Tester);
    let native = own_program(&root, "ids", Arch::X86_64);
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("a line").trim();
    let directory = root.make_directory("natively");
    let expected = root.run(&native, &[directory.to_str().expect("text"), capabilities]).must_succeed();
    let world = World::of_an_ordinary_user();
    let emulator = own_emulator(&world.sandbox, Arch::Riscv64);
    let program = own_program(&world.sandbox, "ids", Arch::Riscv64);
    let seen = world.emulated(&[], &emulator, &program, &["/tmp", capabilities]).must_succeed();
    let difference = expected.lines().zip(seen.lines()).find(|(natively, emulated)| natively != emulated);
    assert_eq!(difference, None);
    assert_eq!(expected.lines().count(), seen.lines().count());
}
