//! `--machine`: a computer of another CPU, booted on this machine by its bundle alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use bundle::Arch;
use end_to_end::{
    Guest, Outcome, Sandbox, Terminal, User, guest, kill, lacking, needs, not_run, on_a, pack_by_hand, until,
};

/// Packs it, unless the mirror lacks a package of its own index, which is no failure of a test.
fn packed(sandbox: &Sandbox, guest: &Guest, more: &[&str]) -> Option<PathBuf> {
    packed_for(Arch::X86_64, sandbox, guest, more)
}

fn packed_for(host: Arch, sandbox: &Sandbox, guest: &Guest, more: &[&str]) -> Option<PathBuf> {
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (kernel, initrd) = (text(&guest.kernel), text(&guest.initrd));
    let words = ["--machine", "--target", guest.cpu.name(), "--kernel", &kernel, "--initrd", &initrd];
    let directory = tempfile::tempdir().expect("a directory");
    let bundle = directory.path().join("vm");
    let outcome =
        pack_by_hand(&[&words[..], &["--hosts", host.name(), "--level", "1"], more].concat(), &bundle);
    if let Some(lacking) = lacking(&outcome.errors()) {
        not_run("mirror-whole", lacking);
        return None;
    }
    outcome.must_succeed();
    Some(sandbox.copy(&bundle, "vm"))
}

/// A machine that runs, ended with the test.
struct Running(Child);

impl Running {
    fn start(sandbox: &Sandbox, machine: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = sandbox.command(machine);
        command.env("UNIBIN_KVM", "0").envs(variables.iter().copied()).stdout(Stdio::null());
        Self(command.spawn().expect("started"))
    }

    fn signal(&self, name: &str) {
        assert!(kill(name, self.0.id()), "{name}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command inside.
fn inside(sandbox: &Sandbox, machine: &Path, keep: &str, command: &str) -> Outcome {
    sandbox.run_with(&[("UNIBIN_KEEP", keep), ("UNIBIN_WAIT", "240")], machine, &["ssh", command])
}

/// The processes that have something of the sandbox among their words.
fn processes(sandbox: &Sandbox) -> Vec<String> {
    let place = sandbox.home().to_str().expect("text").to_owned();
    let words = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    let all = fs::read_dir("/proc").expect("/proc").flatten().filter_map(words);
    all.map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
        .filter(|words| words.contains(&place) && words.contains("machine"))
        .collect()
}

#[test]
fn a_machine_has_its_seed_its_disk_and_its_end() {
    needs!("network", "x86_64", "minutes", "tmux");
    let Some(guest) = guest() else { return };
    let sandbox = Sandbox::new();
    let token =
        format!("token-{}", fs::read_to_string("/proc/sys/kernel/random/uuid").expect("random").trim());
    let seed = tempfile::tempdir().expect("directory");
    fs::write(seed.path().join("user-data"), format!("#cloud-config\n# {token}\nusers: []\n"))
        .expect("written");
    let disk = tempfile::NamedTempFile::new().expect("disk");
    disk.as_file().set_len(64 << 20).expect("long");
    let (seed, disk) = (seed.path().to_str().expect("text"), disk.path().to_str().expect("text"));
    let more = ["--append", "quiet", "--seed", seed, "--disk", disk];
    let Some(machine) = packed(&sandbox, &guest, &more) else { return };

    // A disk that somebody else puts into its place could name any file of ours.
    let open = sandbox.make_directory("open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("chmod");
    for place in ["open", "open/closed"] {
        let place = sandbox.make_directory(place);
        let set = [("XDG_DATA_HOME", place.to_str().expect("text")), ("UNIBIN_KEEP", "kept")];
        sandbox
            .run_with(&set, &machine, &[] as &[&str])
            .must_fail_with(125, &["is not yours", "XDG_DATA_HOME"]);
        assert!(!place.join("unibin").exists(), "nothing is made there");
    }

    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let forward = format!("{port}:80");
    let first = [("UNIBIN_KEEP", "kept"), ("UNIBIN_FORWARD", &*forward), ("UNIBIN_MEMORY", "512M")];
    let mut kept = Running::start(&sandbox, &machine, &first);
    let mut other = Running::start(&sandbox, &machine, &[("UNIBIN_MEMORY", "512M")]);

    // `ssh` waits for it, and has its command's end.
    let read = inside(&sandbox, &machine, "kept", "cat /seed/user-data; exit 7");
    assert_eq!(read.code(), Some(7), "{read}");
    assert!(read.text().contains(&token), "{read}");
    let mut server = TcpStream::connect(("127.0.0.1", port)).expect("forwarded");
    server.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    server.write_all(b"GET /user-data HTTP/1.0\r\n\r\n").expect("asked");
    let mut page = String::new();
    server.read_to_string(&mut page).expect("answered");
    assert!(page.contains(&token), "{page}");

    let uname = inside(&sandbox, &machine, "kept", "uname -m; echo kept >/disk/file; sync; cat /disk/file");
    assert_eq!(uname.must_succeed(), format!("{}\nkept\n", guest.cpu.uname_names()[0]));

    // Two of one bundle: nobody knows which is meant, and what is kept is one machine's.
    let which = sandbox.run(&machine, &["ssh", "true"]);
    which.must_fail_with(125, &["2 machines of this bundle run"]);
    let again = sandbox.run_with(&[("UNIBIN_KEEP", "kept")], &machine, &[] as &[&str]);
    again.must_fail_with(125, &["this machine runs already"]);

    // Killed, it leaves no process, no lock and no directory, and the other runs on.
    kept.0.kill().expect("killed");
    kept.0.wait().expect("ended");
    let running = sandbox.home().join(".local/share/unibin/machines");
    until("the end of what it left", || {
        let directories = Sandbox::tree(&running);
        let of_it = kept.0.id().to_string();
        let is_of_it = |path: &Path| path.to_str().is_some_and(|text| text.ends_with(&format!("-{of_it}")));
        (!directories.iter().any(|path| is_of_it(path))
            && !processes(&sandbox).iter().any(|words| words.contains(&format!("-{of_it}/"))))
        .then_some(())
    });
    let others = sandbox.run(&machine, &["ssh", "ls /disk"]);
    assert!(!others.must_succeed().contains("file"), "{others}");

    // What was kept is there again at the next start.
    // The terminal is the machine's, until Ctrl-a x ends it.
    let line = "stty -a >before; UNIBIN_KVM=0 UNIBIN_KEEP=kept ./vm; stty -a >after";
    let terminal = Terminal::open(&sandbox, line);
    assert_eq!(inside(&sandbox, &machine, "kept", "cat /disk/file").must_succeed(), "kept\n");
    terminal.keys(&["echo typed-$((40 + 2))", "Enter"]);
    terminal.shows("what the machine answers", |screen| screen.contains("typed-42"));
    terminal.keys(&["C-a", "x"]);
    terminal.ends();
    let modes = |name: &str| fs::read_to_string(sandbox.at(name)).expect("modes");
    assert_eq!(modes("before"), modes("after"));

    // Asked twice the other one ends, as it should and without a trace.
    other.signal("TERM");
    until("its end", || {
        other.0.try_wait().expect("waited for").or_else(|| {
            other.signal("TERM");
            None
        })
    });
    until("nothing", || processes(&sandbox).is_empty().then_some(()));
    let none = sandbox.run_with(&[("UNIBIN_WAIT", "3")], &machine, &["ssh", "true"]);
    none.must_fail_with(125, &["no machine of this bundle runs here"]);

    // A damaged disk is not booted from: the same bundle, by somebody who has not unpacked it.
    let neighbour = Sandbox::new();
    let damaged = neighbour.copy(&machine, "vm");
    let file = fs::OpenOptions::new().read(true).write(true).open(&damaged).expect("open");
    let middle = file.metadata().expect("length").len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).expect("read");
    file.write_all_at(&[byte[0] ^ 1], middle).expect("written");
    drop(file);
    neighbour.run(&damaged, &[] as &[&str]).must_fail_with(125, &["is damaged"]);
}

/// A kernel as Linux's boot protocol had it first: code of 16 bits after the first 512 bytes, which writes
/// `says` to the serial line and switches the computer off.
fn smallest_kernel_of_x86(says: &str) -> Vec<u8> {
    // mov al, LETTER; out dx, al
    let letters = says.bytes().flat_map(|letter| [0xb0, letter, 0xee]);
    let mut kernel = vec![0; 512];
    // mov dx, COM1
    kernel.extend([0xba, 0xf8, 0x03]);
    kernel.extend(letters);
    // mov dx, PM1a_CNT; mov ax, SLP_EN; out dx, ax; hlt
    kernel.extend([0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4]);
    kernel.resize(64 << 10, 0);
    kernel
}

#[test]
fn a_machine_of_x86_boots_its_kernel_though_it_has_a_disk() {
    needs!("network", "x86_64");
    let sandbox = Sandbox::new();
    let directory = tempfile::tempdir().expect("directory");
    let (kernel, disk) = (directory.path().join("kernel"), directory.path().join("disk"));
    fs::write(&kernel, smallest_kernel_of_x86("the kernel runs")).expect("written");
    fs::write(&disk, vec![0; 1 << 20]).expect("written");
    let (kernel, disk) = (kernel.to_str().expect("text"), disk.to_str().expect("text"));
    let words = ["--machine", "--target", "x86_64", "--hosts", "x86_64", "--level", "1"];
    let bundle = directory.path().join("vm");
    let outcome = pack_by_hand(&[&words[..], &["--kernel", kernel, "--disk", disk]].concat(), &bundle);
    if let Some(lacking) = lacking(&outcome.errors()) {
        return not_run("mirror-whole", lacking);
    }
    outcome.must_succeed();
    let machine = sandbox.copy(&bundle, "vm");
    for keep in ["none", "kept"] {
        let ran = sandbox.run_with(
            &[("UNIBIN_KVM", "0"), ("UNIBIN_KEEP", keep), ("UNIBIN_MEMORY", "64M")],
            &machine,
            &[] as &[&str],
        );
        assert!(ran.must_succeed().contains("the kernel runs"), "{ran}");
    }
}

#[test]
fn what_no_machine_can_boot_from_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(at(name), bytes).expect("written");
        at(name)
    };
    let seed = |name: &str, user_data: &str| {
        fs::create_dir(at(name)).expect("directory");
        fs::write(Path::new(&at(name)).join("user-data"), user_data).expect("written");
        at(name)
    };
    let disk = write("disk.raw", &vec![0; 1 << 20]);
    let mut over = b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\x70\0\0\0\x10".to_vec();
    over.resize(512, 0);
    let cases: [(&[&str], &str); 9] = [
        (&[], "nothing says what the machine boots"),
        (&["--disk", &write("odd.raw", b"abc")], "a disk has sectors of 512"),
        (&["--disk", &write("over.qcow2", &over)], "is a qcow2 image over another one"),
        (&["--disk", &write("disk.vmdk", b"KDMV and so on")], "is a VMDK image"),
        (&["--disk", &write("disk.xz", b"\xfd7zXZ\0 and so on")], "is compressed by xz"),
        (&["--disk", &disk, "--disk-size", "512K"], "more than `--disk-size`"),
        (&["--disk", &disk, "--firmware", "uefi", "--target", "s390x"], "no UEFI for a machine of s390x"),
        (&["--disk", &disk, "--seed", &seed("text", "users: []\n")], "not with `#cloud-config`"),
        (&["--disk", &disk, "--seed", &seed("yaml", "#cloud-config\na: [\n")], "is not YAML"),
    ];
    for (words, says) in cases {
        let target = if words.contains(&"--target") { &[][..] } else { &["--target", "ppc64le"] };
        let bundle = directory.path().join("vm");
        let outcome = pack_by_hand(&[&["--machine"], target, words].concat(), &bundle);
        let errors = outcome.errors();
        assert_eq!(outcome.code(), Some(3), "{outcome}");
        assert!(errors.contains(says) && errors.contains("\nhint: "), "it does not say `{says}`: {outcome}");
        assert!(!bundle.exists(), "{says}");
    }
}

#[test]
fn a_machine_starts_on_another_host() {
    needs!("network", "x86_64", "namespaces", "minutes");
    let Some(guest) = guest() else { return };
    let sandbox = Sandbox::of(User::Tester);
    let host = Arch::Riscv64;
    let Some(machine) = packed_for(host, &sandbox, &guest, &["--firmware", "uefi"]) else { return };
    // All of it is emulated, qemu-system too: as far as the machine's own firmware.
    let script = "export UNIBIN_MEMORY=256M UNIBIN_CPUS=1; \"$1\" </dev/null >out 2>&1 & \n\
                  for i in $(seq 300); do grep -qs 'UEFI firmware' out && break; sleep 1; done\n\
                  cat out; kill -9 $!; wait";
    let Some(ran) = on_a(host, &sandbox, &machine, script) else { return };
    assert!(ran.text().contains("UEFI firmware"), "{ran}");
}
