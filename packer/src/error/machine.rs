//! What can be wrong with a machine that is to be packed.

use std::path::PathBuf;

use bundle::Arch;
use thiserror::Error;

use crate::error::code::Code;
use crate::error::shown::shown;

/// Why a machine cannot be packed.
#[derive(Debug, Error)]
pub(crate) enum MachineError {
    #[error("nothing says what the machine boots")]
    NoBoot,
    #[error("there is no machine for {}", cpu.name())]
    NoBoard { cpu: Arch },
    #[error("Debian has no UEFI for a machine of {}", cpu.name())]
    NoUefi { cpu: Arch },
    #[error("the disk `{}` {what}", shown(path))]
    Disk { path: PathBuf, what: String },
    #[error("the disk `{}` is for {size} bytes, more than `--disk-size`", shown(path))]
    DiskSize { path: PathBuf, size: u64 },
    #[error("`--disk-size` is {wanted} bytes, and a disk has {most} at most")]
    DiskSizeMax { wanted: u64, most: u64 },
    #[error("the seed `{}` {what}", shown(path))]
    Seed { path: PathBuf, what: String },
    #[error("the seed `{}` has no `user-data`", shown(path))]
    NoUserData { path: PathBuf },
    #[error("words for the kernel are one line without NUL")]
    Append,
    #[error("package `{package}` has no `{path}`")]
    NoFirmware { package: String, path: String },
    #[error("`{option}` is given, and `--debootstrap` makes what the machine boots")]
    Twice { option: &'static str },
    #[error("a machine boots only what is configured, and `--no-scripts` leaves its packages unpacked")]
    NoScripts,
    #[error("none of the packages has a kernel with modules")]
    NoKernel,
    #[error("kernel {kernel} has no module `{module}`")]
    NoModule { module: String, kernel: String },
    #[error("the kernel's packages have no `/{path}`")]
    NoFileOfKernel { path: String },
    #[error("`--disk-size` is {wanted} bytes, and this machine needs at least {needed}")]
    DiskTooSmall { wanted: u64, needed: u64 },
    #[error("`mke2fs` ended with {status}: {said}")]
    FileSystem { status: String, said: String },
    #[error("the seed `{}` is for cloud-init, which the machine lacks", shown(path))]
    NoCloudInit { path: PathBuf },
    #[error("no host is left that this machine can be packed for")]
    NoHost,
}

impl MachineError {
    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NoFirmware { .. } | Self::NoHost | Self::FileSystem { .. } => Code::Failure,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoBoot => {
                "give `--disk IMAGE`, `--kernel FILE` with `--initrd FILE`, or `--debootstrap SUITE`"
            }
            Self::Twice { .. } => {
                "leave one of them out; `--disk-size`, `--append`, `--seed` and `--firmware` go with `--debootstrap`"
            }
            Self::NoScripts => "leave out `--no-scripts`",
            Self::NoKernel | Self::NoModule { .. } | Self::NoFileOfKernel { .. } => {
                "name another kernel of the suite with `--include linux-image-...`"
            }
            Self::DiskTooSmall { .. } => "name a larger size, such as `--disk-size 20G`, or leave it out",
            Self::FileSystem { .. } => {
                "free some space where packages are kept, or name a larger `--disk-size`"
            }
            Self::NoCloudInit { .. } => {
                "add `--include cloud-init`; without it `user-data` may be a script that begins with `#!`"
            }
            Self::NoBoard { .. } => {
                "machines are x86_64, i686, aarch64, armv7, riscv64, ppc64le, s390x and loongarch64"
            }
            Self::NoUefi { .. } | Self::NoFirmware { .. } => "name a file of firmware with `--firmware FILE`",
            Self::Disk { .. } => "give a raw image, or make one with `qemu-img convert -O qcow2 FILE NEW`",
            Self::DiskSize { .. } => "a disk grows; to make it smaller, shrink what is on it first",
            Self::DiskSizeMax { .. } => "name a smaller size, such as `--disk-size 20G`",
            Self::Seed { .. } => {
                "`user-data` begins with `#cloud-config` and goes on in YAML, `meta-data` is YAML; a seed is a directory of them or an ISO image"
            }
            Self::NoUserData { .. } => "write `user-data` into it, with `#cloud-config` as its first line",
            Self::Append => "separate words by blanks",
            Self::NoHost => "name another suite with `--suite`, or other hosts with `--hosts`",
        }
    }
}
