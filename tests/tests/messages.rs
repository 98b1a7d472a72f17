//! Every message of launcher and stub is in docs/messages.md, with its cause and its cure, and is provoked
//! here: a list that lacks one fails.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bundle::{Arch, BlobKind, Digest, Footer};
use end_to_end::{
    Handmade, Namespace, Outcome, Parts, Sandbox, User, broken_emulator, bundle_of, busybox, compile,
    documented, file, keeps_nothing, link, literals, needs, of_the_stub, older_qemu, own, pack_by_hand,
    raw_tar, says, shell, small_system, smallest, translator_row, without_broker, without_its_view,
};
use sha2::{Digest as _, Sha256};

/// What this test cannot provoke.
const NEVER_SEEN: [&str; 5] = [
    // Of limits and killed processes: cache.rs, first_start.rs.
    "there is not enough memory",
    "unpacking failed: one of the processes that unpack was killed",
    // Another message comes before this one; only `unibin` says the others.
    "no emulator",
    "two manifest rows are for the same thing",
    "its signatures are not in the order of their keys",
];

const TOLD: &str =
    "this process is told to be user {}, but is {} (proot -0): no directory seems to be its own";

const NO_ARGUMENTS: [&str; 0] = [];

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

#[test]
fn what_is_documented_is_what_the_source_says() {
    let of_format = || {
        let all =
            [literals("bundle/src/error.rs", "=> "), literals("bundle/src/error.rs", "=> {\n")].concat();
        // The names of parts are one word each, but for this one.
        let is_sentence = |text: &String| text.contains(' ') && text != "table of frames";
        all.into_iter().filter(is_sentence).collect::<Vec<_>>()
    };
    let directories = || {
        let files = ["cache", "execute", "memory", "probe", "run", "system/upper", "way"]
            .map(|name| format!("launcher/src/{name}.rs"));
        files.iter().flat_map(|path| literals(path, "of_candidate(")).collect::<Vec<_>>()
    };
    let of_trees = || {
        let of_tar = ["Err(", "ok_or(", "&str = "].map(|mark| literals("launcher/src/tar.rs", mark));
        [of_tar.concat(), literals("launcher/src/unpack.rs", "Self::Tree(")].concat()
    };
    for (heading, said) in [
        ("Of the launcher", literals("launcher/src/error.rs", "Self::new(")),
        ("Of a system", literals("launcher/src/error/systems.rs", "Self::new(")),
        ("Of the stub", of_the_stub()),
        ("Why a directory", directories()),
        ("What is wrong", of_format()),
        ("What is invalid", of_trees()),
    ] {
        assert!(said.len() >= 4, "{heading}: the source is not read as it should be: {said:?}");
        assert_eq!(sorted(documented(heading)), sorted(said), "{heading}");
    }
}

/// A program that cannot be looked into, below a bundle's app, starts another of the app's CPU.
fn opaque(sandbox: &Sandbox, bundle: &Path) -> Outcome {
    let program = compile("opaque", &[own("opaque.c")], Arch::X86_64).expect("zig");
    sandbox.copy(&program, "opaque");
    let foreign = sandbox.write("foreign", &smallest(Arch::Riscv64).elf());
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).expect("mode");
    sandbox.run(bundle, &["sh", "-c", "./opaque ./foreign; exit 0"])
}

/// Each documented message of a section was provoked, and each that was provoked is documented.
#[track_caller]
fn all_provoked(heading: &str, provoked: &[(&str, Outcome)]) {
    for (message, ran) in provoked {
        assert!(says(ran, message), "it does not say `{message}`: {ran}");
        assert!(ran.errors().starts_with("unibin: "), "{ran}");
    }
    let provoked = provoked.iter().map(|(message, _)| (*message).to_owned());
    let never = documented(heading).into_iter().filter(|message| NEVER_SEEN.contains(&message.as_str()));
    assert_eq!(sorted(documented(heading)), sorted(provoked.chain(never).collect()), "{heading}");
}

/// A bundle in a sandbox, and its launcher, which can be started by hand.
fn with_launcher(target: Arch) -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(target), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let names = Sandbox::tree(&sandbox.cache());
    let launcher =
        names.iter().find(|path| path.to_string_lossy().contains("launcher-")).expect("a launcher");
    let launcher = sandbox.copy(&sandbox.cache().join(launcher), "launcher");
    (sandbox, bundle, launcher)
}

/// With `ulimit -f`: no directory takes more, and neither does memory. 400 is room for the broker.
fn nowhere(kib: u32, sandbox: &Sandbox, program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command("bash");
    command.args(["-c", &format!("ulimit -f {kib}; exec \"$@\""), "bash"]).arg(program).args(arguments);
    Sandbox::finish(&mut command)
}

const NO_OTHER: &str = "catalogue = false\n";
const NO_ARGUMENT: &str = "probe = [\"\"]";

/// A bundle of riscv64 busybox with this translator, of which `more` is said, before those of the catalogue
/// if there are to be any.
fn translated(sandbox: &Sandbox, others: &str, name: &str, program: &Path, more: &str) -> PathBuf {
    let row = others.to_owned() + &translator_row(Arch::Riscv64, name, "1", program, more);
    let rows = sandbox.write("emulators.toml", row.as_bytes());
    let output = sandbox.at("packed");
    let arguments = [
        "--deb",
        "busybox-static",
        "--target",
        "riscv64",
        "--hosts",
        "x86_64",
        "--level",
        "1",
        "--translators",
    ];
    let rows = rows.display().to_string();
    pack_by_hand(&[&arguments[..], &[rows.as_str()]].concat(), &output).must_succeed();
    sandbox.copy(&output, "translated")
}

/// A bundle whose app is made of these members.
fn handmade(sandbox: &Sandbox, members: &[Vec<u8>]) -> PathBuf {
    let model = Parts::of(&busybox(Arch::X86_64));
    sandbox.write("handmade", &Handmade::of(&raw_tar(members)).bytes(&model))
}

/// `UNIBIN_DO=gc` where `/proc` is empty.
fn without_processes(sandbox: &Sandbox, bundle: &Path) -> Option<Outcome> {
    let as_root = Sandbox::tester_is_root();
    let namespace = if as_root { Namespace::Mounts } else { Namespace::OwnUsers }.available()?;
    let script = "mount -t tmpfs none /proc\nUNIBIN_DO=gc exec $2 \"$1\"";
    let bundle = bundle.to_str().expect("text").to_owned();
    let user = if as_root {
        format!("setpriv --reuid {0} --regid {0} --clear-groups", sandbox.uid())
    } else {
        String::new()
    };
    Some(namespace.run(sandbox, script, &[bundle, user]))
}

/// `UNIBIN_DO=verify` of a bundle whose cache has lost a file.
fn verified_without_its_program() -> Outcome {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let verify = || sandbox.run_with(&[("UNIBIN_DO", "verify")], &bundle, &NO_ARGUMENTS);
    assert!(verify().must_succeed().contains("matches the bundle"));
    let all = Sandbox::tree(&sandbox.cache());
    let file = all.iter().find(|path| path.ends_with("usr/bin/busybox")).expect("the program");
    fs::remove_file(sandbox.cache().join(file)).expect("removed");
    verify()
}

/// While somebody else has the lock of a first run.
fn waiting(sandbox: &Sandbox, bundle: &Path) -> Outcome {
    let lock = fs::File::open(sandbox.cache().join("x86_64")).expect("the cache");
    lock.lock().expect("nobody has it");
    let mut command = sandbox.command(bundle);
    command.arg("true").env("UNIBIN_VERIFY", "1").stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    drop(lock);
    let mut ended = child.wait_with_output().expect("ended");
    ended.stderr = line.into_bytes();
    ended.into()
}

/// A bundle of two programs with Debian's emulator (ours needs no help), traced, without user namespaces.
fn unattended(sandbox: &Sandbox) -> Outcome {
    let smallest = smallest(Arch::Riscv64);
    let program = sandbox.write("first", &smallest.elf());
    let program = program.to_str().expect("text");
    let add = format!("{program}:usr/bin/second");
    let bundle = sandbox.at("with-another");
    let options = ["--hosts", "x86_64", "--debian-emulators"];
    pack_by_hand(&[&[program, "--add", &add][..], &options].concat(), &bundle).must_succeed();
    let bundle = sandbox.copy(&bundle, "unattended");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec strace -f -o /dev/null \"$0\"";
    Sandbox::finish(sandbox.command("unshare").args(["-Ur", "sh", "-c", script]).arg(&bundle))
}

#[test]
fn every_message_of_the_launcher_can_be_provoked() {
    needs!("network", "suid", "mounts", "setpriv", "strace", "ptrace", "proot", "namespaces", "bash", "zig");
    let (sandbox, bundle, launcher) = with_launcher(Arch::X86_64);
    let (foreign, emulated, _) = with_launcher(Arch::Riscv64);
    let elsewhere = bundle_of(Arch::Riscv64, "aarch64", &[]);
    let by_hand = |bundle: &str| sandbox.run(&launcher, &[bundle, "app"]);
    let with = |name: &str, value: &str| sandbox.run_with(&[(name, value)], &bundle, &["true"]);
    let text = |path: &Path| path.to_str().expect("text").to_owned();

    let parts = Parts::of(&bundle);
    let changed = sandbox.write("changed", &parts.changed(parts.manifest_range().start));
    let cut = sandbox.write("cut", &parts.bytes[..parts.bytes.len() - 1]);
    let impossible = sandbox.run(&handmade(&sandbox, &[file("app", 0o4755, b"x")]), &NO_ARGUMENTS);
    let no_program = handmade(&sandbox, &[file("app", 0o755, b"\x7fELF no more")]);
    let refused = sandbox.run(&no_program, &NO_ARGUMENTS);
    let none_works = translated(&sandbox, NO_OTHER, "broken", &broken_emulator(&sandbox), NO_ARGUMENT);
    let apart = Sandbox::new();
    let small_pages = translated(&apart, NO_OTHER, "older", &broken_emulator(&apart), "pages = 1024");
    let exists = text(&sandbox.make_directory("exists"));
    let there = sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", &exists)], &bundle, &NO_ARGUMENTS);
    let lost = verified_without_its_program();
    let nobody = sandbox.copy(&launcher, "privileged");
    chown(&nobody, Some(sandbox.uid()), Some(sandbox.uid())).expect("chown");
    fs::set_permissions(&nobody, fs::Permissions::from_mode(0o4755)).expect("chmod");
    let other = Sandbox::of(User::Other(sandbox.uid() + 1));
    let Some(unseen) = without_processes(&foreign, &emulated) else { return };

    all_provoked(
        "Of the launcher",
        &[
            (
                "this is the launcher inside a bundle; it is started by the bundle",
                sandbox.run(&launcher, &NO_ARGUMENTS),
            ),
            (
                "refusing to start with the rights of another user (set-user-ID, set-group-ID or file capabilities)",
                other.run(&nobody, &["x"]),
            ),
            ("unknown value for UNIBIN_{}: {}", with("UNIBIN_DO", "dance")),
            (
                "UNIBIN_{} works where the app is emulated, and here it runs natively",
                with("UNIBIN_STRACE", "1"),
            ),
            ("waiting for another start that unpacks into {} or cleans it", waiting(&sandbox, &bundle)),
            ("this bundle has no broker for this CPU, which unpacks it", without_broker(&sandbox)),
            ("child programs for {} cannot run here:{}", unattended(&foreign)),
            without_its_view(&foreign),
            keeps_nothing(&foreign, &emulated),
            (
                "a program that has made itself opaque (PR_SET_DUMPABLE) cannot start programs of the app",
                opaque(&foreign, &emulated),
            ),
            ("nothing is removed: /proc does not show which programs are running: {}", unseen),
            ("cannot read the bundle {}: {}", by_hand("/nonexistent")),
            ("{} is not a regular file", by_hand("/")),
            ("the bundle {} is damaged in its {}: {}{}", sandbox.run(&cut, &NO_ARGUMENTS)),
            (
                "the bundle {} is damaged: the checksum of its {} does not match{}",
                sandbox.run(&changed, &NO_ARGUMENTS),
            ),
            ("the bundle {} holds an invalid file: {}: {}", impossible),
            (
                "this bundle holds a program for {} and no emulator that runs it on {} (hosts with one: {})",
                by_hand(&text(&elsewhere)),
            ),
            (
                "the emulator {} does not work on this machine, and no other is inside",
                sandbox.run(&none_works, &NO_ARGUMENTS),
            ),
            (
                "the emulator {} does not work with this kernel's pages of {} bytes (at most {})",
                apart.run(&small_pages, &NO_ARGUMENTS),
            ),
            (
                "UNIBIN_ROUTE asks for the route {}, which this bundle does not have on {}",
                with("UNIBIN_ROUTE", "emulated"),
            ),
            ("this bundle has no entry named {} (it has: {})", with("UNIBIN_ENTRY", "nope")),
            (
                "cannot execute UNIBIN_EMULATOR {}: {}",
                foreign.run_with(&[("UNIBIN_EMULATOR", "/nonexistent")], &emulated, &["true"]),
            ),
            ("cannot execute {}: {}{}", refused),
            (
                "no usable cache directory (it must be writable and not mounted noexec):{}",
                nowhere(0, &sandbox, &launcher, &[&text(&emulated), "app"]),
            ),
            (TOLD, sandbox.run(Path::new("proot"), &["-0", &text(&launcher), &text(&shell()), "app"])),
            ("the cache entry {} is damaged: {} is missing or was changed", lost),
            ("cannot write {}: {}", there),
        ],
    );
}

#[test]
fn every_message_of_the_stub_can_be_provoked() {
    needs!("network", "bash", "proot", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    let elsewhere = bundle_of(Arch::Riscv64, "aarch64", &[]);
    let parts = Parts::of(&bundle);
    let damaged = sandbox.write("damaged", &parts.changed(parts.blob_range(BlobKind::Launcher).start + 5000));
    let piped = sandbox.shell("sh < \"$1\"", &[&bundle]);
    let relative = sandbox.run_with(&[("UNIBIN_CACHE", "here")], &bundle, &["true"]);
    all_provoked(
        "Of the stub",
        &[
            ("this bundle has no launcher for '{}' (it has: {})", sandbox.run(&elsewhere, &["true"])),
            ("unknown value for UNIBIN_CACHE: '{}'", relative),
            ("a bundle cannot run from a pipe", piped),
            ("'{}' is damaged: its launcher for {} fails its checksum", sandbox.run(&damaged, &["true"])),
            ("no usable cache directory:{}", nowhere(0, &sandbox, &bundle, &["true"])),
            (TOLD, sandbox.run(Path::new("proot"), &["-0".as_ref(), bundle.as_os_str()])),
        ],
    );
}

#[test]
fn every_reason_why_a_directory_does_not_serve_can_be_provoked() {
    needs!("network", "older-qemu", "mounts", "namespaces", "setpriv", "strace", "ptrace", "bash");
    let (sandbox, bundle, launcher) = with_launcher(Arch::X86_64);
    let Some(namespace) = Namespace::Mounts.available() else { return };
    let text = |path: &Path| path.to_str().expect("text").to_owned();

    let open = sandbox.make_directory("open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("chmod");
    let with_cache = |cache: &Path| {
        let variables = [("UNIBIN_CACHE", text(cache)), ("UNIBIN_LOG", "1".to_owned())];
        let mut command = sandbox.command(&launcher);
        Sandbox::finish(command.arg(&bundle).args(["busybox", "true"]).envs(variables))
    };
    let shared = with_cache(&open);
    let below = with_cache(&open.join("deep"));

    // A file system without execution, and a launcher that lies elsewhere.
    let without_execution = |bundle: &Path| {
        sandbox.make_directory("noexec");
        let script = "mount -t tmpfs -o noexec,mode=0700,uid=$3,gid=$3 none noexec\n\
            export UNIBIN_CACHE=$PWD/noexec/cache UNIBIN_LOG=1\n\
            exec setpriv --reuid $3 --regid $3 --clear-groups \"$1\" \"$2\" busybox true";
        namespace.run(&sandbox, script, &[text(&launcher), text(bundle), sandbox.uid().to_string()])
    };
    let native = without_execution(&bundle);
    let probed =
        translated(&sandbox, NO_OTHER, "qemu-user", &older_qemu(Arch::Riscv64), "probe = [\"-version\"]");
    let probed = without_execution(&probed);

    // Memory stands for a file system that other machines see.
    sandbox.make_directory("memory");
    let script = "mount -t tmpfs -o mode=0700,uid=$3,gid=$3 none memory\n\
        export UNIBIN_CACHE=$PWD/memory/cache UNIBIN_LOG=1\n\
        start=\"setpriv --reuid $3 --regid $3 --clear-groups $1 $2 busybox true\"; $start\n\
        for marker in memory/cache/*/*/complete; do mv $marker ${marker%complete}written-0; done\n\
        exec $start";
    let arguments = [text(&launcher), text(&bundle), sandbox.uid().to_string()];
    let other_boot = namespace.run(&sandbox, script, &arguments);

    // A rename that says it was done.
    fs::remove_dir_all(sandbox.cache()).expect("removed");
    let lie = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e", "inject=renameat2:retval=0"];
    let mut gone = sandbox.command("strace");
    let gone = Sandbox::finish(
        gone.args(lie).env("UNIBIN_LOG", "1").arg(&launcher).arg(&bundle).args(["busybox", "true"]),
    );

    let linked = handmade(&sandbox, &[file("target", 0o755, b"#!/bin/sh\n"), link(b'2', "zapp", "target")]);
    let linked = sandbox.run(&linked, &["app"]);
    let mut provoked = vec![
        ("{} is not a directory that only you can write to", shared),
        ("someone other than you could replace what is in {}", below),
        ("{} leads each process somewhere else", with_cache(Path::new("/proc/self/cwd/cache"))),
        ("cannot execute there: {}", native),
        ("cannot execute there", probed),
        ("{} is in use in another boot of the machine, and not on the disk yet", other_boot),
        ("a cache entry disappeared while it was being made", gone),
        ("its program is not a plain file", linked),
    ];
    provoked.extend(of_systems(namespace, &launcher));
    provoked.extend(of_memory(&sandbox, namespace, &launcher));
    all_provoked("Why a directory", &provoked);
}

/// Where a system cannot be kept: in memory alone, without execution, on an overlay, without user attributes.
fn of_systems(namespace: Namespace, launcher: &Path) -> [(&'static str, Outcome); 3] {
    let sandbox = Sandbox::new();
    let system = small_system(&sandbox, Arch::X86_64, &[]);
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let mounted = |mount: &str, start: &str| {
        sandbox.make_directory("there");
        let script = format!(
            "mount -t {mount} there\nchmod 700 there\nchown $3:$3 there\nexport UNIBIN_CACHE=$PWD/there/cache UNIBIN_LOG=1\n\
             exec setpriv --reuid $3 --regid $3 --clear-groups {start} true"
        );
        let arguments = [text(launcher), text(&system), sandbox.uid().to_string()];
        namespace.run(&sandbox, &script, &arguments)
    };
    sandbox.make_directory("memory");
    // Room for the broker alone.
    let mut too_small = sandbox.command("bash");
    too_small.args(["-c", "ulimit -f 400; exec \"$1\" \"$2\" sys", "bash"]).arg(launcher).arg(&system);
    let too_small = Sandbox::finish(&mut too_small);
    let overlay = "overlay -o lowerdir=/opt,upperdir=$PWD/memory/u,workdir=$PWD/memory/w none";
    let overlay =
        mounted(&format!("tmpfs none {0}; mkdir {0}/u {0}/w; mount -t {overlay}", "memory"), "\"$2\"");
    [
        ("a system needs its files in a directory", too_small),
        ("{} is on an overlay, which cannot keep a system's changes", overlay),
        ("{} takes no user attributes, which a system needs", mounted("ramfs none", "\"$2\"")),
    ]
}

/// What cannot run from memory: a dynamic program, and an emulator that shares its blob with others.
fn of_memory(sandbox: &Sandbox, namespace: Namespace, launcher: &Path) -> [(&'static str, Outcome); 3] {
    let hello = sandbox.at("hello");
    pack_by_hand(&["--deb", "hello", "--target", "x86_64", "--hosts", "x86_64", "--level", "1"], &hello)
        .must_succeed();
    fs::set_permissions(&hello, fs::Permissions::from_mode(0o755)).expect("chmod");
    let several = bundle_of(Arch::Riscv64, "x86_64", &["--also-target", "s390x"]);
    let several = sandbox.copy(&several, "several");
    // Directories that nobody can write to, none that is empty, and memory that has room for the program.
    let script = "for place in /mnt /media /srv /opt /var/tmp; do\n\
        mount -t tmpfs none $place; touch $place/taken; mount -o remount,ro $place; done\n\
        mount -t tmpfs -o ro none /dev/shm\n\
        mount --bind /tmp /tmp\nmount -o remount,bind,ro /tmp\n\
        exec setpriv --reuid $3 --regid $3 --clear-groups \"$1\" \"$2\" busybox true";
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let read_only =
        namespace.run(sandbox, script, &[text(launcher), text(&several), sandbox.uid().to_string()]);
    let single = sandbox.copy(&busybox(Arch::Riscv64), "single");
    let without_proc = format!("mount -t tmpfs -o ro none /proc\n{script}");
    let arguments = [text(launcher), text(&single), sandbox.uid().to_string()];
    let without_proc = namespace.run(sandbox, &without_proc, &arguments);
    [
        ("its emulator needs /proc to open a program in memory", without_proc),
        ("its program needs its files in a directory", nowhere(400, sandbox, launcher, &["hello", "hello"])),
        ("its emulator needs a directory", read_only),
    ]
}

/// The bundle with other bytes at `at` of its manifest, and a footer that has their digest.
fn with_manifest(parts: &Parts, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = parts.bytes.clone();
    let range = parts.manifest_range();
    change(&mut bytes[range.clone()]);
    let footer = Footer::read(&parts.bytes.as_slice()).expect("a footer");
    let digest = Digest(Sha256::digest(&bytes[range]).into());
    bytes[parts.footer_range()].copy_from_slice(&Footer { manifest_digest: digest, ..footer }.encode());
    bytes
}

#[test]
fn every_kind_of_damage_is_told_in_its_own_words() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    let parts = Parts::of(&bundle);
    let (footer, length) = (parts.footer_range().start, parts.bytes.len());
    let manifest = parts.manifest_range();
    let run = |bytes: &[u8]| sandbox.run(&sandbox.write("changed", bytes), &["true"]);
    let footer_with = |at: usize, byte: u8| {
        let mut bytes = parts.bytes.clone();
        bytes[footer + at] = byte;
        run(&bytes)
    };
    // Whatever each byte of the manifest becomes, the words are of the list; and all of the list are met.
    let mut met: Vec<(&str, Outcome)> = vec![
        ("it does not end in a bundle footer (not a bundle, or cut off)", run(&parts.bytes[..length - 1])),
        ("its format version is unknown to this program", footer_with(8, 3)),
        ("its format version is older than this program reads (pack it again)", footer_with(8, 1)),
        ("it sets a flag that this program does not know", footer_with(10, 1)),
        (
            "its length is not the one that its footer records (cut off, or bytes were added)",
            run(&[&parts.bytes[..footer], &[0], &parts.bytes[footer..]].concat()),
        ),
        ("a part lies outside the file", footer_with(31, 1)),
    ];
    let all = documented("What is wrong");
    for at in 0..manifest.len() {
        for byte in [0, 1, 3, 0x2f, 0xff] {
            let bytes = with_manifest(&parts, |manifest| manifest[at] = byte);
            if bundle::Manifest::decode(&bytes[manifest.clone()], manifest.start as u64).is_ok() {
                continue;
            }
            let Err(error) = bundle::Manifest::decode(&bytes[manifest.clone()], manifest.start as u64) else {
                continue;
            };
            let words = all.iter().find(|words| *words == error.text()).expect("documented");
            if !met.iter().any(|(known, _)| known == words) {
                met.push((error.text(), run(&bytes)));
            }
        }
    }
    for (words, ran) in &met {
        ran.must_fail_with(125, &["is damaged", words, "hint: "]);
    }
    let all = all.into_iter().filter(|text| !NEVER_SEEN.contains(&text.as_str())).collect();
    assert_eq!(sorted(all), sorted(met.iter().map(|(words, _)| (*words).to_owned()).collect()));
}
