//! What a system keeps, and what it sees of the host: nobody else's changes, none that are hidden or lost,
//! and no way to the host's root by what it inherits. The root is Debian's static busybox with a few files
//! around it.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, needs, small_system, unibin, until};

/// A sandbox that is not below `/tmp`, which systems share with the host; the system `sys` is in it.
fn apart() -> Sandbox {
    let sandbox = Sandbox::below(Path::new("/var/tmp"));
    small_system(&sandbox, Arch::X86_64, &[]);
    sandbox
}

fn start(sandbox: &Sandbox, variables: &[(&str, &str)], directory: &Path, script: &str) -> Command {
    let mut command = sandbox.command(sandbox.at("sys"));
    command.args(["sh", "-c", script]).envs(variables.iter().copied()).current_dir(directory);
    command
}

fn sh(sandbox: &Sandbox, variables: &[(&str, &str)], script: &str) -> Outcome {
    Sandbox::finish(&mut start(sandbox, variables, sandbox.path(), script))
}

/// A start that goes on for a while; it is inside when this returns.
fn sleeping(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Child {
    let script = "echo inside >inside; exec sleep 60";
    let mut command = start(sandbox, variables, sandbox.path(), script);
    let child = command.stdout(Stdio::null()).spawn().expect("started");
    let mark = sandbox.at("inside");
    until("the start is inside", || mark.exists().then_some(()));
    fs::remove_file(mark).expect("written");
    child
}

fn end(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("waited for");
}

/// The directory of what is kept under a name.
fn upper(sandbox: &Sandbox, name: &str) -> PathBuf {
    let mut trees = fs::read_dir(sandbox.cache().join("x86_64/systems")).expect("systems").flatten();
    trees.next().expect("a tree").path().join(name)
}

#[test]
fn what_keeps_cleaners_away_leads_no_program_of_a_system_to_the_hosts_root() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let cache = PathBuf::from(format!("/var/tmp/unibin-held-{}", std::process::id()));
    let mark = sandbox.path().file_name().expect("a name").to_str().expect("text");
    let script = format!(
        "for fd in /proc/self/fd/*; do [ ${{fd##*/}} -gt 255 ] || continue; [ -d $fd/. ] && echo held; \
         [ -e $fd/../{mark} ] && echo $fd leads to the root; done; true"
    );
    for keep in ["default", "none"] {
        let variables = [("UNIBIN_CACHE", cache.to_str().expect("text")), ("UNIBIN_KEEP", keep)];
        assert_eq!(sh(&sandbox, &variables, &script).must_succeed(), "held\n", "{keep}");
        let lock = || File::open(&cache).expect("the cache").try_lock();
        assert!(lock().is_ok(), "nothing runs");
        let sleeping = sleeping(&sandbox, &variables);
        assert!(matches!(lock(), Err(TryLockError::WouldBlock)), "a cleaner passes over what is locked");
        if keep == "default" {
            // Who joins it does not inherit it either.
            let joined = script.replace("echo held", "true");
            assert_eq!(sh(&sandbox, &variables, &joined).must_succeed(), "");
        }
        end(sleeping);
    }
    let removed = Command::new("rm").arg("-rf").arg(&cache).status().expect("rm");
    assert!(removed.success());
}

#[test]
fn the_hosts_directories_hide_nothing_that_was_made_inside() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let [work, deep] = ["work", "deep"].map(|name| sandbox.make_directory(name));
    sandbox.make_directory("deep/er");
    sandbox.write("deep/of-the-host", b"the host's\n");
    let run = |directory: &Path, script: &str| {
        Sandbox::finish(&mut start(&sandbox, &[], directory, script)).must_succeed()
    };
    let made = format!("mkdir -p {0}; echo inside >{0}/file", work.display());
    run(Path::new("/"), &made);
    assert!(!work.join("file").exists());
    assert_eq!(run(&work, "pwd; cat file"), format!("{}\ninside\n", work.display()));
    // A directory that was made for a bind is nothing of the system's.
    run(&deep.join("er"), "echo written >new");
    assert_eq!(fs::read(deep.join("er/new")).expect("the host's"), b"written\n");
    assert_eq!(run(&deep, "cat of-the-host er/new"), "the host's\nwritten\n");
}

#[test]
fn nothing_is_bound_over_the_whole_root() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    sh(&sandbox, &[], "/bin/busybox ln -s / /all; /bin/busybox ln -s ../.. /srv/all").must_succeed();
    for target in ["/", "/.", "/./", "/srv/..", "/all", "/srv/all", "/all/srv/.."] {
        let bind = format!("/var/tmp:{target}");
        sh(&sandbox, &[("UNIBIN_BIND", &bind)], "true").must_fail_with(125, &["UNIBIN_BIND", "hint: "]);
    }
    assert_eq!(
        sh(&sandbox, &[("UNIBIN_BIND", "/var/tmp:/all/srv")], "cat /etc/hello").must_succeed(),
        "the system's\n"
    );
}

#[test]
fn a_running_system_keeps_its_tree_though_another_start_is_to_make_the_tree_anew() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let show = "ls -R /etc /srv; cat /srv/linked /etc/group";
    let whole = sh(&sandbox, &[], show).must_succeed();
    for keep in ["default", "none"] {
        let script = format!("echo inside >inside; while [ ! -e anew ]; do sleep 0.1; done; {show}");
        let mut running = start(&sandbox, &[("UNIBIN_KEEP", keep)], sandbox.path(), &script);
        let running = running.stdout(Stdio::piped()).spawn().expect("started");
        until("the start is inside", || sandbox.at("inside").exists().then_some(()));
        let verified = sh(&sandbox, &[("UNIBIN_VERIFY", "1")], "cat /etc/hello");
        assert_eq!(verified.must_succeed(), "the system's\n");
        assert!(verified.errors().contains("so that its files are not made anew"), "{verified}");
        sandbox.write("anew", b"");
        let ran = Outcome::from(running.wait_with_output().expect("ended"));
        assert_eq!(ran.must_succeed(), whole, "{keep}");
        for file in ["inside", "anew"] {
            fs::remove_file(sandbox.at(file)).expect("written");
        }
    }
    let kept = upper(&sandbox, "default");
    let tree = kept.parent().and_then(Path::file_name).expect("a name");
    let lost = sandbox.cache().join("x86_64").join(tree).join("tree/etc/hello");
    fs::remove_file(&lost).expect("removed");
    let healed = sh(&sandbox, &[("UNIBIN_VERIFY", "1")], "cat /etc/hello");
    assert_eq!((healed.must_succeed().as_str(), healed.errors().as_str()), ("the system's\n", ""));
}

/// Nothing but the mounts shows that such a program uses the tree.
#[test]
fn a_running_system_that_holds_nothing_open_keeps_its_tree_whoever_cleans() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let script = "for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -lt 10 ] || eval \"exec $fd>&-\"; done; \
                  echo inside >inside; while [ ! -e cleaned ]; do sleep 0.1; done; cat /etc/hello /srv/linked";
    let mut running = start(&sandbox, &[], sandbox.path(), script);
    let running = running.stdout(Stdio::piped()).spawn().expect("started");
    until("the start is inside", || sandbox.at("inside").exists().then_some(()));
    let kept = upper(&sandbox, "default");
    let tree = sandbox.cache().join("x86_64").join(kept.parent().and_then(Path::file_name).expect("a name"));
    assert!(tree.exists());
    let mut clear = sandbox.command(unibin().get_program());
    // The tester's own caches are none of a test's business.
    clear.args(["cache", "clear", "--directory"]).arg(sandbox.cache());
    Sandbox::finish(&mut clear).must_succeed();
    assert!(tree.exists(), "it is in use");
    sandbox.write("cleaned", b"");
    let ran = Outcome::from(running.wait_with_output().expect("ended"));
    assert_eq!(ran.must_succeed(), "the system's\nthe system's\n");
}

/// A start that has found a running system may enter its mounts after all that ran there has ended.
#[test]
fn while_somebody_is_about_to_enter_a_system_nobody_mounts_it_anew() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let first = sleeping(&sandbox, &[]);
    let entering = upper(&sandbox, "default").join("entering");
    // What the second start has then: the mounts, and the lock. It looks whether the third is inside already.
    let mounts = File::open(format!("/proc/{}/ns/mnt", first.id())).expect("our own");
    let script = "sleep 2; if [ -e third ]; then echo inside; else echo waits; fi >seen";
    let mut second = sandbox.command("flock");
    let mut second = second.arg("--shared").arg(&entering).args(["sh", "-c", script]).spawn().expect("flock");
    until("it is locked", || File::open(&entering).ok()?.try_lock().is_err().then_some(()));
    end(first);
    let third = start(&sandbox, &[], sandbox.path(), "echo x >third; cat /etc/hello").output();
    assert_eq!(Outcome::from(third.expect("started")).must_succeed(), "the system's\n");
    assert!(second.wait().expect("waited for").success());
    assert_eq!(fs::read(sandbox.at("seen")).expect("written"), b"waits\n");
    drop(mounts);
}

#[test]
fn a_start_that_has_waited_for_a_removal_begins_afresh_and_keeps_what_it_does() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    sh(&sandbox, &[], "echo old >/kept").must_succeed();
    let kept = upper(&sandbox, "default");
    // What a removal does, slowly.
    let script = "touch locked; sleep 1; mv \"$1\" \"$1-aside\"; rm -rf \"$1-aside\"";
    let mut removal = sandbox.command("flock");
    removal.arg(kept.join("lock")).args(["sh", "-c", script, "sh"]).arg(&kept);
    let mut removal = removal.spawn().expect("flock");
    until("it is locked", || sandbox.at("locked").exists().then_some(()));
    let waited = sh(&sandbox, &[], "ls /kept 2>/dev/null; echo new >/kept; cat /kept");
    assert!(removal.wait().expect("waited for").success());
    assert_eq!(waited.must_succeed(), "new\n");
    assert_eq!(sh(&sandbox, &[], "cat /kept").must_succeed(), "new\n");
}

#[test]
fn a_system_whose_directory_cannot_be_written_does_not_silently_begin_afresh() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = apart();
    let runtime = sandbox.make_directory("runtime");
    let variables = [("XDG_RUNTIME_DIR", runtime.to_str().expect("text"))];
    let named = [variables[0], ("UNIBIN_KEEP", "default")];
    sh(&sandbox, &variables, "echo mine >/kept").must_succeed();
    let lock = upper(&sandbox, "default").join("lock");
    // No file can be opened so.
    fs::rename(&lock, lock.with_extension("aside")).expect("renamed");
    symlink("nowhere", &lock).expect("a link");
    let afresh = sh(&sandbox, &variables, "ls /kept 2>/dev/null || echo afresh");
    assert_eq!(afresh.must_succeed(), "afresh\n");
    let told = afresh.errors();
    let [there, here] = [sandbox.cache(), runtime.join("unibin")].map(|cache| cache.display().to_string());
    for word in ["is kept as `default`", &there, &here, "hint: "] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let words = ["is kept as `default`", &there, "hint: "];
    sh(&sandbox, &named, "true").must_fail_with(125, &words);
    fs::remove_file(&lock).expect("the link");
    fs::rename(lock.with_extension("aside"), &lock).expect("renamed");
    let again = sh(&sandbox, &named, "cat /kept");
    assert_eq!((again.must_succeed(), again.errors().as_str()), ("mine\n".to_owned(), ""));
}

#[test]
fn verify_finds_another_owner_and_a_hard_link_that_is_none() {
    needs!("x86_64", "network", "namespaces", "setfattr");
    let sandbox = apart();
    sh(&sandbox, &[], "true").must_succeed();
    let slots = fs::read_dir(sandbox.cache().join("x86_64")).expect("cache").flatten();
    let tree = slots.map(|slot| slot.path().join("tree")).find(|tree| tree.join("srv").exists());
    let tree = tree.expect("the unpacked root");
    let verify = || sandbox.run_with(&[("UNIBIN_DO", "verify")], &sandbox.at("sys"), &[""; 0]);
    let owner = |arguments: &[&str], file: &str| {
        let mut command = sandbox.command("setfattr");
        Sandbox::finish(command.args(arguments).arg(tree.join(file))).must_succeed();
    };
    let attribute = "user.unibin.owner";
    verify().must_succeed();
    owner(&["-n", attribute, "-v", "0 0 440"], "srv/www/secret");
    verify().must_fail_with(125, &["srv/www/secret"]);
    owner(&["-x", attribute], "srv/www/secret");
    verify().must_fail_with(125, &["srv/www/secret"]);
    owner(&["-n", attribute, "-v", "33 34 440"], "srv/www/secret");
    verify().must_succeed();
    owner(&["-n", attribute, "-v", "7 7 644"], "etc/hello");
    verify().must_fail_with(125, &["etc/hello"]);
    owner(&["-x", attribute], "etc/hello");
    verify().must_succeed();

    let linked = tree.join("srv/linked");
    let copy = tree.join("srv/copy");
    fs::copy(&linked, &copy).expect("copied");
    fs::rename(&copy, &linked).expect("renamed");
    verify().must_fail_with(125, &["srv/linked"]);
    fs::remove_file(&linked).expect("removed");
    fs::hard_link(tree.join("etc/hello"), &linked).expect("linked");
    verify().must_succeed();
}

#[test]
fn the_memory_that_gc_takes_does_not_grow_with_the_number_of_directories() {
    needs!("x86_64", "network");
    let sandbox = apart();
    let slot = sandbox.cache().join("x86_64").join("a".repeat(64));
    let script = "umask 077; mkdir -p \"$1/tree\"; cd \"$1/tree\"; i=0; \
                  while [ $i -lt 200 ]; do mkdir $i; (cd $i; seq 100 | xargs mkdir); i=$((i+1)); done";
    sandbox.shell(script, &[&slot]).must_succeed();
    let gc = "ulimit -v 65536; UNIBIN_CACHE=$HOME/.cache/unibin UNIBIN_DO=gc UNIBIN_DAYS=0 exec ./sys";
    let cleaned = sandbox.shell(gc, &[""; 0]).must_succeed();
    assert!(cleaned.contains(" entries removed"), "{cleaned}");
    assert!(!slot.exists());
}
