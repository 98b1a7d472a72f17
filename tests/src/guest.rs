//! What a machine boots in tests: a kernel of Debian's, and a first root of busybox and dropbear, all for a
//! CPU that is not ours. Like cloud-init, it reads its seed, lets in who is named there, and mounts its
//! disk.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bundle::Arch;
use debian::{Archive, ArchiveOptions, Deb, DebError, DebKind, PackageIndex, Silent, depends};

use crate::cpio::Cpio;
use crate::needs::not_run;
use crate::unibin::kept;

const SUITE: &str = "trixie";

/// Machines by the size of their kernels' packages: the package that depends on the newest kernel, and the
/// kernel's name of the serial line.
const KERNELS: [(Arch, &str, &str); 2] = [
    (Arch::Aarch64, "linux-image-cloud-arm64", "ttyAMA0"),
    (Arch::X86_64, "linux-image-cloud-amd64", "ttyS0"),
];

/// In the order in which they are loaded.
const MODULES: [&str; 6] = ["failover", "net_failover", "virtio_net", "virtio_blk", "cdrom", "isofs"];

const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
for at in proc sys dev; do $b mkdir -p /$at; done
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mkdir -p /dev/pts /seed /disk /root/.ssh /etc/dropbear /var/run /run /tmp
$b mount -t devpts pts /dev/pts
for module in MODULES; do $b insmod /modules/$module; done
$b ip link set lo up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip link set eth0 up
$b ip route add default via 10.0.2.2
$b mount -t iso9660 -o ro /dev/vdb /seed
$b mount -t ext4 /dev/vda /disk || { $b mke2fs /dev/vda && $b mount -t ext4 /dev/vda /disk; } >/dev/null
echo "root:x:0:0::/root:/bin/sh" >/etc/passwd
echo /bin/sh >/etc/shells
$b sed -n 's/^- "\(ssh-.*\)"$/\1/p' /seed/meta-data >/root/.ssh/authorized_keys
$b chmod 700 /root /root/.ssh
export PATH=/bin:/usr/bin:/usr/sbin
dropbear -R -s -E
$b httpd -p 80 -h /seed
echo "the guest is up"
exec $b setsid $b sh -c 'exec /bin/busybox sh </dev/CONSOLE >/dev/CONSOLE 2>&1'
"#;

/// A machine's CPU, kernel and first root.
#[derive(Debug)]
pub struct Guest {
    /// Its CPU.
    pub cpu: Arch,
    /// The kernel.
    pub kernel: PathBuf,
    /// The archive of its first root.
    pub initrd: PathBuf,
}

/// The first that the mirror has; `None`, loudly, if it has none. Made once for all tests.
pub fn guest() -> Option<Guest> {
    let directory = kept().join("guest-1");
    fs::create_dir_all(&directory).expect("directory");
    let lock = File::create(directory.join("lock")).expect("lock");
    lock.lock().expect("locked");
    let mut lacks = String::new();
    for (cpu, package, console) in KERNELS {
        let kernel = directory.join(format!("kernel-{cpu}"));
        let initrd = directory.join(format!("initrd-{cpu}"));
        if !initrd.exists()
            && let Err(why) = made(&directory, cpu, package, console, &kernel, &initrd)
        {
            lacks = why;
            continue;
        }
        return Some(Guest { cpu, kernel, initrd });
    }
    not_run("mirror-whole", &lacks);
    None
}

fn made(
    directory: &Path,
    cpu: Arch,
    package: &str,
    console: &str,
    kernel: &Path,
    initrd: &Path,
) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| error.to_string();
    let archive = Archive::open(ArchiveOptions::new(directory.to_owned(), &Silent), SUITE);
    let archive = archive.map_err(|error| told(&error))?;
    let index = archive.packages(cpu.debian_name().expect("Debian's")).map_err(|error| told(&error))?;
    let deb = |name: &str| -> Result<Deb, String> {
        let package = index.find(name).ok_or_else(|| format!("{SUITE} has no `{name}` for {cpu}"))?;
        let file = archive.download(package).map_err(|error| error.to_string())?;
        Deb::open(&file).map_err(|error| error.to_string())
    };
    let mut root = Cpio::default();
    for at in ["bin", "dev", "etc", "modules", "root", "usr", "usr/bin", "usr/sbin", "usr/lib"] {
        root.directory(at, 0o755);
    }
    root.device("dev/console", 0o600, (5, 1));
    let mut image = Vec::new();
    let mut modules = Vec::new();
    each(&deb(&newest(&index, package)?)?, |path, _, bytes| {
        let name = path.rsplit('/').next().unwrap_or_default();
        if name.starts_with("vmlinuz") {
            image = bytes.to_vec();
        } else if let Some((module, ending)) = name.split_once(".ko")
            && MODULES.contains(&module)
        {
            modules.push((module.to_owned(), ending.to_owned(), bytes.to_vec()));
        }
    })?;
    let mut loaded = Vec::new();
    for module in MODULES {
        let Some((_, ending, bytes)) = modules.iter().find(|(name, ..)| name == module) else { continue };
        let name = format!("{module}.ko{ending}");
        root.file(&format!("modules/{name}"), 0o644, bytes);
        loaded.push(name);
    }
    let busybox = deb("busybox-static")?.read("usr/bin/busybox", 64 << 20).map_err(|error| told(&error))?;
    root.file("bin/busybox", 0o755, &busybox.ok_or("`busybox-static` has no busybox")?);
    root.link("bin/sh", "busybox");
    let packages = depends::closure(&index, &["dropbear-bin"]).map_err(|error| told(&error))?;
    let mut directories = Vec::new();
    for package in &packages {
        each(&deb(&package.name)?, |path, kind, bytes| {
            // Of unmerged times.
            let path = if path.starts_with("lib") { format!("usr/{path}") } else { path.to_owned() };
            let is_library = path.starts_with("usr/lib") && path.contains(".so") && !path.contains("/gconv/");
            if !is_library && path != "usr/sbin/dropbear" {
                return;
            }
            let above = path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
            if !directories.contains(&above) && !["usr/lib", "usr/sbin"].contains(&&*above) {
                root.directory(&above, 0o755);
                directories.push(above);
            }
            match kind {
                DebKind::Symlink { target } => root.link(&path, &String::from_utf8_lossy(target)),
                DebKind::File => root.file(&path, 0o755, bytes),
                DebKind::Dir | DebKind::Hardlink { .. } => {}
            }
        })?;
    }
    root.link("lib", "usr/lib");
    root.link("lib64", "usr/lib64");
    let init = INIT.replace("MODULES", &loaded.join(" ")).replace("CONSOLE", console);
    root.file("init", 0o755, init.as_bytes());
    if image.is_empty() {
        return Err(format!("`{package}` of {SUITE} has no kernel for {cpu}"));
    }
    fs::write(kernel, image).expect("written");
    let new = directory.join("new");
    fs::write(&new, root.finish()).expect("written");
    fs::rename(new, initrd).expect("renamed");
    Ok(())
}

/// The package that `package` depends on.
fn newest(index: &PackageIndex, package: &str) -> Result<String, String> {
    let found = index.find(package).ok_or_else(|| format!("{SUITE} has no `{package}`"))?;
    let all = debian::relations(&found.depends);
    let image = all.iter().flatten().find(|one| one.name.starts_with("linux-image-"));
    image.map(|one| one.name.clone()).ok_or_else(|| format!("`{package}` depends on no kernel"))
}

/// Calls `take` with path, kind and bytes of what a package has.
fn each(deb: &Deb, mut take: impl FnMut(&str, &DebKind, &[u8])) -> Result<(), String> {
    let done = deb.entries::<DebError>(|entry| {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let wanted = path.contains(".ko") || path.contains(".so") || !path.contains("/share/");
        let mut bytes = Vec::new();
        if wanted && entry.kind == DebKind::File {
            // It is an archive in memory or a file of ours.
            entry.reader.read_to_end(&mut bytes).expect("read");
        }
        take(&path, &entry.kind, &bytes);
        Ok(ControlFlow::Continue(()))
    });
    done.map_err(|error| error.to_string())
}
