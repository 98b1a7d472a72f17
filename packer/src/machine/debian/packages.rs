//! The packages that a machine has besides those of a system: a kernel, a service manager, what names devices
//! and brings up the network, and the tools of its file system.

use bundle::Arch;

/// What begins the name of a kernel's package.
const KERNEL: &str = "linux-image-";

/// A service manager with its network, device names, sessions for logins (and so the power button), the
/// file system's tools, and `ip`.
const OTHERS: [&str; 5] = ["systemd-sysv", "udev", "libpam-systemd", "e2fsprogs", "iproute2"];

/// The package that depends on the newest kernel for the CPU.
fn kernel(cpu: Arch) -> Option<&'static str> {
    Some(match cpu {
        Arch::X86_64 => "linux-image-amd64",
        Arch::I686 => "linux-image-686-pae",
        Arch::Aarch64 => "linux-image-arm64",
        Arch::Armv7 => "linux-image-armmp",
        Arch::Riscv64 => "linux-image-riscv64",
        Arch::Ppc64le => "linux-image-powerpc64le",
        Arch::S390x => "linux-image-s390x",
        Arch::Loongarch64 => "linux-image-loong64",
        _ => return None,
    })
}

/// The packages of a machine for which the user has asked for `included`. A kernel among these is the
/// machine's.
pub(super) fn of(cpu: Arch, included: &[String]) -> Vec<String> {
    let has_kernel = included.iter().any(|name| name.starts_with(KERNEL));
    let kernel = kernel(cpu).filter(|_| !has_kernel);
    kernel.into_iter().chain(OTHERS).map(str::to_owned).chain(included.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::boards;

    #[test]
    fn every_computer_has_a_kernel_and_one_that_is_asked_for_replaces_it() {
        for cpu in Arch::HOSTS {
            assert_eq!(kernel(cpu).is_some(), boards::of(cpu).is_some(), "{cpu}");
        }
        let has = |included: &[&str]| {
            let included: Vec<String> = included.iter().map(|name| (*name).to_owned()).collect();
            let all = of(Arch::Aarch64, &included);
            let kernels: Vec<String> = all.into_iter().filter(|name| name.starts_with(KERNEL)).collect();
            kernels
        };
        assert_eq!(has(&["jq"]), ["linux-image-arm64"]);
        assert_eq!(has(&["jq", "linux-image-cloud-arm64"]), ["linux-image-cloud-arm64"]);
    }
}
