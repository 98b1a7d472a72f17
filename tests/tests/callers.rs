//! A bundle starts from whoever can start a program: shells, C libraries, languages, tools; by whatever path.
//! Which callers were here, and which of them leave scripts to the kernel, is printed and compared with
//! docs/callers.md.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::Arch;
use end_to_end::{
    Caller, Namespace, Outcome, Report, Sandbox, bundle_of, caller, callers, has, needs, say, tell_bundle,
};

/// A sandbox with a bundle that runs natively, for a caller's start has nothing to do with the route.
fn native(name: &str) -> Option<(Sandbox, PathBuf)> {
    let packed = tell_bundle(Arch::X86_64)?;
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&packed, name);
    Some((sandbox, bundle))
}

fn start<A: AsRef<OsStr>>(sandbox: &Sandbox, caller: &Caller, program: &Path, arguments: &[A]) -> Outcome {
    let mut command = sandbox.command(&caller.command[0]);
    // In which some callers take an argument for text.
    command.env("LC_ALL", "C.UTF-8");
    Sandbox::finish(command.args(&caller.command[1..]).arg(program).args(arguments))
}

#[test]
fn every_caller_passes_awkward_arguments_and_gets_the_exit_code() {
    needs!("zig");
    let Some((sandbox, bundle)) = native("tell") else { return };
    let text: [&[u8]; 9] = [
        b"a b",
        b"line\nfeed\n",
        b"it's \"q\"",
        b"$HOME `id` \\ * ~ !",
        b"-n",
        b"--",
        b"",
        b"caf\xc3\xa9",
        b"'",
    ];
    for caller in callers(&sandbox) {
        say(&format!("caller: {} ({})", caller.name, caller.version));
        let mut given: Vec<OsString> = text.map(|bytes| OsString::from_vec(bytes.to_vec())).to_vec();
        if caller.bytes {
            given.push(OsString::from_vec(b"\xff\xfe\x80".to_vec()));
        }
        if caller.adds_empty {
            given.retain(|argument| !argument.is_empty());
        }
        let arguments = [&["report".into(), "-".into()], &given[..]].concat();
        if caller.adds_empty {
            given.push(OsString::new());
        }
        let _ = fs::remove_dir_all(sandbox.cache());
        for which in ["first", "second"] {
            let ran = start(&sandbox, &caller, &bundle, &arguments);
            assert_eq!(
                (ran.code(), ran.errors().as_str()),
                (Some(7), ""),
                "{}, {which} start: {ran}",
                caller.name
            );
            let arrived: Vec<OsString> =
                Report::of(&ran.text()).arguments().into_iter().map(OsString::from_vec).collect();
            assert_eq!(arrived, given, "{}, {which} start", caller.name);
        }
        for code in ["0", "1", "125"] {
            // The empty argument that tcsh adds is one too many for nobody.
            let ended = start(&sandbox, &caller, &bundle, &["exit", code]);
            assert_eq!(ended.code(), code.parse().ok(), "{}: {ended}", caller.name);
        }
    }
}

/// The rows `| caller | kernel or itself |` of docs/callers.md.
fn documented() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/callers.md");
    let text = fs::read_to_string(path).expect("docs/callers.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.filter_map(|row| row.split_once(" | "));
    cells
        .map(|(name, who)| (name.to_owned(), who.to_owned()))
        .filter(|(_, who)| who != "who starts it")
        .collect()
}

#[test]
fn who_leaves_scripts_to_the_kernel_is_as_documented() {
    needs!("zig");
    let Some((sandbox, _)) = native("tell") else { return };
    // Text without a first line for the kernel: it says ENOEXEC, and some callers then run a shell of their
    // own.
    let script = sandbox.write("script", b"exit 7\n");
    let documented = documented();
    let (mut kernel, mut others) = (0, Vec::new());
    for caller in callers(&sandbox) {
        let ended = start(&sandbox, &caller, &script, &[] as &[&str]);
        let who = if ended.code() == Some(7) { "itself" } else { "kernel" };
        say(&format!("a script without `#!`: {}: {who}", caller.name));
        if !documented.iter().any(|(name, documented)| *name == caller.name && documented == who) {
            others.push(format!("| {} | {who} |", caller.name));
        }
        kernel += u32::from(who == "kernel");
    }
    assert!(others.is_empty(), "docs/callers.md has other rows for these:\n{}", others.join("\n"));
    assert!(kernel >= 5, "{kernel}: some callers do need the first line");
}

#[test]
fn rust_starts_it() {
    needs!("zig");
    let Some((sandbox, bundle)) = native("tell") else { return };
    say("caller: Rust Command (the compiler of these tests)");
    let odd = OsString::from_vec(b"\xff \n'".to_vec());
    let ran = sandbox.run(&bundle, &["report".into(), "-".into(), odd.clone(), OsString::new()]);
    assert_eq!(ran.code(), Some(7), "{ran}");
    assert_eq!(Report::of(&ran.text()).arguments(), [odd.into_vec(), Vec::new()]);
    // A script without `#!`: ENOEXEC, and Rust has no shell to run instead.
    let script = sandbox.write("script", b"exit 7\n");
    assert_eq!(Command::new(script).status().map_err(|error| error.raw_os_error()).err(), Some(Some(8)));
    assert!(documented().contains(&("Rust Command".to_owned(), "kernel".to_owned())));
}

#[test]
fn it_starts_through_links_and_path_from_paths_of_any_bytes() {
    needs!("zig");
    let Some((sandbox, bundle)) = native("tell") else { return };
    let awkward = OsStr::from_bytes(b"sp ace 'q\" $(exit 3)\nline \xff\xfe *");
    let directory = sandbox.make_directory(awkward);
    fs::rename(&bundle, directory.join("tell")).expect("renamed");
    // A link in a directory of links, through a link to a directory, relative and absolute.
    let links = sandbox.make_directory("links");
    symlink(directory.join("tell"), links.join("one")).expect("link");
    symlink("one", links.join("two")).expect("link");
    symlink(&links, sandbox.at("directory")).expect("link");
    let path = [links.as_os_str().as_bytes(), b":/usr/bin:/bin"].concat();
    for program in [
        directory.join("tell"),
        sandbox.at("directory/two"),
        "directory/two".into(),
        "./links/one".into(),
        "two".into(),
    ] {
        for caller in callers(&sandbox) {
            let by_name = !program.as_os_str().as_bytes().contains(&b'/');
            let searches = !matches!(
                caller.name.rsplit(' ').next(),
                Some("execv" | "fexecve" | "posix_spawn" | "os.execv" | "os.posix_spawn")
            );
            if by_name && !searches || !caller.bytes && !program.as_os_str().as_bytes().is_ascii() {
                continue;
            }
            let mut command = sandbox.command(&caller.command[0]);
            command
                .args(&caller.command[1..])
                .arg(&program)
                .args(["exit", "9"])
                .env("PATH", OsStr::from_bytes(&path));
            let ended = Sandbox::finish(&mut command);
            assert_eq!(ended.code(), Some(9), "{}: {}: {ended}", caller.name, program.display());
        }
    }
}

#[test]
fn it_starts_from_a_directory_that_is_gone() {
    needs!("zig", "bash");
    let Some((sandbox, bundle)) = native("tell") else { return };
    for caller in callers(&sandbox) {
        let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        let mut command = sandbox.command("bash");
        command.args(["-c", script, "bash"]).args(&caller.command).arg(&bundle).args(["exit", "9"]);
        let ended = Sandbox::finish(&mut command);
        assert_eq!(ended.code(), Some(9), "{}: {ended}", caller.name);
    }
}

#[test]
fn it_starts_as_an_open_descriptor() {
    needs!("zig", "bash");
    let Some((sandbox, bundle)) = native("tell") else { return };
    let Some(caller) = caller() else { return };
    let caller = sandbox.copy(&caller, "caller");
    // The name is gone: there is nothing but the descriptor.
    let scripts = [
        "exec 7<\"$2\"; rm \"$2\"; /proc/self/fd/7 report -",
        "exec 7<\"$2\"; rm \"$2\"; /dev/fd/7 report -",
        "exec 7<\"$2\"; rm \"$2\"; sh /proc/self/fd/7 report -",
        "exec 7<\"$2\"; rm \"$2\"; head -c 100 <&7 >/dev/null; exec /proc/self/fd/7 report -",
        "\"$1\" fexecve \"$2\" report -",
    ];
    for script in scripts {
        let _ = fs::remove_dir_all(sandbox.cache());
        for which in ["first", "second"] {
            let copy = sandbox.copy(&bundle, "copy");
            let ran =
                Sandbox::finish(sandbox.command("bash").args(["-c", script, "bash"]).arg(&caller).arg(copy));
            assert_eq!((ran.code(), ran.errors().as_str()), (Some(7), ""), "{script}, {which} start: {ran}");
            let told = Report::of(&ran.text()).variables();
            assert!(told.iter().any(|variable| variable.starts_with(b"UNIBIN_FILE=/")), "{script}");
        }
    }
}

#[test]
fn it_starts_from_memory_alone() {
    needs!("zig", "python3");
    let Some((sandbox, bundle)) = native("tell") else { return };
    let script = "import os, sys\n\
        fd = os.memfd_create('bundle', 0)\n\
        os.write(fd, open(sys.argv[1], 'rb').read())\n\
        os.execv('/proc/self/fd/%d' % fd, ['bundle', 'exit', '9'])";
    for which in ["first", "second"] {
        let ended = sandbox.run(Path::new("python3"), &["-c".as_ref(), script.as_ref(), bundle.as_os_str()]);
        assert_eq!(ended.code(), Some(9), "{which} start: {ended}");
    }
}

#[test]
fn an_elf_head_starts_an_emulated_app_out_of_memory_and_out_of_a_file_that_is_gone() {
    needs!("network", "python3", "bash");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&bundle_of(Arch::Aarch64, "x86_64", &["--head", "elf:x86_64"]), "busybox");
    let memory = "import os, sys\n\
        fd = os.memfd_create('bundle', int(sys.argv[1]))\n\
        with open(fd, 'wb', closefd=False) as out: out.write(open(sys.argv[2], 'rb').read())\n\
        os.execve(fd, ['busybox', *sys.argv[3:]], os.environ)";
    let deleted = "exec 7<\"$2\"; rm \"$2\"; exec -a busybox /proc/self/fd/7 \"${@:3}\"";
    // What has taken the place of a bundle is not what was started.
    let replaced =
        "exec 7<\"$2\"; rm \"$2\"; cp /bin/true \"$2\"; exec -a busybox /proc/self/fd/7 \"${@:3}\"";
    for (program, script, flags) in
        [("python3", memory, "0"), ("python3", memory, "1"), ("bash", deleted, ""), ("bash", replaced, "")]
    {
        for which in ["first", "second"] {
            let copy = sandbox.copy(&bundle, "copy");
            let mut command = sandbox.command(program);
            command.args(["-c", script].iter().chain((program == "bash").then_some(&"bash")));
            let ran =
                Sandbox::finish(command.arg(flags).arg(copy).args(["sh", "-c", "busybox uname -m; exit 7"]));
            let told = (ran.code(), ran.text(), ran.errors());
            assert_eq!(told, (Some(7), "aarch64\n".into(), String::new()), "{script}, {which} start");
        }
        let _ = fs::remove_dir_all(sandbox.cache());
    }
}

#[test]
fn sh_starts_it_from_a_file_system_that_executes_nothing() {
    needs!("zig", "mounts", "setpriv");
    let Some((sandbox, _)) = native("tell") else { return };
    let packed = tell_bundle(Arch::X86_64).expect("compiled");
    sandbox.make_directory("noexec");
    let Some(namespace) = Namespace::Mounts.available() else { return };
    let shells = ["dash", "mksh", "ksh93", "yash", "zsh"].into_iter().filter(|shell| has(shell));
    let shells = ["sh", "bash"].into_iter().chain(shells).collect::<Vec<_>>().join(" ");
    let ash = if has("busybox") { "'busybox ash'" } else { "" };
    let script = "mount -t tmpfs -o noexec,mode=0755 none noexec\n\
        cp \"$1\" noexec/tell; chmod 755 noexec/tell\n\
        run=\"setpriv --reuid $2 --regid $2 --clear-groups\"\n\
        if $run ./noexec/tell exit 9; then exit 3; else [ $? = 126 ]; fi\n\
        for shell in SHELLS; do\n\
          for start in first second; do\n\
            if $run $shell ./noexec/tell exit 9; then exit 4; else [ $? = 9 ]; fi\n\
            (cd noexec && if $run $shell tell exit 9; then exit 4; else [ $? = 9 ]; fi)\n\
          done\n\
          # A process beside the app may be renaming a marker there.\n\
          until rm -rf home/.cache 2>/dev/null; do sleep 0.1; done\n\
        done\n\
        echo all";
    let script = script.replace("SHELLS", &format!("{shells} {ash}"));
    let uid = sandbox.uid().to_string();
    let ran = namespace.run(&sandbox, &script, &[packed.as_os_str(), OsStr::new(&uid)]);
    assert_eq!(ran.must_succeed(), "all\n");
}
