//! The computers that machines can be. A row for each CPU: the program of qemu-system, the Debian package
//! that has it, the options for a common computer of that kind, and the firmware files that it reads. A CPU
//! needs nothing but its row.

use bundle::Arch;

/// The directory of a tree for what is not a package's.
pub(super) const PLACE: &str = "machine";

/// A computer.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) cpu: Arch,
    /// The program, in `usr/bin`.
    pub(crate) program: &'static str,
    /// Debian's package that has it.
    pub(crate) package: &'static str,
    /// The options that select the computer.
    pub(crate) machine: &'static str,
    /// The options that select its CPU when it is emulated; with KVM it is the host's.
    pub(crate) model: &'static str,
    /// How devices are attached: the suffix of their names.
    pub(crate) bus: &'static str,
    /// The kernel's name for the serial line.
    pub(crate) console: &'static str,
    /// The devices of a screen.
    pub(crate) graphics: &'static str,
    /// Patterns for the files that it reads, besides libraries.
    pub(crate) files: &'static [&'static str],
    /// Its UEFI, if Debian has one.
    pub(crate) uefi: Option<Firmware>,
    /// Whether it boots nothing without UEFI.
    pub(crate) needs_uefi: bool,
    /// Whether it boots no disk without UEFI.
    pub(crate) disks_by_uefi: bool,
}

impl Board {
    /// The kernel's module for the way in which devices are attached.
    pub(crate) fn transport(&self) -> &'static str {
        match self.bus {
            "ccw" => "virtio_ccw",
            "device" => "virtio_mmio",
            _ => "virtio_pci",
        }
    }
}

/// Firmware that is loaded in place of what the board has by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Firmware {
    /// Debian's package, for all CPUs.
    pub(crate) package: &'static str,
    /// The file in it.
    pub(crate) path: &'static str,
}

const SCREEN: &str = "-device virtio-gpu-pci -device qemu-xhci -device usb-kbd -device usb-tablet";

/// The display of boards without one of their own is a module.
const GPU: [&str; 2] =
    ["usr/lib/*/qemu/hw-display-virtio-gpu.so", "usr/lib/*/qemu/hw-display-virtio-gpu-pci.so"];

const X86: [&str; 6] = [
    "usr/share/seabios/bios-256k.bin",
    "usr/share/seabios/vgabios-stdvga.bin",
    "usr/share/qemu/kvmvapic.bin",
    "usr/share/qemu/linuxboot_dma.bin",
    "usr/lib/*/qemu/accel-tcg-x86_64.so",
    "usr/lib/*/qemu/accel-tcg-i386.so",
];

const BOARDS: [Board; 8] = [
    Board {
        cpu: Arch::X86_64,
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: "-M q35",
        model: "-cpu max",
        bus: "pci",
        console: "ttyS0",
        graphics: "-device VGA -device qemu-xhci -device usb-tablet",
        files: &X86,
        uefi: Some(Firmware { package: "ovmf", path: "usr/share/ovmf/OVMF.fd" }),
        needs_uefi: false,
        disks_by_uefi: false,
    },
    Board {
        cpu: Arch::I686,
        program: "qemu-system-i386",
        package: "qemu-system-x86",
        machine: "-M q35",
        model: "-cpu max",
        bus: "pci",
        console: "ttyS0",
        graphics: "-device VGA -device qemu-xhci -device usb-tablet",
        files: &X86,
        uefi: None,
        needs_uefi: false,
        disks_by_uefi: false,
    },
    Board {
        cpu: Arch::Aarch64,
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        machine: "-M virt,gic-version=max",
        // Pointer authentication is slow where it is emulated.
        model: "-cpu max,pauth=off",
        bus: "pci",
        console: "ttyAMA0",
        graphics: SCREEN,
        files: &GPU,
        uefi: Some(Firmware { package: "qemu-efi-aarch64", path: "usr/share/qemu-efi-aarch64/QEMU_EFI.fd" }),
        needs_uefi: false,
        disks_by_uefi: true,
    },
    Board {
        cpu: Arch::Armv7,
        program: "qemu-system-arm",
        package: "qemu-system-arm",
        machine: "-M virt",
        model: "-cpu cortex-a15",
        bus: "device",
        console: "ttyAMA0",
        graphics: "-device virtio-gpu-device -device virtio-keyboard-device -device virtio-tablet-device",
        files: &GPU,
        uefi: None,
        needs_uefi: false,
        disks_by_uefi: false,
    },
    Board {
        cpu: Arch::Riscv64,
        program: "qemu-system-riscv64",
        package: "qemu-system-riscv",
        machine: "-M virt",
        model: "",
        bus: "pci",
        console: "ttyS0",
        graphics: SCREEN,
        files: &[GPU[0], GPU[1], "usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin"],
        uefi: None,
        needs_uefi: false,
        disks_by_uefi: true,
    },
    Board {
        cpu: Arch::Ppc64le,
        program: "qemu-system-ppc64",
        package: "qemu-system-ppc",
        machine: "-M pseries",
        // TCG has no such defects, and warns that it cannot work around them.
        model: "-M cap-cfpc=broken,cap-ibs=broken,cap-ccf-assist=off",
        bus: "pci",
        console: "hvc0",
        graphics: "-device VGA -device qemu-xhci -device usb-kbd -device usb-tablet",
        files: &["usr/share/qemu/slof.bin", "usr/share/seabios/vgabios-stdvga.bin"],
        uefi: None,
        needs_uefi: false,
        disks_by_uefi: false,
    },
    Board {
        cpu: Arch::S390x,
        program: "qemu-system-s390x",
        package: "qemu-system-s390x",
        machine: "-M s390-ccw-virtio",
        model: "",
        bus: "ccw",
        console: "ttysclp0",
        graphics: "-device virtio-gpu-ccw -device virtio-keyboard-ccw -device virtio-tablet-ccw",
        files: &[GPU[0], "usr/lib/*/qemu/hw-s390x-virtio-gpu-ccw.so", "usr/share/qemu/s390-ccw.img"],
        uefi: None,
        needs_uefi: false,
        disks_by_uefi: false,
    },
    Board {
        cpu: Arch::Loongarch64,
        program: "qemu-system-loongarch64",
        package: "qemu-system-misc",
        machine: "-M virt",
        model: "-cpu la464",
        bus: "pci",
        console: "ttyS0",
        graphics: SCREEN,
        files: &GPU,
        uefi: Some(Firmware {
            package: "qemu-efi-loongarch64",
            path: "usr/share/qemu-efi-loongarch64/QEMU_EFI.fd",
        }),
        needs_uefi: true,
        disks_by_uefi: true,
    },
];

/// The computer with this CPU.
pub(crate) fn of(cpu: Arch) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.cpu == cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cpu_that_bundles_run_on_has_a_computer() {
        for cpu in Arch::HOSTS {
            assert!(of(cpu).is_some(), "{cpu}");
        }
    }
}
