//! The same cases without booting: the machine is a directory, its programs run by a private `binfmt_misc`,
//! the kernel's name of the CPU is covered. What is shown is the CPU's code; the kernel is this machine's.
//! Needs root, for the cases' own mounts and users.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::{Arch, Endian};

use super::boot::{Log, watch};
use super::cases::Case;
use super::initramfs::{self, Programs};
use super::machines::Machine;

/// What an emulated machine is made of.
pub(crate) struct Parts<'a> {
    /// Which it is.
    pub(crate) machine: &'a Machine,
    /// Its programs.
    pub(crate) programs: &'a Programs,
    /// What runs them here; nothing for those that this machine's processor runs itself.
    pub(crate) emulator: Option<PathBuf>,
    /// The bundles.
    pub(crate) bundles: &'a Path,
    /// The home that machines share.
    pub(crate) shared: &'a Path,
}

/// A user namespace where every user's number is its own, made by root and kept by a process that ends with
/// us; then mounts and processes of its own in it.
const NAMESPACES: &str = r#"
mkfifo "$1/hold"
unshare --user cat "$1/hold" &
exec 3>"$1/hold"
echo 0 0 65536 >/proc/$!/uid_map
echo 0 0 65536 >/proc/$!/gid_map
machine=$5
exec nsenter --user --target $! --setuid 0 --setgid 0 \
  unshare --mount --propagation private --pid --fork --kill-child sh -euc "$machine" sh "$@"
"#;

/// Made by the root of that namespace: a machine in a directory.
const MACHINE: &str = r#"
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
[ -z "$4" ] || { mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; printf '%s' "$4" >/proc/sys/fs/binfmt_misc/register; }
mount --bind arch proc/sys/kernel/arch
mount --bind "$2" bundles
mount --bind "$3" shared
mount --rbind /sys sys
mount -t tmpfs -o mode=755 dev dev
for device in null zero random urandom; do : >dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/shm
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs run run
ulimit -c 0
exec env -i PATH=/bin EMULATED=1 "$(command -v chroot)" . /bin/sh -c 'echo "@lab kernel $(uname -r) $(uname -m)"; . /lab/run'
"#;

/// Runs the cases; what they printed.
pub(crate) fn run(
    parts: &Parts<'_>,
    cases: &[&Case],
    log: &mut Log,
    mut told: impl FnMut(&str),
) -> Result<String> {
    let scratch = tempfile::tempdir().context("cannot make a directory")?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    let root = scratch.path();
    initramfs::directory(parts.machine, parts.programs, cases, root)?;
    let host = parts.machine.host;
    fs::write(root.join("arch"), format!("{}\n", host.uname_names()[0]))?;
    let handler = match &parts.emulator {
        Some(emulator) => handler(host, emulator)?,
        None => String::new(),
    };
    let mut command = Command::new("sh");
    command
        .args(["-euc", NAMESPACES, "sh"])
        .arg(root)
        .args([parts.bundles, parts.shared])
        .args([&handler, MACHINE]);
    let console = watch(command, log, &mut told)?;
    ensure!(
        console.contains("@lab kernel"),
        "it did not come up (root and user namespaces are needed); see its log"
    );
    Ok(console)
}

/// A line for `binfmt_misc` that knows a CPU's programs by the first 20 bytes of their ELF header.
fn handler(cpu: Arch, emulator: &Path) -> Result<String> {
    let machine = cpu.machines().first().context("a CPU has a number")?;
    let two = |number: u16| match cpu.endian() {
        Endian::Little => number.to_le_bytes(),
        Endian::Big => number.to_be_bytes(),
    };
    let mut magic = vec![0x7f, b'E', b'L', b'F', cpu.class() as u8, cpu.endian() as u8, 1];
    magic.resize(16, 0);
    magic.extend(two(2));
    magic.extend(two(*machine));
    let mut mask = vec![0xff; 20];
    // The ABI may be GNU's; the types 2 and 3 differ in their last bit.
    mask[7] = 0;
    mask[if cpu.endian() == Endian::Little { 16 } else { 17 }] = 0xfe;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat();
    Ok(format!(":{}:M::{}:{}:{}:FP\n", cpu.name(), hex(&magic), hex(&mask), emulator.display()))
}

/// An empty directory that every user can reach.
pub(crate) fn fresh_directory(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)?;
    Ok(path.to_owned())
}
