//! The machines of the lab: which kernel of Debian's boots on which machine of qemu-system's. Named
//! HOST[-PAGES]-SUITE: the same CPU comes with several page sizes, and with the newest and the oldest kernel
//! that the archive has.

use bundle::Arch;

/// A machine that can be booted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// What the table and the command line call it.
    pub(crate) name: &'static str,
    /// Its CPU.
    pub(crate) host: Arch,
    /// The suite that its kernel comes from.
    pub(crate) suite: &'static str,
    /// The package that always depends on the newest kernel of this kind.
    pub(crate) kernel: &'static str,
    /// Bytes of a page, in KiB.
    pub(crate) page: u32,
}

/// A program of qemu-system's and how it is told to be a machine of a CPU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Board {
    /// The program.
    pub(crate) program: &'static str,
    /// Debian's package that has it.
    pub(crate) package: &'static str,
    /// The machine and the CPU.
    pub(crate) arguments: &'static [&'static str],
    /// The device that a disk is.
    pub(crate) disk: &'static str,
    /// The kernel's name of the serial line.
    pub(crate) console: &'static str,
}

/// The program that does not come from this machine's packages.
pub(crate) const LOONGARCH: &str = "qemu-system-loongarch64";

const fn machine(
    name: &'static str,
    host: Arch,
    suite: &'static str,
    kernel: &'static str,
    page: u32,
) -> Machine {
    Machine { name, host, suite, kernel, page }
}

/// The suite with the oldest kernels, of Linux 6.1.
pub(crate) const OLDEST: &str = "bookworm";

/// All of them, the newest kernel of a CPU first. `sid` has the newest of all but i686, whose last one is of
/// 2023. loongarch64 has no other; riscv64 came with trixie. s390x has trixie's: on Linux 7.2.13 of sid any
/// new directory on ext4 is an oops in `ext4_mb_new_blocks` under QEMU 7.2, where it adds a per-CPU offset
/// (root's `mkdir`, with nothing of ours started).
pub(crate) const MACHINES: [Machine; 16] = [
    machine("x86_64-sid", Arch::X86_64, "sid", "linux-image-amd64", 4),
    machine("i686-bookworm", Arch::I686, "bookworm", "linux-image-686", 4),
    machine("aarch64-4k-sid", Arch::Aarch64, "sid", "linux-image-arm64", 4),
    machine("aarch64-16k-sid", Arch::Aarch64, "sid", "linux-image-arm64-16k", 16),
    machine("armv7-sid", Arch::Armv7, "sid", "linux-image-armmp-lpae", 4),
    machine("riscv64-sid", Arch::Riscv64, "sid", "linux-image-riscv64", 4),
    machine("ppc64le-64k-sid", Arch::Ppc64le, "sid", "linux-image-powerpc64le-64k", 64),
    machine("ppc64le-4k-sid", Arch::Ppc64le, "sid", "linux-image-powerpc64le", 4),
    machine("s390x-trixie", Arch::S390x, "trixie", "linux-image-s390x", 4),
    machine("loongarch64-sid", Arch::Loongarch64, "sid", "linux-image-loong64", 16),
    machine("x86_64-bookworm", Arch::X86_64, "bookworm", "linux-image-amd64", 4),
    machine("aarch64-4k-bookworm", Arch::Aarch64, "bookworm", "linux-image-arm64", 4),
    machine("armv7-bookworm", Arch::Armv7, "bookworm", "linux-image-armmp-lpae", 4),
    machine("riscv64-trixie", Arch::Riscv64, "trixie", "linux-image-riscv64", 4),
    machine("ppc64le-64k-bookworm", Arch::Ppc64le, "bookworm", "linux-image-powerpc64le", 64),
    machine("s390x-bookworm", Arch::S390x, "bookworm", "linux-image-s390x", 4),
];

/// One machine of each host; a host's machines have their turns one after the other.
pub(crate) fn each(turn: usize) -> Vec<Machine> {
    let one_of = |host| {
        let machines: Vec<Machine> =
            MACHINES.iter().filter(|machine| machine.host == host).copied().collect();
        machines[turn % machines.len()]
    };
    Arch::HOSTS.into_iter().map(one_of).collect()
}

/// Three machines, the first with large pages. In twelve turns each machine is among them.
pub(crate) fn rotating(turn: usize) -> [Machine; 3] {
    let (large, small): (Vec<Machine>, Vec<Machine>) =
        MACHINES.into_iter().partition(|machine| machine.page > 4);
    let half = small.len() / 2;
    [large[turn % large.len()], small[turn % half], small[half + turn % half]]
}

/// The machine to boot a kernel of `host` on. 512 MiB everywhere: what runs here runs with that.
pub(crate) fn board(host: Arch) -> Board {
    let board =
        |program, package, arguments, disk, console| Board { program, package, arguments, disk, console };
    match host {
        Arch::X86_64 => board(
            "qemu-system-x86_64",
            "qemu-system-x86",
            &["-M", "q35", "-cpu", "max"],
            "virtio-blk-pci",
            "ttyS0",
        ),
        Arch::I686 => board("qemu-system-i386", "qemu-system-x86", &["-M", "pc"], "virtio-blk-pci", "ttyS0"),
        // The oldest of its CPUs that has pages of 16 KiB.
        Arch::Aarch64 => board(
            "qemu-system-aarch64",
            "qemu-system-arm",
            &["-M", "virt", "-cpu", "cortex-a76"],
            "virtio-blk-device",
            "ttyAMA0",
        ),
        Arch::Armv7 => board(
            "qemu-system-arm",
            "qemu-system-arm",
            &["-M", "virt", "-cpu", "cortex-a15"],
            "virtio-blk-device",
            "ttyAMA0",
        ),
        Arch::Riscv64 => {
            board("qemu-system-riscv64", "qemu-system-misc", &["-M", "virt"], "virtio-blk-device", "ttyS0")
        }
        Arch::Ppc64le => board(
            "qemu-system-ppc64",
            "qemu-system-ppc",
            &["-M", "pseries", "-vga", "none"],
            "virtio-blk-pci",
            "hvc0",
        ),
        Arch::S390x => board(
            "qemu-system-s390x",
            "qemu-system-misc",
            &["-M", "s390-ccw-virtio"],
            "virtio-blk-ccw",
            "ttysclp0",
        ),
        // Every other CPU is no host: `bundle` has eight.
        _ => {
            board(LOONGARCH, "qemu-system-misc", &["-M", "virt", "-cpu", "la464"], "virtio-blk-pci", "ttyS0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_machine_and_every_machine_its_turn() {
        for host in Arch::HOSTS {
            assert!(MACHINES.iter().any(|machine| machine.host == host), "{host}");
        }
        for turn in 0..8 {
            let hosts: Vec<_> = each(turn).iter().map(|machine| machine.host).collect();
            assert_eq!(hosts, Arch::HOSTS, "{turn}");
        }
        let names: Vec<_> = (0..3).flat_map(each).map(|machine| machine.name).collect();
        for machine in MACHINES {
            assert!(names.contains(&machine.name), "{} never has a turn", machine.name);
        }
    }

    #[test]
    fn three_machines_are_three_hosts_or_kernels_and_every_machine_is_among_them() {
        let mut names = std::collections::BTreeSet::new();
        for turn in 0..12 {
            let three = rotating(turn).map(|machine| machine.name);
            assert!(rotating(turn)[0].page > 4, "{three:?}");
            assert!(three[1] != three[2], "{three:?}");
            names.extend(three);
        }
        assert_eq!(names.len(), MACHINES.len());
    }
}
