//! Systems: a root file system in one file, started by an ordinary user: what is seen inside, what is kept,
//! who one is, what two starts share, and what is said where it is refused. The root is Debian's static
//! busybox with a few files around it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, User, needs, small_system, until};

fn native(sandbox: &Sandbox) -> PathBuf {
    small_system(sandbox, Arch::X86_64, &[])
}

fn sh(sandbox: &Sandbox, variables: &[(&str, &str)], script: &str) -> Outcome {
    sandbox.run_with(variables, &sandbox.at("sys"), &["sh", "-c", script])
}

/// A start that goes on for a while, in an upper of this name; it is inside when this returns.
fn sleeping(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Child {
    let mut command = sandbox.command(sandbox.at("sys"));
    command.args(["sh", "-c", "echo inside >/tmp/$MARK; exec sleep 60"]).envs(variables.iter().copied());
    let mark = format!("{}-is-inside", sandbox.path().file_name().expect("a name").display());
    command.env("MARK", &mark).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("started");
    let mark = Path::new("/tmp").join(mark);
    until("the first start is inside", || mark.exists().then_some(()));
    fs::remove_file(mark).expect("ours");
    child
}

fn end(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("waited for");
}

/// The directories that hold what is kept, by their names.
fn kept(sandbox: &Sandbox) -> Vec<String> {
    let trees = fs::read_dir(sandbox.cache().join("x86_64/systems")).expect("systems").flatten();
    let uppers = trees.flat_map(|tree| fs::read_dir(tree.path()).expect("a tree's").flatten());
    let mut names: Vec<_> = uppers.map(|upper| upper.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn inside_one_is_root_in_a_root_of_its_own_and_outside_nothing_has_changed() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    let outcome = sh(&sandbox, &[], "id -u; cat /etc/hello; echo new >/etc/new; ls -d /usr || echo no /usr");
    assert_eq!(outcome.must_succeed(), "0\nthe system's\nno /usr\n");
    assert!(!Path::new("/etc/hello").exists() && !Path::new("/etc/new").exists());

    // The program is the process that was started: its number, its end.
    let started = sandbox.shell("echo $$; exec ./sys sh -c 'echo $$; kill -TERM $$'", &[""; 0]);
    assert_eq!(started.signal(), Some(15), "{started}");
    let text = started.text();
    let numbers: Vec<&str> = text.lines().collect();
    assert_eq!(numbers.len(), 2, "{started}");
    assert_eq!(numbers[0], numbers[1], "{started}");
    assert_eq!(sh(&sandbox, &[], "exit 7").code(), Some(7));

    // Modes that the real file has; the rest is beside it.
    let tree = fs::read_dir(sandbox.cache().join("x86_64")).expect("cache").flatten();
    let tree = tree.map(|slot| slot.path().join("tree")).find(|tree| tree.join("srv").exists());
    let tree = tree.expect("the unpacked root");
    let mode = |path: &str| fs::metadata(tree.join(path)).expect(path).permissions().mode() & 0o7777;
    assert_eq!((mode("srv/www/secret"), mode("srv/www/set-id"), mode("srv")), (0o640, 0o755, 0o755));
    assert_eq!(fs::read_link(tree.join("bin/sh")).expect("a link"), Path::new("/bin/busybox"));
    assert!(!tree.join("etc/new").exists(), "the tree is never written to");
}

#[test]
fn a_command_is_looked_for_as_the_systems_shell_does() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    let system = native(&sandbox);
    let run = |arguments: &[&str]| sandbox.run(&system, arguments);
    assert_eq!(run(&["echo", "a b", "-c"]).must_succeed(), "a b -c\n");
    assert_eq!(run(&["/script", "x"]).must_succeed(), "script /script x\n");
    run(&["nowhere"]).must_fail_with(127, &["nowhere", "in the system", "hint: "]);
    run(&["/bin/nowhere"]).must_fail_with(127, &["/bin/nowhere"]);
    run(&["/etc/passwd"]).must_fail_with(126, &["/etc/passwd"]);
    // A program of the host is none of the system.
    run(&["unshare"]).must_fail_with(127, &["unshare"]);
    let shell = Sandbox::finish(sandbox.command("sh").args(["-c", "echo 'echo $0' | ./sys"]));
    assert_eq!(shell.must_succeed(), "/bin/sh\n", "the entry is a shell");
}

#[test]
fn changes_are_kept_under_a_name_and_thrown_away_under_none() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    let keep = |name, script: &str| sh(&sandbox, &[("UNIBIN_KEEP", name)], script);
    sh(&sandbox, &[], "echo one >/kept; rm /etc/hello").must_succeed();
    assert_eq!(
        sh(&sandbox, &[], "cat /kept; ls /etc/hello 2>/dev/null || echo gone").must_succeed(),
        "one\ngone\n"
    );
    assert_eq!(keep("other", "ls /kept 2>/dev/null || cat /etc/hello").must_succeed(), "the system's\n");
    keep("other", "echo two >/kept").must_succeed();
    assert_eq!(keep("other", "cat /kept").must_succeed(), "two\n");
    assert_eq!(keep("default", "cat /kept").must_succeed(), "one\n");
    assert_eq!(keep("none", "ls /kept 2>/dev/null; echo x >/thrown; cat /thrown").must_succeed(), "x\n");
    assert_eq!(keep("none", "ls /thrown 2>/dev/null || echo gone").must_succeed(), "gone\n");
    for bad in ["../x", "a/b", ".hidden", "a b", "discard"] {
        keep(bad, "true").must_fail_with(125, &["UNIBIN_KEEP", bad, "hint: "]);
    }

    // Cleaning keeps them all, but for one that is named.
    let gc = |variables: &[(&str, &str)]| {
        let all = [variables, &[("UNIBIN_DAYS", "0")]].concat();
        sandbox.gc(&all, &sandbox.at("sys")).must_succeed()
    };
    gc(&[]);
    assert_eq!(kept(&sandbox), ["default", "discard", "other"]);
    assert_eq!(keep("other", "cat /kept").must_succeed(), "two\n", "the tree is unpacked anew below it");
    assert!(gc(&[("UNIBIN_KEEP", "other")]).contains("`other` is removed"));
    assert_eq!(kept(&sandbox), ["default", "discard"]);
}

#[test]
fn of_the_host_a_system_sees_what_is_bound_and_nothing_else() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    sandbox.write("home/mine", b"the caller's\n");
    let home = sandbox.home();
    let home = home.to_str().expect("text");
    let seen =
        sh(&sandbox, &[], "pwd; cat home/mine; echo written >home/new; ls /proc/self/ns/mnt /dev/null");
    let expected = format!("{}\nthe caller's\n/dev/null\n/proc/self/ns/mnt\n", sandbox.path().display());
    assert_eq!(seen.must_succeed(), expected);
    assert_eq!(fs::read(sandbox.at("home/new")).expect("written inside"), b"written\n");
    let resolv = sh(&sandbox, &[], "cat /etc/resolv.conf").must_succeed();
    assert_eq!(
        resolv,
        fs::read_to_string("/etc/resolv.conf").expect("the host's"),
        "through a link to nothing"
    );

    // A directory that the system has is its own, where the caller stands or not.
    let in_etc =
        sandbox.command("sh").args(["-c", "S=$PWD/sys; cd /etc; exec $S sh -c 'pwd; cat hello'"]).output();
    assert_eq!(Outcome::from(in_etc.expect("sh")).must_succeed(), "/etc\nthe system's\n");

    let bind =
        |list: String, script: &str| sh(&sandbox, &[("UNIBIN_KEEP", "none"), ("UNIBIN_BIND", &list)], script);
    let two = format!("{home}:/deep/er,{home}/mine:/etc/hello:ro");
    let script =
        "cat /deep/er/mine /etc/hello; echo x >/deep/er/more; echo x 2>/dev/null >/etc/hello || echo ro";
    assert_eq!(bind(two, script).must_succeed(), "the caller's\nthe caller's\nro\n");
    assert!(sandbox.at("home/more").exists());
    bind("/nonexistent:/x".to_owned(), "true").must_fail_with(125, &["/nonexistent", "hint: "]);
    bind("x:/x".to_owned(), "true").must_fail_with(125, &["UNIBIN_BIND", "hint: "]);

    let workdir = |name| sandbox.run_with(&[("UNIBIN_WORKDIR", name)], &sandbox.at("sys"), &["pwd"]);
    assert_eq!(workdir("/srv/www").must_succeed(), "/srv/www\n");
    workdir("/nowhere").must_fail_with(125, &["/nowhere", "UNIBIN_WORKDIR"]);
    workdir("srv").must_fail_with(125, &["UNIBIN_WORKDIR"]);
}

#[test]
fn a_user_of_the_system_is_named_and_found_in_its_files() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    // The caller's libraries are none of the system's.
    let script = "id -u; id -g; echo $HOME $USER $SHELL; echo $PATH$LD_LIBRARY_PATH";
    let run = |user| sh(&sandbox, &[("UNIBIN_USER", user), ("LD_LIBRARY_PATH", "/x")], script);
    let roots = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(run("root").must_succeed(), format!("0\n0\n/root root /bin/sh\n{roots}\n"));
    let others = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
    assert_eq!(run("www").must_succeed(), format!("33\n34\n/srv/www www /bin/sh\n{others}\n"));
    assert!(run("www:ssl").must_succeed().starts_with("33\n105\n"));
    assert!(run("7:8").must_succeed().starts_with("7\n8\n/ 7 /bin/sh\n"));
    for nobody in ["nobody", "www:nobody", "-1"] {
        run(nobody).must_fail_with(125, &[nobody, "UNIBIN_USER"]);
    }
    // A user who was added inside is found at the next start.
    sh(&sandbox, &[], "echo me:x:77:77::/:/bin/sh >>/etc/passwd").must_succeed();
    assert!(run("me").must_succeed().starts_with("77\n77\n"));
}

#[test]
fn two_starts_on_one_upper_are_in_one_system_and_a_kill_leaves_nothing() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    // Unpacked first, so that nothing but the start takes time.
    let of = |outcome: &Outcome| outcome.must_succeed();
    let mounts =
        "ls -i /etc/hello; readlink /proc/self/ns/mnt 2>/dev/null || /bin/busybox readlink /proc/self/ns/mnt";
    for first in [&[("UNIBIN_KEEP", "one")][..], &[("UNIBIN_KEEP", "one"), ("UNIBIN_USER", "www")]] {
        let sleeping = sleeping(&sandbox, first);
        let number = sleeping.id();
        let one = |script: &str| sh(&sandbox, &[("UNIBIN_KEEP", "one")], script);
        let theirs = fs::read_link(format!("/proc/{number}/ns/mnt"));
        if let Ok(theirs) = theirs {
            assert!(of(&one(mounts)).ends_with(&format!("{}\n", theirs.display())));
        }
        assert_eq!(of(&one(mounts)), of(&one(mounts)), "the same one");
        let other = sh(&sandbox, &[("UNIBIN_KEEP", "two")], mounts);
        assert_ne!(of(&one(mounts)), of(&other), "another name is another system");
        // As root, whoever the first one is.
        assert_eq!(of(&one("id -u; echo x >/etc/by-root; cat /etc/by-root")), "0\nx\n");
        let late = [("UNIBIN_KEEP", "one"), ("UNIBIN_BIND", "/tmp:/elsewhere")];
        sh(&sandbox, &late, "true").must_fail_with(125, &["UNIBIN_BIND", "runs already", "hint: "]);
        let of_one = [("UNIBIN_DAYS", "0"), ("UNIBIN_KEEP", "one")];
        let cleaned = sandbox.gc(&of_one, &sandbox.at("sys")).must_succeed();
        assert!(cleaned.contains("`one` is in use"), "{cleaned}");
        assert_eq!(of(&one("cat /etc/hello")), "the system's\n", "its tree is still there");
        end(sleeping);
        let left = fs::read_to_string("/proc/self/mounts").expect("/proc");
        assert!(!left.contains("unibin-system"), "{left}");
        assert_eq!(of(&one("cat /etc/by-root")), "x\n", "what was kept is whole");
    }
}

#[test]
fn many_first_starts_at_once_all_get_in() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    native(&sandbox);
    let script =
        "i=0; while [ $i -lt 12 ]; do ./sys sh -c 'echo line >>/lines; sleep 1' & i=$((i+1)); done; wait";
    sandbox.shell(script, &[""; 0]).must_succeed();
    assert_eq!(sh(&sandbox, &[], "cat /lines").must_succeed(), "line\n".repeat(12));
}

#[test]
fn where_namespaces_are_refused_it_is_said_and_root_does_without_users() {
    needs!("x86_64", "network", "namespaces", "setpriv");
    let sandbox = Sandbox::new();
    native(&sandbox);
    let namespace = Namespace::OwnUsers.available().expect("asked for above");
    // A directory of the tester's, who is another user than the sandbox's if he is root.
    let own = tempfile::tempdir().expect("a directory");
    let own = own.path().to_str().expect("text");
    let run = |script: &str| {
        let none = "echo 0 >/proc/sys/user/max_user_namespaces; export UNIBIN_CACHE=$1/cache UNIBIN_KEEP=none; exec ";
        namespace.run(&sandbox, &[none, script].concat(), &[own])
    };
    assert_eq!(run("./sys sh -c 'id -u; cat /etc/hello'").must_succeed(), "0\nthe system's\n");
    let refused = run("setpriv --bounding-set -all --inh-caps -all ./sys true");
    refused.must_fail_with(125, &["user namespace", "max_user_namespaces", "UNIBIN_DO=extract"]);
    let as_user = run("env UNIBIN_USER=www ./sys id");
    as_user.must_fail_with(125, &["cannot run as `www`", "UNIBIN_USER"]);
    run("env UNIBIN_DO=extract UNIBIN_TO=$1/out setpriv --bounding-set -all ./sys").must_succeed();
    assert_eq!(fs::read(Path::new(own).join("out/etc/hello")).expect("extracted"), b"the system's\n");
}

#[test]
fn a_system_of_another_cpu_starts_its_own_programs() {
    needs!("x86_64", "network", "namespaces", "binfmt");
    // An emulator that does not start programs itself: the system has a binfmt_misc of its own.
    for emulators in [&["--debian-emulators"][..], &[]] {
        let sandbox = Sandbox::new();
        small_system(&sandbox, Arch::Riscv64, emulators);
        let script = "/bin/busybox uname -m; /script y; (exit 3); echo $?; id -u; cat /etc/hello";
        let expected = "riscv64\nscript /script y\n3\n0\nthe system's\n";
        assert_eq!(sh(&sandbox, &[], script).must_succeed(), expected);
        assert_eq!(sandbox.run(&sandbox.at("sys"), &["/script", "z"]).must_succeed(), "script /script z\n");
        let www = sh(&sandbox, &[("UNIBIN_USER", "www")], "id -u; id -g; ls -ln /srv/www | grep -c ' 33 '");
        // Ours keeps owners; with another one all files are the program's user's.
        let owned = if emulators.is_empty() { "1" } else { "2" };
        assert_eq!(www.must_succeed().lines().collect::<Vec<_>>(), ["33", "34", owned], "{emulators:?}");
    }
}

/// What a system's own programs see of owners and modes is what was packed.
#[test]
fn our_emulator_shows_the_owners_that_were_packed_and_keeps_those_that_are_given() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    let stat = "/bin/busybox stat -c '%u %g %a'";
    let script = format!("{stat} /srv/www/secret; {stat} /srv/www/set-id; {stat} /etc/hello");
    assert_eq!(sh(&sandbox, &[], &script).must_succeed(), "33 34 440\n0 0 4755\n0 0 644\n");
    let given =
        format!("touch /new; /bin/busybox chown 33:105 /new; /bin/busybox chmod 2640 /new; {stat} /new");
    sh(&sandbox, &[], &given).must_succeed();
    let again = sh(&sandbox, &[("UNIBIN_USER", "www")], &format!("{stat} /new; cat /srv/www/secret"));
    assert_eq!(again.must_succeed(), "33 105 2640\nof www\n");
}

/// Makes a namespace whose root looks like a running system, with a shell of its maker's; waits inside.
const IMPOSTOR: &str = "
set -e
PATH=$PATH:/usr/sbin:/sbin
mkdir lower memory root
mkdir lower/bin lower/old lower/proc
cp \"$1\" lower/bin/busybox
printf '#!/bin/busybox sh\\necho an impostor\\n' >lower/bin/sh
chmod 755 lower/bin/sh
mount -t tmpfs none memory
mkdir memory/upper memory/work
mount -t overlay \"$2\" -o lowerdir=lower,upperdir=memory/upper,workdir=memory/work,userxattr root
mount --rbind /proc root/proc
cd root
pivot_root . old
exec /bin/busybox sh -c '/bin/busybox umount -l /old; exec /bin/busybox sleep 60'
";

#[test]
fn another_users_namespace_is_never_entered() {
    needs!("x86_64", "network", "namespaces", "root", "setpriv");
    // Root can open everybody's namespaces.
    let sandbox = Sandbox::of(User::Tester);
    native(&sandbox);
    let mounts = sh(&sandbox, &[], "grep ' / / ' /proc/self/mountinfo").must_succeed();
    let mark = mounts.split(' ').find(|word| word.starts_with("unibin-system")).expect("the root's name");

    let other = Sandbox::new();
    let mut impostor = other.command("unshare");
    impostor.args(["--map-root-user", "--mount", "sh", "-c", IMPOSTOR, "sh"]);
    impostor.arg(sandbox.at("extracted-x86_64/usr/bin/busybox")).arg(mark);
    let impostor = impostor.spawn().expect("started");
    let inside = format!("/proc/{}/mountinfo", impostor.id());
    let is_root = |line: &str| line.contains(" / / ") && line.contains(mark);
    until("the impostor is inside", || {
        let mounts = fs::read_to_string(&inside).ok()?;
        (mounts.lines().any(is_root) && mounts.lines().filter(|line| line.contains(" / / ")).count() == 1)
            .then_some(())
    });
    assert_eq!(sh(&sandbox, &[], "cat /etc/hello").must_succeed(), "the system's\n");
    end(impostor);
}
