//! A small system for tests.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::needs::not_run;
use crate::pack::{busybox, lacking, pack, pack_by_hand};
use crate::sandbox::Sandbox;
use crate::tar::{directory, file, link, owned, raw_tar};

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:web:/srv/www:/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nweb:x:34:\nssl:x:105:www\n";
/// What busybox is called in the root.
const APPLETS: [&str; 13] =
    ["cat", "echo", "env", "grep", "id", "kill", "ls", "mkdir", "pwd", "rm", "sh", "sleep", "touch"];

/// The bundle of a root for this CPU, called `sys`: Debian's static busybox with a few files around it.
pub fn small_system(sandbox: &Sandbox, target: Arch, more: &[&str]) -> PathBuf {
    let plain = sandbox.copy(&busybox(target), format!("busybox-{target}"));
    let to = sandbox.at(format!("extracted-{target}"));
    let to = to.to_str().expect("text");
    sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", to)], &plain, &[""; 0]).must_succeed();
    let program = fs::read(Path::new(to).join("usr/bin/busybox")).expect("extracted");

    let mut members = vec![directory("bin"), file("bin/busybox", 0o755, &program)];
    members.extend(APPLETS.iter().map(|applet| link(b'2', &format!("bin/{applet}"), "/bin/busybox")));
    members.extend([
        directory("etc"),
        file("etc/group", 0o644, GROUP),
        file("etc/hello", 0o644, b"the system's\n"),
        file("etc/passwd", 0o644, PASSWD),
        link(b'2', "etc/resolv.conf", "/run/resolve/of-the-system"),
        directory("root"),
        file("script", 0o755, b"#!/bin/sh -e\necho script $0 $1\n"),
        directory("srv"),
        link(b'1', "srv/linked", "etc/hello"),
        directory("srv/www"),
        owned(file("srv/www/secret", 0o440, b"of www\n"), 33, 34),
        file("srv/www/set-id", 0o4755, b"#!/bin/sh\n"),
        directory("tmp"),
    ]);
    let tar = raw_tar(&members);
    let name = sandbox.write(format!("root-{target}.tar"), &tar);
    let arguments = ["--system", name.to_str().expect("text"), "--hosts", "x86_64", "--level", "3"];
    sandbox.copy(&pack(&[&arguments, more].concat()), "sys")
}

/// How a Debian of another CPU is packed.
pub const MINBASE: [&str; 8] =
    ["--debootstrap", "trixie", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];

/// The bundle of a minimal Debian for riscv64, configured by its own programs. `None`, loudly, where the
/// mirror lacks a package of its own index, which is no failure of a test.
pub fn debootstrapped(sandbox: &Sandbox, name: &str, more: &[&str]) -> Option<PathBuf> {
    let directory = tempfile::tempdir().expect("a directory");
    let bundle = directory.path().join(name);
    let outcome = pack_by_hand(&[&MINBASE[..], more].concat(), &bundle);
    if let Some(lacking) = lacking(&outcome.errors()) {
        not_run("mirror-whole", lacking);
        return None;
    }
    outcome.must_succeed();
    Some(sandbox.copy(&bundle, name))
}
