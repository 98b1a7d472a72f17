//! Systems where namespaces are refused: one of unibin's own emulators makes a copy of the tree the root of
//! what it runs. What is seen inside, who one is and what is kept is the same as with mounts.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, User, debootstrapped, needs, small_system, unibin, until};

/// Runs a program as an ordinary user who can have no further user namespace.
const REFUSED: &str = "echo 1 >/proc/sys/user/max_user_namespaces; \
                       exec unshare --user --map-user=1000 --map-group=1000 \"$@\"";

/// What is said once where something is refused.
const ALONE: &str = "the emulator alone makes the system the root";

const EMULATOR: (&str, &str) = ("UNIBIN_VIEW", "emulator");

fn refused(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc", REFUSED, "sh"])
        .arg(sandbox.at("sys"));
    command
}

fn sh(sandbox: &Sandbox, variables: &[(&str, &str)], script: &str) -> Outcome {
    let mut command = refused(sandbox);
    Sandbox::finish(command.envs(variables.iter().copied()).args(["sh", "-c", script]))
}

/// The directory of what the one system of a sandbox keeps.
fn of_system(sandbox: &Sandbox) -> PathBuf {
    let trees = fs::read_dir(sandbox.cache().join("x86_64/systems")).expect("systems");
    trees.flatten().map(|tree| tree.path()).next().expect("one")
}

/// The names in it.
fn kept(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(of_system(sandbox)).expect("a directory").flatten();
    let mut names: Vec<_> = names.map(|name| name.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// A start that goes on until it is killed; it is inside when this returns.
fn sleeping(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Child {
    let mut command = refused(sandbox);
    command.args(["sh", "-c", "echo >inside; exec sleep 60"]).envs(variables.iter().copied());
    let child = command.stderr(Stdio::null()).spawn().expect("started");
    until("the start is inside", || sandbox.at("inside").exists().then_some(()));
    fs::remove_file(sandbox.at("inside")).expect("ours");
    child
}

fn end(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("waited for");
}

#[test]
fn what_mounts_would_show_an_emulator_shows_and_says_so_once() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    sandbox.write("home/mine", b"the caller's\n");
    let elsewhere = sandbox.make_directory("elsewhere");
    let mounts = [("UNIBIN_VIEW", "mounts"), ("UNIBIN_CACHE", elsewhere.to_str().expect("text"))];
    sh(&sandbox, &mounts, "true").must_fail_with(
        125,
        &["a system needs a user namespace", "max_user_namespaces", "UNIBIN_VIEW=mounts"],
    );
    let before = Sandbox::tree(sandbox.path());

    let script = "pwd; id -u; cat /etc/hello home/mine; uname -m; ls /bin/setpriv /usr 2>/dev/null; \
                  echo new >/etc/new; echo mine >home/new; ls -d /proc/self /dev/null";
    let first = sh(&sandbox, &[], &script.replace("uname", "/bin/busybox uname"));
    let expected = format!(
        "{}\n0\nthe system's\nthe caller's\nriscv64\n/dev/null\n/proc/self\n",
        sandbox.path().display()
    );
    assert_eq!(first.must_succeed(), expected);
    let told = first.errors();
    assert!(told.starts_with("unibin: a system needs a user namespace") && told.contains(ALONE), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(!Path::new("/etc/hello").exists() && !Path::new("/etc/new").exists());
    assert_eq!(fs::read(sandbox.at("home/new")).expect("written inside"), b"mine\n");
    fs::remove_file(sandbox.at("home/new")).expect("ours");
    let outside_of_the_cache = |tree: Vec<PathBuf>| -> Vec<PathBuf> {
        let is_cache = |path: &PathBuf| path.starts_with("home/.cache") || path.starts_with("elsewhere");
        tree.into_iter().filter(|path| !is_cache(path)).collect()
    };
    assert_eq!(outside_of_the_cache(Sandbox::tree(sandbox.path())), outside_of_the_cache(before));
    // One copy is unpacked, and no tree that nothing can be laid over.
    let slots = fs::read_dir(sandbox.cache().join("x86_64")).expect("cache").flatten();
    assert!(slots.into_iter().all(|slot| !slot.path().join("tree").exists()));

    // It stays so, whatever is allowed later.
    let again = sandbox.run(&sandbox.at("sys"), &["cat", "/etc/new"]);
    assert_eq!(again.must_succeed(), "new\n");
    assert!(again.errors().contains("was made without mounts"), "{again}");
    let quiet = sandbox.run_with(&[EMULATOR], &sandbox.at("sys"), &["cat", "/etc/new"]);
    assert_eq!((quiet.must_succeed().as_str(), quiet.errors().as_str()), ("new\n", ""));
    let mounts = sandbox.run_with(&[("UNIBIN_VIEW", "mounts")], &sandbox.at("sys"), &["true"]);
    mounts.must_fail_with(125, &["`default`", "without mounts", "UNIBIN_KEEP=other"]);
    let others = sandbox.run_with(
        &[("UNIBIN_VIEW", "mounts"), ("UNIBIN_KEEP", "other")],
        &sandbox.at("sys"),
        &["id", "-u"],
    );
    assert_eq!(others.must_succeed(), "0\n");

    // Thrown away is thrown away, and removed by the next start.
    let none = [("UNIBIN_KEEP", "none"), EMULATOR];
    assert_eq!(
        sh(&sandbox, &none, "ls /etc/new 2>/dev/null; echo x >/thrown; cat /thrown").must_succeed(),
        "x\n"
    );
    assert_eq!(sh(&sandbox, &none, "ls /thrown 2>/dev/null || echo gone").must_succeed(), "gone\n");
    let thrown = |name: &String| name.starts_with(".new-discarded-");
    assert_eq!(kept(&sandbox).iter().filter(|name| thrown(name)).count(), 1);
    sandbox.gc(&[], &sandbox.at("sys")).must_succeed();
    assert!(!kept(&sandbox).iter().any(thrown));
}

#[test]
fn programs_users_places_and_ends_are_those_of_the_system() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = refused(&sandbox);
        Sandbox::finish(command.envs([EMULATOR]).envs(variables.iter().copied()).args(arguments))
    };
    assert_eq!(run(&[], &["/script", "x"]).must_succeed(), "script /script x\n");
    assert_eq!(run(&[], &["echo", "a b", "-c"]).must_succeed(), "a b -c\n");
    run(&[], &["nowhere"]).must_fail_with(127, &["nowhere", "in the system"]);
    run(&[], &["/etc/passwd"]).must_fail_with(126, &["/etc/passwd"]);
    assert_eq!(run(&[], &["sh", "-c", "exit 7"]).code(), Some(7));
    assert_eq!(run(&[], &["sh", "-c", "kill -TERM $$"]).signal(), Some(15));
    let started = sandbox.shell("echo $$; UNIBIN_VIEW=emulator exec ./sys sh -c 'echo $$'", &[""; 0]);
    let text = started.must_succeed();
    let numbers: Vec<&str> = text.lines().collect();
    assert_eq!((numbers.len(), numbers[0]), (2, numbers[1]), "it is the process that was started");

    let links = "for link in exe cwd root; do /bin/busybox readlink /proc/self/$link; done";
    assert_eq!(
        run(&[("UNIBIN_WORKDIR", "/srv/www")], &["sh", "-c", links]).must_succeed(),
        "/bin/busybox\n/srv/www\n/\n"
    );
    run(&[("UNIBIN_WORKDIR", "/nowhere")], &["true"]).must_fail_with(125, &["/nowhere", "UNIBIN_WORKDIR"]);
    let stat = "/bin/busybox stat -c '%u %g %a'";
    let owners = format!("{stat} /srv/www/secret; {stat} /srv/www/set-id; {stat} /etc/hello /bin");
    assert_eq!(run(&[], &["sh", "-c", &owners]).must_succeed(), "33 34 440\n0 0 4755\n0 0 644\n0 0 755\n");
    let www = run(&[("UNIBIN_USER", "www")], &["sh", "-c", "id -u; id -g; cat /srv/www/secret; echo $HOME"]);
    assert_eq!(www.must_succeed(), "33\n34\nof www\n/srv/www\n");
    run(&[("UNIBIN_USER", "nobody")], &["id"]).must_fail_with(125, &["nobody", "UNIBIN_USER"]);
    let chroot = "mkdir /r /r/bin; /bin/busybox cp /bin/busybox /r/bin/; \
                  /bin/busybox chroot /r /bin/busybox ls /; /bin/busybox chroot /r /bin/busybox ls /bin";
    assert_eq!(run(&[], &["sh", "-c", chroot]).must_succeed(), "bin\nbusybox\n");

    // A program of this machine's CPU would run beside the root.
    fs::copy("/bin/true", sandbox.at("native")).expect("copied");
    sandbox.give(sandbox.at("native"));
    run(&[], &["./native"]).must_fail_with(126, &["./native", "exec format error"]);
    let in_shell = run(&[], &["sh", "-c", "./native 2>/dev/null && echo runs || echo refused"]);
    assert_eq!(in_shell.must_succeed(), "refused\n");
}

#[test]
fn what_is_bound_is_seen_at_its_place_and_below_it_even_by_the_launcher() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    sandbox.write("home/mine", b"the caller's\n");
    sandbox.write("home/tool", b"#!/bin/sh\necho tool $0\n");
    sandbox.write("passwd", b"me:x:77:78::/deep/er:/bin/sh\n");
    let [home, top] = [sandbox.home(), sandbox.path().to_owned()].map(|path| path.display().to_string());
    let bind = |list: &str, more: &[(&str, &str)], arguments: &[&str]| {
        let mut command = refused(&sandbox);
        let variables = [&[EMULATOR, ("UNIBIN_BIND", list)], more].concat();
        Sandbox::finish(command.envs(variables).args(arguments))
    };
    let two = format!("{home}:/deep/er,{home}/mine:/etc/hello:ro");
    let script = "cat /deep/er/mine /etc/hello; echo x >/deep/er/more; echo x 2>/dev/null >/etc/hello || echo ro; \
                  ls /deep; rm /etc/hello 2>/dev/null || echo busy";
    assert_eq!(
        bind(&two, &[], &["sh", "-c", script]).must_succeed(),
        "the caller's\nthe caller's\nro\ner\nbusy\n"
    );
    assert!(sandbox.at("home/more").exists());
    // Programs, users and directories are looked for where they are seen.
    let seen = format!("{home}:/deep/er,{top}/passwd:/etc/passwd");
    assert_eq!(bind(&seen, &[], &["/deep/er/tool"]).must_succeed(), "tool /deep/er/tool\n");
    let me = bind(
        &seen,
        &[("UNIBIN_USER", "me"), ("UNIBIN_WORKDIR", "/deep/../deep/er")],
        &["sh", "-c", "id -u; pwd"],
    );
    assert_eq!(me.must_succeed(), "77\n/deep/er\n");
    // Each start has its own, also beside a running one.
    let running = sleeping(&sandbox, &[EMULATOR]);
    assert_eq!(bind(&two, &[], &["cat", "/deep/er/mine"]).must_succeed(), "the caller's\n");
    end(running);
    bind("/nonexistent:/x", &[], &["true"]).must_fail_with(125, &["/nonexistent", "hint: "]);
    bind(&format!("{home}:/etc/group"), &[], &["true"]).must_fail_with(125, &["/etc/group", "hint: "]);

    // A link of the system's leads nowhere but in it.
    let tree = of_system(&sandbox).join("default/whole");
    symlink("/", tree.join("srv/slash")).expect("a link");
    bind(&format!("{home}:/srv/slash"), &[], &["true"]).must_fail_with(125, &["busy", "/srv/slash"]);
    let dangling = fs::read_link(tree.join("etc/resolv.conf")).expect("as it was packed");
    assert_eq!(dangling, Path::new("/run/resolve/of-the-system"));
    let resolv = bind(&two, &[], &["cat", "/etc/resolv.conf"]).must_succeed();
    assert_eq!(resolv, fs::read_to_string("/etc/resolv.conf").expect("the host's"));
    assert!(!Path::new("/run/resolve/of-the-system").exists());
}

#[test]
fn a_copy_appears_whole_or_not_at_all_and_nobody_removes_it_from_a_running_system() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    let one = [EMULATOR, ("UNIBIN_KEEP", "one")];
    sh(&sandbox, &one, "echo old >/kept").must_succeed();
    let directory = of_system(&sandbox).join("one");
    // What a start that was killed leaves behind.
    fs::rename(directory.join("whole"), directory.join(".new-whole-0000000000000000-1")).expect("renamed");
    assert_eq!(sh(&sandbox, &one, "ls /kept 2>/dev/null; cat /etc/hello").must_succeed(), "the system's\n");
    let names: Vec<_> =
        Sandbox::tree(&directory).into_iter().filter(|path| path.components().count() == 1).collect();
    assert_eq!(names, ["lock", "whole"].map(PathBuf::from));

    let running = sleeping(&sandbox, &one);
    let of_one = [("UNIBIN_DAYS", "0"), ("UNIBIN_KEEP", "one")];
    let gc = || sandbox.gc(&of_one, &sandbox.at("sys")).must_succeed();
    let cleaned = gc();
    assert!(cleaned.contains("`one` is in use"), "{cleaned}");
    sh(&sandbox, &one, "echo both >/kept").must_succeed();
    end(running);
    // What programs may do to themselves.
    sh(&sandbox, &one, "mkdir -p /closed/in; touch /closed/in/file; /bin/busybox chmod 0 /closed/in /closed")
        .must_succeed();
    let cleaned = gc();
    assert!(cleaned.contains("`one` is removed"), "{cleaned}");
    assert!(!directory.exists());

    // A start waits for another one that unpacks, as its lock says.
    sh(&sandbox, &one, "true").must_succeed();
    fs::remove_dir_all(directory.join("whole")).expect("ours");
    let mut other = sandbox.command("flock");
    let other = other.arg(directory.join("lock")).args(["sh", "-c", "touch locked; sleep 2; touch unlocked"]);
    let mut other = other.spawn().expect("flock");
    until("it is locked", || sandbox.at("locked").exists().then_some(()));
    assert_eq!(sh(&sandbox, &one, "ls unlocked").must_succeed(), "unlocked\n");
    assert!(other.wait().expect("waited for").success());
    let script = "i=0; while [ $i -lt 6 ]; do UNIBIN_KEEP=six ./sys sh -c 'echo line >>/lines; sleep 1' & i=$((i+1)); done; wait";
    let mut many = sandbox.command("sh");
    Sandbox::finish(many.envs([EMULATOR]).args(["-c", script])).must_succeed();
    assert_eq!(
        sh(&sandbox, &[EMULATOR, ("UNIBIN_KEEP", "six")], "cat /lines").must_succeed(),
        "line\n".repeat(6)
    );
}

#[test]
fn changes_made_with_mounts_are_never_lost_to_a_copy() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    let system = small_system(&sandbox, Arch::Riscv64, &[]);
    sandbox.run(&system, &["sh", "-c", "echo old >/kept"]).must_succeed();
    let words = ["`default`", "made with mounts", "UNIBIN_KEEP=other"];
    sh(&sandbox, &[], "true").must_fail_with(125, &words);
    sandbox.run_with(&[EMULATOR], &system, &["true"]).must_fail_with(125, &words);
    assert_eq!(sandbox.run(&system, &["cat", "/kept"]).must_succeed(), "old\n");
    // The tree is there, and nothing shows before the step into namespaces that they are refused.
    let other = sh(&sandbox, &[("UNIBIN_KEEP", "other")], "ls /kept 2>/dev/null; id -u; echo mine >/kept");
    assert_eq!(other.must_succeed(), "0\n");
    assert!(other.errors().contains(ALONE), "{other}");
    assert_eq!(sh(&sandbox, &[("UNIBIN_KEEP", "other")], "cat /kept").must_succeed(), "mine\n");
    let thrown = sh(&sandbox, &[("UNIBIN_KEEP", "none")], "ls /kept 2>/dev/null; id -u");
    assert_eq!(thrown.must_succeed(), "0\n");
    assert!(thrown.errors().contains(ALONE), "{thrown}");
}

#[test]
fn without_an_emulator_of_ours_it_is_said_what_would_do() {
    needs!("x86_64", "network", "namespaces");
    for (target, more) in [(Arch::X86_64, &[][..]), (Arch::Riscv64, &["--debian-emulators"])] {
        let sandbox = Sandbox::new();
        let system = small_system(&sandbox, target, more);
        sh(&sandbox, &[], "true")
            .must_fail_with(125, &["a system needs a user namespace", "unibin's own emulators"]);
        sandbox
            .run_with(&[EMULATOR], &system, &["true"])
            .must_fail_with(126, &["unibin's own", "UNIBIN_VIEW"]);
    }
}

#[test]
fn where_no_directory_takes_an_upper_a_copy_does() {
    needs!("x86_64", "network", "namespaces", "mounts");
    let sandbox = Sandbox::of(User::Tester);
    small_system(&sandbox, Arch::Riscv64, &[]);
    // As in a container: everything is on an overlay, the bundle too.
    let script = "mkdir -p lower upper work all; \
                  mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work all; cp sys all; \
                  mount --bind all /mnt; \
                  for place in /var/tmp /tmp /dev/shm; do mkdir -p /mnt$place; mount --bind /mnt$place $place; done; \
                  cd /; export HOME=/mnt; exec /mnt/sys \"$@\"";
    let run = |script: &str, words: &[&str]| Namespace::Mounts.run(&sandbox, script, words);
    let refused = script.replace("export ", "export UNIBIN_VIEW=mounts ");
    run(&refused, &["id", "-u"]).must_fail_with(125, &["is on an overlay"]);
    let started = run(script, &["sh", "-c", "id -u; cat /etc/hello; echo x >/kept"]);
    assert_eq!(started.must_succeed(), "0\nthe system's\n");
    assert!(started.errors().contains("is on an overlay") && started.errors().contains(ALONE), "{started}");
    assert_eq!(run(script, &["cat", "/kept"]).must_succeed(), "x\n");
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    needs!("x86_64", "network", "namespaces", "mounts");
    let sandbox = Sandbox::of(User::Tester);
    small_system(&sandbox, Arch::Riscv64, &[]);
    // Room for launcher, broker and emulator, and for half of busybox.
    let script = "mkdir -p small; mount -t tmpfs -o size=\"$1\",mode=700 none small; shift; \
                  mount --bind . /mnt; mount -o remount,ro,bind /mnt; cd /mnt; mount --bind \"$OLDPWD/small\" small; \
                  for place in /var/tmp /tmp /dev/shm; do mount -t tmpfs -o ro none $place; done; \
                  export UNIBIN_CACHE=$PWD/small UNIBIN_VIEW=emulator HOME=/nowhere; \
                  ./sys \"$@\" || echo $?; find small/x86_64/systems";
    let run = |size: &str| Namespace::Mounts.run(&sandbox, script, &[size, "id", "-u"]);
    let enough = run("64m");
    assert!(enough.text().starts_with("0\n"), "{enough}");
    let full = run("5m");
    assert!(full.text().starts_with("125\n") && full.errors().contains("no space left"), "{full}");
    assert!(!full.text().contains("whole"), "{full}");
}

#[test]
fn an_image_begins_afresh_at_each_start() {
    needs!("x86_64", "network", "namespaces", "umoci");
    let sandbox = Sandbox::new();
    small_system(&sandbox, Arch::Riscv64, &[]);
    let make = "umoci init --layout layout; umoci new --image layout:a; umoci unpack --rootless --image layout:a one; \
                mkdir one/rootfs/bin one/rootfs/etc; cp extracted-riscv64/usr/bin/busybox one/rootfs/bin; \
                for name in sh id pwd ls cat; do ln -s busybox one/rootfs/bin/$name; done; \
                echo 'root:x:0:0::/root:/bin/sh' >one/rootfs/etc/passwd; echo 'of the image' >one/rootfs/etc/hello; \
                umoci repack --image layout:a one; umoci config --image layout:a --architecture riscv64 --os linux \
                --config.entrypoint /bin/sh --config.entrypoint -c --config.cmd 'cat /etc/hello' --config.workingdir /work";
    sandbox.shell(&["set -e; ", make].concat(), &[""; 0]).must_succeed();
    let bundle = sandbox.at("image");
    let layout = sandbox.at("layout");
    let reference = format!("{}:a", layout.display());
    let mut packed = unibin();
    packed
        .args(["pack", "--oci", &reference, "--platform", "linux/riscv64", "--hosts", "x86_64", "-o"])
        .arg(&bundle);
    Sandbox::finish(&mut packed).must_succeed();
    sandbox.copy(&bundle, "sys");
    let run = |arguments: &[&str]| Sandbox::finish(refused(&sandbox).args(arguments));
    assert_eq!(run(&[]).must_succeed(), "of the image\n");
    assert_eq!(
        run(&["pwd; id -u; echo x >/etc/new; ls /etc"]).must_succeed(),
        "/work\n0\nhello\nhosts\nnew\npasswd\nresolv.conf\n"
    );
    let again = run(&["ls /etc/new 2>/dev/null || echo fresh; ls /home 2>/dev/null; exit 3"]);
    assert_eq!((again.code(), again.text().as_str()), (Some(3), "fresh\n"), "{again}");
    assert!(again.errors().contains(ALONE), "{again}");
}

#[test]
fn a_debian_system_installs_packages_and_has_its_users() {
    needs!("network", "x86_64", "namespaces", "minutes");
    let sandbox = Sandbox::new();
    let Some(_) = debootstrapped(&sandbox, "sys", &[]) else { return };
    // Killed while it unpacks, it begins again.
    let mut first = refused(&sandbox);
    let mut first = first.arg("true").stderr(Stdio::null()).spawn().expect("started");
    let unpacks = || {
        let trees = fs::read_dir(sandbox.home().join(".cache/unibin/x86_64/systems")).ok()?;
        let all = trees.flatten().flat_map(|tree| Sandbox::tree(&tree.path().join("default")));
        all.into_iter()
            .any(|path| path.starts_with("whole") || path.to_string_lossy().contains(".new-whole"))
            .then_some(())
    };
    until("it unpacks", unpacks);
    first.kill().expect("killed");
    first.wait().expect("waited for");
    let inside = |script: &str| sh(&sandbox, &[EMULATOR], &["set -e; cd /; ", script].concat());
    let states = inside("dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u; dpkg --audit");
    assert_eq!(states.must_succeed(), "ii \n");
    let left = Sandbox::tree(&of_system(&sandbox).join("default"));
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(".new-whole")), "nothing is left over");

    let owners = "stat -c '%n %u:%g %a' usr/bin/passwd usr/bin/chage var/mail var/tmp etc/shadow; ls -l etc/shadow | cut -d' ' -f1,3,4";
    assert_eq!(
        inside(owners).must_succeed(),
        "usr/bin/passwd 0:0 4755\nusr/bin/chage 0:42 2755\nvar/mail 0:8 2775\nvar/tmp 0:0 1777\n\
         etc/shadow 0:42 640\n-rw-r----- root shadow\n"
    );
    let package = "mkdir -p p/DEBIAN p/usr/bin; \
        printf 'Package: mine\\nVersion: 1\\nArchitecture: all\\nMaintainer: me <me@example.org>\\nDescription: x\\n' >p/DEBIAN/control; \
        printf '#!/bin/sh\\nset -e\\nuseradd --system mine\\ninstall -d -o mine /var/lib/mine\\n' >p/DEBIAN/postinst; \
        printf '#!/bin/sh\\n[ $1 != purge ] || userdel mine\\n' >p/DEBIAN/postrm; \
        printf '#!/bin/sh\\necho runs as $(id -un)\\n' >p/usr/bin/mine; \
        chmod 755 p/DEBIAN/postinst p/DEBIAN/postrm p/usr/bin/mine; dpkg-deb --root-owner-group -b p mine.deb >/dev/null; \
        dpkg -i mine.deb >/dev/null 2>&1; dpkg --audit; stat -c %U /var/lib/mine; \
        su -s /bin/sh mine -c 'mine; touch /var/lib/mine/x; chown root /var/lib/mine/x 2>/dev/null || echo refused'; \
        stat -c %U /var/lib/mine/x; id -un";
    assert_eq!(inside(package).must_succeed(), "mine\nruns as mine\nrefused\nmine\nroot\n");
    assert_eq!(
        inside("dpkg -P mine >/dev/null 2>&1; id mine 2>/dev/null || ls -d /var/lib/mine").must_succeed(),
        "/var/lib/mine\n"
    );
    // The host's path of such a socket is longer than the kernel takes.
    let socket = "mkdir -p /var/lib/sockets-of-a-service-with-quite-a-long-name/and-a-directory-below; perl -MIO::Socket::UNIX -e '\
        my $p = \"/var/lib/sockets-of-a-service-with-quite-a-long-name/and-a-directory-below/socket\"; \
        my $s = IO::Socket::UNIX->new(Local => $p, Listen => 1) or die $!; \
        if (!fork) { my $c = IO::Socket::UNIX->new(Peer => $p) or die $!; print $c \"through\\n\"; exit } \
        print scalar readline $s->accept; wait'";
    assert_eq!(inside(socket).must_succeed(), "through\n");
    let whole = of_system(&sandbox).join("default/whole");
    let passwd = fs::metadata(whole.join("usr/bin/passwd")).expect("there");
    assert_eq!(
        (passwd.mode() & 0o7777, passwd.uid()),
        (0o755, sandbox.uid()),
        "on the host nobody gets any rights"
    );
}
