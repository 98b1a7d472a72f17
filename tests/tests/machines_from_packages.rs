//! `--machine --debootstrap`: a computer of another CPU whose kernel, first root and disk are made from
//! packages, and which boots them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, kill, lacking, needs, not_run, pack_by_hand, unibin};

/// The kernel with the fewest modules, since depmod reads all of them, emulated.
const MACHINE: [&str; 12] = [
    "--machine",
    "--debootstrap",
    "trixie",
    "--include",
    "openssh-server,linux-image-cloud-arm64",
    "--target",
    "aarch64",
    "--hosts",
    "x86_64",
    "--level",
    "1",
    "--disk-size=4G",
];

/// A machine that runs, ended with the test.
struct Running(Child);

impl Running {
    fn start(sandbox: &Sandbox, machine: &Path, keep: &str) -> Self {
        let mut command = sandbox.command(machine);
        command.env("UNIBIN_KVM", "0").env("UNIBIN_KEEP", keep).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("started"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn inside(sandbox: &Sandbox, machine: &Path, keep: &str, command: &str) -> Outcome {
    sandbox.run_with(&[("UNIBIN_KEEP", keep), ("UNIBIN_WAIT", "400")], machine, &["ssh", command])
}

fn token() -> String {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("random");
    format!("token-{}", random.trim())
}

#[test]
fn a_machine_of_packages_boots_and_is_as_its_packages_have_it() {
    needs!("network", "x86_64", "namespaces", "minutes");
    let sandbox = Sandbox::new();
    let directory = tempfile::tempdir().expect("a directory");
    let (seed, bundle) = (directory.path().join("seed"), directory.path().join("vm"));
    fs::create_dir(&seed).expect("directory");
    let seeded = |user_data: &str| -> Outcome {
        fs::write(seed.join("user-data"), user_data).expect("written");
        let seed = seed.to_str().expect("text");
        pack_by_hand(&[&MACHINE[..], &["--seed", seed]].concat(), &bundle)
    };
    // Nobody inside would read it.
    let refused = seeded("#cloud-config\nhostname: other\n");
    assert_eq!(refused.code(), Some(3), "{refused}");
    assert!(refused.errors().contains("--include cloud-init"), "{refused}");

    let token = token();
    fs::write(seed.join("meta-data"), "local-hostname: made\n").expect("written");
    let outcome = seeded(&format!("#!/bin/sh\necho {token} >/root/first\n"));
    if let Some(lacking) = lacking(&outcome.errors()) {
        return not_run("mirror-whole", lacking);
    }
    outcome.must_succeed();
    let machine: PathBuf = sandbox.copy(&bundle, "vm");

    // Nothing runs yet; then one does.
    let none = sandbox.run_with(&[("UNIBIN_WAIT", "1")], &machine, &["ssh", "true"]);
    none.must_fail_with(125, &["no machine of this bundle runs here"]);
    let running = Running::start(&sandbox, &machine, "one");
    let booted = inside(&sandbox, &machine, "one", "uname -m; cat /etc/hostname; exit 7");
    assert_eq!((booted.code(), booted.text().as_str()), (Some(7), "aarch64\nmade\n"), "{booted}");

    // All is as packages have it, though no root was there: owners, set-id bits, links, dpkg's database.
    let owners = "cd /; stat -c '%n %u:%g %a' usr/bin/passwd usr/bin/chage var/mail tmp etc/shadow; \
                  readlink bin; dpkg --audit; dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u; \
                  ls /boot/vmlinuz-$(uname -r) /lib/modules/$(uname -r)/modules.dep | wc -l";
    assert_eq!(
        inside(&sandbox, &machine, "one", owners).must_succeed(),
        "usr/bin/passwd 0:0 4755\nusr/bin/chage 0:42 2755\nvar/mail 0:8 2775\ntmp 0:0 1777\n\
         etc/shadow 0:42 640\nusr/bin\nii \n2\n"
    );
    let size = inside(&sandbox, &machine, "one", "df -k --output=size / | tail -n 1").must_succeed();
    assert!(size.trim().parse::<u64>().is_ok_and(|size| size > 3 << 20), "{size}");
    // The script of the seed runs once the network is there.
    let first = "for i in $(seq 200); do [ -e /root/first ] && break; sleep 1; done; cat /root/first";
    assert_eq!(inside(&sandbox, &machine, "one", first).must_succeed(), format!("{token}\n"));
    // `machines` has what is kept. The connection ends with the machine.
    let _ = inside(&sandbox, &machine, "one", "poweroff");
    let mut running = running;
    assert!(running.0.wait().expect("ended").success(), "it has shut down");
}

/// A machine of this CPU boots as its packages have it, keeps what it is told to, and ends when it is asked.
fn boots_and_keeps(cpu: Arch, suite: &str) {
    needs!("network", "x86_64", "namespaces", "minutes");
    let sandbox = Sandbox::new();
    let directory = tempfile::tempdir().expect("a directory");
    let bundle = directory.path().join("vm");
    let words = ["--machine", "--debootstrap", suite, "--include", "openssh-server", "--target", cpu.name()];
    let more = ["--hosts", "x86_64", "--level", "1", "--disk-size=4G", "--allow-stale"];
    let outcome = pack_by_hand(&[&words[..], &more].concat(), &bundle);
    if let Some(lacking) = lacking(&outcome.errors()) {
        return not_run("mirror-whole", lacking);
    }
    outcome.must_succeed();
    let machine = sandbox.copy(&bundle, "vm");
    let token = token();
    let [first, second] = [format!("echo {token} >/root/kept; sync"), "cat /root/kept".to_owned()];
    for (command, says) in [(first, String::new()), (second, format!("{token}\n"))] {
        let mut running = Running::start(&sandbox, &machine, "one");
        let states = "uname -m; dpkg --audit; dpkg-query -W -f '${db:Status-Abbrev}\n' | sort -u; \
                      systemctl is-system-running --wait; cat /sys/class/misc/hw_random/rng_current";
        let told = inside(&sandbox, &machine, "one", states).must_succeed();
        let source = if cpu == Arch::S390x { "s390-trng" } else { "virtio_rng.0" };
        assert_eq!(told, format!("{}\nii \nrunning\n{source}\n", cpu.uname_names()[0]));
        assert_eq!(inside(&sandbox, &machine, "one", &command).must_succeed(), says);
        // It has no power button.
        if cpu == Arch::Riscv64 {
            let _ = inside(&sandbox, &machine, "one", "poweroff");
        } else {
            assert!(kill("TERM", running.0.id()));
        }
        assert!(running.0.wait().expect("ended").success(), "it has shut down");
    }
}

/// A test for each CPU, with a suite that has a kernel for it. Nobody waits for all of them who has not
/// asked: `cargo test -p end-to-end --test machines_from_packages -- --ignored --test-threads 1`.
macro_rules! machines {
    ($($name:ident: $cpu:ident, $suite:literal;)+) => {$(
        #[test]
        #[ignore = "10 minutes"]
        fn $name() {
            boots_and_keeps(Arch::$cpu, $suite);
        }
    )+};
}

machines! {
    a_machine_of_x86_64_boots_and_keeps: X86_64, "trixie";
    a_machine_of_i686_boots_and_keeps: I686, "bookworm";
    a_machine_of_aarch64_boots_and_keeps: Aarch64, "trixie";
    a_machine_of_armv7_boots_and_keeps: Armv7, "trixie";
    a_machine_of_riscv64_boots_and_keeps: Riscv64, "trixie";
    a_machine_of_ppc64le_boots_and_keeps: Ppc64le, "trixie";
    a_machine_of_s390x_boots_and_keeps: S390x, "trixie";
    a_machine_of_loongarch64_boots_and_keeps: Loongarch64, "sid";
}

#[test]
fn a_dry_run_says_what_would_be_fetched_and_fetches_only_indexes() {
    needs!("network");
    let directory = tempfile::tempdir().expect("directory");
    let (store, bundle) = (directory.path().join("store"), directory.path().join("vm"));
    let mut command = unibin();
    command.env("UNIBIN_STORE", &store).arg("pack").args(MACHINE).arg("--dry-run").arg("-o").arg(&bundle);
    let dry = Outcome::from(command.output().expect("unibin starts"));
    let text = dry.must_succeed();
    assert!(text.contains("dry run: nothing was written"), "{dry}");
    for says in ["of these to fetch; installed they take about", "qemu-system-aarch64 for x86_64 out of"] {
        assert!(text.contains(says), "it does not say `{says}`: {dry}");
    }
    for package in ["linux-image-cloud-arm64", "openssh-server", "systemd-sysv"] {
        assert!(text.contains(&format!("  deb   {package} ")), "{package}: {dry}");
    }
    assert!(!store.join("archives/debs").exists(), "a package was fetched");
    assert!(!bundle.exists());
}

#[test]
fn what_cannot_go_together_is_refused_before_anything_is_fetched() {
    let directory = tempfile::tempdir().expect("directory");
    let bundle = directory.path().join("vm");
    let file = directory.path().join("file");
    fs::write(&file, "x").expect("written");
    let file = file.to_str().expect("text");
    let machine = ["--machine", "--debootstrap", "trixie", "--target", "riscv64", "--offline"];
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--disk", file], 3, "`--disk` is given"),
        (&["--kernel", file], 3, "`--kernel` is given"),
        (&["--kernel", file, "--initrd", file], 3, "`--kernel` is given"),
        (&["--disk-size", "1M"], 3, "needs at least"),
        (&["--disk-size", "900T"], 3, "70368744177664 at most"),
        (&["--no-scripts"], 3, "`--no-scripts`"),
        (&["--oci", file], 2, "cannot be used with"),
    ];
    for (more, code, says) in cases {
        let outcome = pack_by_hand(&[&machine[..], more].concat(), &bundle);
        assert_eq!(outcome.code(), Some(code), "{outcome}");
        assert!(outcome.errors().contains(says), "it does not say `{says}`: {outcome}");
        assert!(code == 2 || outcome.errors().contains("\nhint: "), "{outcome}");
        assert!(!bundle.exists(), "{says}");
    }
    let usage = pack_by_hand(&["--machine", "--target", "riscv64", "--disk", file, "--append", "x"], &bundle);
    assert_eq!(usage.code(), Some(2), "{usage}");
    assert!(usage.errors().contains("--debootstrap"), "{usage}");
}
