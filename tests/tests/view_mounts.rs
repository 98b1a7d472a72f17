//! What a native app sees of files with `--view`: its tree laid over the host's root by mounts of its own, or
//! in its place. Each test says what the host has, and what a program of the app sees; they are real ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    Namespace, Outcome, Sandbox, compile_dynamic, kill, lacking, needs, not_run, own, pack, pack_by_hand,
    settled, store, until,
};

/// A name that no host has.
const NAME: &str = "unibin-of-the-tree";

/// Two files of a vendor's, for whoever packs them: the same bytes at the same path for all tests.
fn vendors_files() -> PathBuf {
    let top = store().with_file_name("view-mounts");
    for (path, contents) in [("conf", "the tree's conf\n"), ("share/data", "the tree's data\n")] {
        let path = top.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
        if fs::read_to_string(&path).ok().as_deref() != Some(contents) {
            fs::write(path, contents).expect("written");
        }
    }
    top
}

/// bash and coreutils for this machine, with a vendor's files, and this view.
fn app(sandbox: &Sandbox, view: &str) -> PathBuf {
    let top = vendors_files();
    let add = |path: &str, to: String| format!("{}:{to}", top.join(path).display());
    let (conf, share) = (add("conf", format!("/etc/{NAME}")), add("share", format!("/usr/share/{NAME}")));
    let packed = pack(&[
        "--deb",
        "bash",
        "--deb",
        "coreutils",
        "--entry",
        "bash=/usr/bin/bash",
        "--target",
        "x86_64",
        "--hosts",
        "x86_64",
        "--view",
        view,
        "--add",
        &conf,
        "--add",
        &share,
    ]);
    sandbox.copy(&packed, "bash")
}

fn bash(sandbox: &Sandbox, script: &str) -> Outcome {
    sandbox.run(&sandbox.at("bash"), &["-c", script])
}

fn names(directory: impl AsRef<Path>) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The app's tree, where it was unpacked.
fn tree(sandbox: &Sandbox) -> PathBuf {
    let slots = fs::read_dir(sandbox.cache().join("x86_64")).expect("a cache").flatten();
    let mut trees = slots.map(|slot| slot.path().join("tree")).filter(|tree| tree.is_dir());
    trees.next().expect("the app is unpacked")
}

/// What a directory of both has.
fn names_of_both(sandbox: &Sandbox, directory: &str) -> BTreeSet<String> {
    let of_tree = names(tree(sandbox).join(directory.trim_start_matches('/')));
    // The map for emulators is no file of the app's.
    names(directory).union(&of_tree).filter(|name| *name != ".unibin-view").cloned().collect()
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("mounts")
}

#[test]
fn a_native_app_sees_its_tree_laid_over_the_hosts_root() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    let before = mounts();
    let script = format!(
        "cat /etc/{NAME} /usr/share/{NAME}/data; echo $0 $BASH; readlink /proc/$$/exe; type -p uname"
    );
    let wanted =
        "the tree's conf\nthe tree's data\n/usr/bin/bash /usr/bin/bash\n/usr/bin/bash\n/usr/bin/uname\n";
    let ran = bash(&sandbox, &script);
    assert_eq!(ran.must_succeed(), wanted);
    assert_eq!(ran.errors(), "");

    let tree = tree(&sandbox);
    for directory in ["/", "/etc", "/usr", "/usr/bin", "/usr/share"] {
        let listed: BTreeSet<String> =
            bash(&sandbox, &format!("ls -A {directory}")).must_succeed().lines().map(str::to_owned).collect();
        let of_both = names_of_both(&sandbox, directory);
        let lacking: Vec<_> = of_both.difference(&listed).collect();
        let more: Vec<_> = listed.difference(&of_both).collect();
        assert!(lacking.is_empty() && more.is_empty(), "{directory}: lacks {lacking:?}, has {more:?}");
    }
    // A program of the tree's that the app starts, and its libraries: not the host's.
    let maps = bash(&sandbox, "exec cat /proc/self/maps").must_succeed();
    let own = tree.display().to_string();
    let files: BTreeSet<_> = maps.lines().filter_map(|line| Some(&line[line.find('/')?..])).collect();
    let libraries = files.iter().filter(|file| file.contains(".so"));
    let strange: Vec<_> =
        libraries.filter(|file| !file.starts_with("/.unibin-tree-") && !file.starts_with(&own)).collect();
    assert!(files.contains("/usr/bin/cat") && strange.is_empty(), "{maps}");
    assert_eq!(mounts(), before, "nothing is mounted outside");
    assert!(!Path::new("/etc").join(NAME).exists());
}

#[test]
fn what_the_tree_has_not_is_the_hosts_and_can_be_written() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    for path in ["/etc/passwd", "/etc/group", "/proc/version", "/sys/kernel/fscaps"] {
        let Ok(contents) = fs::read(path) else { continue };
        let read = bash(&sandbox, &format!("cat {path}"));
        assert_eq!(read.text().as_bytes(), contents, "{path}: {read}");
    }
    let written = sandbox.at("home/written");
    let script = format!("echo $PPID $$ >{0}; id -u; id -g; pwd; tty; exit 7", written.display());
    let natively = sandbox.shell("id -u; id -g; pwd; tty", &[""; 0]).text();
    let ran = bash(&sandbox, &script);
    assert_eq!((ran.text(), ran.code()), (natively, Some(7)), "{ran}");
    let about = fs::metadata(&written).expect("written on the host");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&about), sandbox.uid());
    // In a shared directory too, that each user has names of his own in.
    let shared = bash(&sandbox, "cd /tmp && n=$(mktemp unibin-XXXXXX) && echo $n && cat $n").must_succeed();
    fs::remove_file(Path::new("/tmp").join(shared.trim())).expect("seen on the host");

    let script = format!(
        "for f in /usr/bin/cat /etc/{NAME} /.unibin-tree-*/usr/bin/cat; do
             echo x 2>/dev/null >$f || echo write; chmod 755 $f 2>/dev/null || echo chmod
             rm -f $f 2>/dev/null || echo remove
         done
         for d in / /usr/share /usr/share/{NAME} /.unibin-tree-*; do mkdir $d/new 2>/dev/null || echo mkdir; done"
    );
    let ran = bash(&sandbox, &script);
    assert_eq!(ran.text(), ["write\nchmod\nremove\n".repeat(3), "mkdir\n".repeat(4)].concat(), "{ran}");
    let verified = sandbox.run_with(&[("UNIBIN_DO", "verify")], &sandbox.at("bash"), &[""; 0]);
    verified.must_succeed();
}

#[test]
fn programs_of_the_host_run_below_the_app_with_the_hosts_libraries() {
    needs!("x86_64", "network", "namespaces", "python3");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    let python = sandbox.shell("command -v python3", &[""; 0]).must_succeed();
    let script = format!(
        "{} -c 'import ctypes, os, sys; print(open(\"/etc/{NAME}\").read(), end=\"\", flush=True); \
         os.execv(\"/usr/bin/uname\", [\"uname\"])'",
        python.trim()
    );
    assert_eq!(bash(&sandbox, &script).must_succeed(), "the tree's conf\nLinux\n");
}

#[test]
fn the_process_is_the_one_that_was_started_and_leaves_nothing_behind() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    bash(&sandbox, "true").must_succeed();
    // What a first start leaves to processes of ours is done.
    settled(&sandbox.cache());
    let own = sandbox.shell("echo $$; exec ./bash -c 'echo $$; kill -TERM $$'", &[""; 0]);
    let text = own.text();
    let numbers: Vec<&str> = text.lines().collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{own}");
    assert_eq!(own.signal(), Some(15), "{own}");

    let before = mounts();
    let mut started = sandbox.command(sandbox.at("bash"));
    let mut child = started.args(["-c", "sleep 1000 & wait"]).spawn().expect("it starts");
    let mounts_of = |id: &str| fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap_or_default();
    let id = child.id().to_string();
    until("the app is inside", || mounts_of(&id).contains(" - tmpfs unibin ").then_some(()));
    let inside = fs::read_link(format!("/proc/{id}/ns/mnt")).expect("a namespace");
    let all_inside = || -> Vec<String> {
        let all = names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        all.filter(|id| fs::read_link(format!("/proc/{id}/ns/mnt")).is_ok_and(|of| of == inside)).collect()
    };
    // The two programs, and no process of ours beside them.
    until("both programs run", || (all_inside().len() == 2).then_some(()));
    assert_eq!(mounts(), before, "nothing is mounted outside");
    assert_eq!(sandbox.processes(), []);
    child.kill().expect("killed");
    child.wait().expect("it has ended");
    for id in all_inside() {
        assert!(kill("KILL", id), "what it had started");
    }
    until("nothing runs", || all_inside().is_empty().then_some(()));
    assert_eq!(mounts(), before);
}

#[test]
fn where_namespaces_are_refused_it_is_said_and_the_app_sees_the_hosts_files() {
    needs!("x86_64", "network", "namespaces", "setpriv");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    let own = tempfile::tempdir().expect("a directory");
    let cache = own.path().to_str().expect("text");
    let namespace = Namespace::OwnUsers.available().expect("asked for above");
    let run = |variables: &str| {
        let none = "echo 0 >/proc/sys/user/max_user_namespaces; export UNIBIN_CACHE=$1; export ";
        let rest = "\nexec setpriv --bounding-set -all --inh-caps -all ./bash -c \"$2\"";
        let script =
            format!("cat /etc/{NAME} 2>/dev/null || echo host; echo $BASH | grep -o tree/usr/bin/bash");
        namespace.run(&sandbox, &[none, variables, rest].concat(), &[cache, &script])
    };
    let hosts = "host\ntree/usr/bin/bash\n";
    let said = run("UNIBIN_VIEW=packed");
    assert_eq!(said.must_succeed(), hosts);
    for word in ["sees the host's files", "a user namespace", "max_user_namespaces", "UNIBIN_VIEW=host"] {
        assert!(said.errors().contains(word), "the message lacks `{word}`: {said}");
    }
    let silent = run("UNIBIN_VIEW=host");
    assert_eq!((silent.must_succeed().as_str(), silent.errors().as_str()), (hosts, ""));
    run("UNIBIN_VIEW=union").must_fail_with(125, &["it is not started", "max_user_namespaces"]);
    sandbox.run_with(&[("UNIBIN_VIEW", "sideways")], &sandbox.at("bash"), &["-c", "true"]).must_fail(125);
}

#[test]
fn what_the_host_has_mounted_below_a_merged_directory_is_seen() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    app(&sandbox, "union");
    let own = tempfile::tempdir().expect("a directory");
    let cache = own.path().to_str().expect("text");
    sandbox.write("mounted", b"mounted\n");
    let namespace = Namespace::OwnUsers.available().expect("asked for above");
    let script = format!("cat /etc/hostname /usr/share/doc/deep /etc/{NAME} /usr/share/{NAME}/data; uname");
    let mounted = "export UNIBIN_CACHE=$1; mount --bind mounted /etc/hostname
        mount -t tmpfs tmpfs /usr/share/doc; echo deep >/usr/share/doc/deep; ";
    let wanted = "mounted\ndeep\nthe tree's conf\nthe tree's data\nLinux\n";
    // As root of these mounts, and as somebody who must not look below them.
    for how in ["exec ./bash -c \"$2\"", "exec unshare --user --map-user=7 --map-group=7 ./bash -c \"$2\""] {
        let ran = namespace.run(&sandbox, &[mounted, how].concat(), &[cache, &script]);
        assert_eq!(ran.must_succeed(), wanted, "{how}");
        assert_eq!(ran.errors(), "", "{how}");
    }
}

#[test]
fn a_root_is_the_tree_with_what_is_the_machines() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = Sandbox::new();
    app(&sandbox, "root");
    let script = format!("cat /etc/{NAME}; ls -A /usr/bin; echo x >home/written");
    let ran = bash(&sandbox, &script);
    let text = ran.must_succeed();
    let (first, listed) = text.split_once('\n').expect("lines");
    assert_eq!(first, "the tree's conf");
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    assert_eq!(listed, names(tree(&sandbox).join("usr/bin")), "nothing of the host's");
    assert!(sandbox.at("home/written").exists());
    assert_eq!(bash(&sandbox, "cat /etc/passwd").text(), fs::read_to_string("/etc/passwd").expect("a file"));
    let top: BTreeSet<String> = bash(&sandbox, "ls /").must_succeed().lines().map(str::to_owned).collect();
    for name in ["proc", "sys", "dev", "tmp", "home", "usr", "etc"] {
        assert!(top.contains(name), "{name}: {top:?}");
    }
    assert!(!top.contains("boot") && !top.contains("srv"), "{top:?}");
}

#[test]
fn a_vendors_tree_sees_its_files_at_absolute_paths_and_finds_itself_and_its_libraries() {
    needs!("x86_64", "network", "namespaces", "zig");
    let sandbox = Sandbox::new();
    let vendor = sandbox.at("vendor");
    for below in ["bin", "lib"] {
        fs::create_dir_all(vendor.join(below)).expect("directory");
    }
    let library = ["-shared", "-fPIC", "-Wl,-soname,libanswer.so", "-DANSWER=\"own\""];
    let library = compile_dynamic("view-answer", &[own("answer.c")], Arch::X86_64, &library);
    let Some(library) = library else { return };
    fs::copy(library, vendor.join("lib/libanswer.so")).expect("copied");
    let sources = [own("sees.c"), vendor.join("lib/libanswer.so")];
    let program = compile_dynamic("view-sees", &sources, Arch::X86_64, &["-Wl,-rpath,$ORIGIN/../lib"]);
    let Some(program) = program else { return };
    fs::copy(program, vendor.join("bin/app")).expect("copied");
    let top = vendors_files();
    let add = |path: &str, to: &str| format!("{}:{to}/{NAME}", top.join(path).display());
    let (conf, share) = (add("conf", "/etc"), add("share", "/usr/share"));
    let own = ["--entry", "bin/app", "--add", &conf, "--add", &share, "--view", "union"];
    let all = [&[vendor.to_str().expect("text")], &own[..], &["--libs", "debian", "--hosts", "x86_64"]];
    let output = sandbox.at("packed");
    let packed = pack_by_hand(&all.concat(), &output);
    if let Some(lacking) = lacking(&packed.errors()) {
        not_run("mirror-whole", lacking);
        return;
    }
    let told = packed.must_succeed();
    assert!(told.contains("natively, where user namespaces are allowed"), "{told}");
    let bundle = sandbox.copy(&output, "app");
    let (conf, data) = (format!("/etc/{NAME}"), format!("/usr/share/{NAME}/data"));
    let paths = [conf.as_str(), &data, "/etc/passwd", "/usr/share"];
    let natively = fs::read_to_string("/etc/passwd").expect("a file");
    let ran = sandbox.run(&bundle, &paths).must_succeed();
    // `.` and `..` too.
    let count = names_of_both(&sandbox, "/usr/share").len() + 2;
    let wanted = format!(
        "/opt/vendor/bin/app, /opt/vendor/bin/app, own\nthe tree's conf\nthe tree's data\n{}\n{count}\n",
        natively.lines().next().expect("a line")
    );
    assert_eq!(ran, wanted);
    let without = sandbox.run_with(&[("UNIBIN_VIEW", "host")], &bundle, &[&conf]);
    let text = without.must_succeed();
    assert!(text.contains("/tree/opt/vendor/bin/app, ") && text.ends_with(", own\nnone\n"), "{text}");
}
