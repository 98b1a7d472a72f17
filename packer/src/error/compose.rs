//! Why bundles cannot be made out of other bundles.

use std::path::PathBuf;

use bundle::{Arch, EmulatorKey};
use thiserror::Error as ThisError;

use crate::error::code::Code;
use crate::error::shown::shown;

/// What `unibin merge`, `thin`, `replace` and `check` refuse.
#[derive(Debug, ThisError)]
pub(crate) enum ComposeError {
    #[error("`{}` does not run on {}", shown(path), names(missing))]
    NotServed { path: PathBuf, missing: Vec<Arch>, served: Vec<Arch> },
    #[error("`{}` does not run natively on {}", shown(path), names(hosts))]
    NotNative { path: PathBuf, hosts: Vec<Arch> },
    #[error(
        "`{}` and `{}` have different programs for {}", shown(first), shown(second), variant(*target, *level)
    )]
    TwoVariants { target: Arch, level: u16, first: PathBuf, second: PathBuf },
    #[error(
        "`{}` and `{}` were packed by different versions of unibin: their launchers for {host} differ",
        shown(first),
        shown(second)
    )]
    OtherVersion { host: Arch, first: PathBuf, second: PathBuf },
    #[error("one of `{}` and `{}` is a whole system, the other is not", shown(first), shown(second))]
    SystemAndApp { first: PathBuf, second: PathBuf },
    #[error("`{}` and `{}` have different emulators for {host}", shown(first), shown(second))]
    OtherEmulators { host: Arch, first: PathBuf, second: PathBuf },
    #[error(
        "two emulators for {} on {}: {} in `{}`, {} in `{}`",
        key.target, key.host, first.1, shown(&first.0), second.1, shown(&second.0)
    )]
    TwoEmulators { key: EmulatorKey, first: (PathBuf, String), second: (PathBuf, String) },
    #[error("`{}` needs more than itself: {why}", shown(path))]
    NeedsMore { path: PathBuf, why: String },
    #[error("`{}` has no program for {target}", shown(path))]
    NoSuchVariant { path: PathBuf, target: Arch, inside: Vec<Arch> },
    #[error("`{}` has programs for several architectures", shown(path))]
    SeveralVariants { path: PathBuf },
    #[error("`{}` starts several programs for {target}: {}", shown(path), names.join(", "))]
    SeveralEntries { path: PathBuf, target: Arch, names: Vec<String> },
}

impl ComposeError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NotServed { .. } | Self::NotNative { .. } => Code::NoEmulator,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotServed { served, .. } => {
                format!("it runs on {}; pack it with `--hosts`, or add what lacks with `unibin merge`", names(served))
            }
            Self::NotNative { .. } => {
                "add a build for it with `unibin merge`, or pack with `--native ARCH=FILE`".to_owned()
            }
            Self::TwoVariants { .. } => "leave one of them out, or use `unibin replace`".to_owned(),
            Self::SystemAndApp { .. } => "keep them apart".to_owned(),
            Self::OtherVersion { .. } => "pack both with the same version".to_owned(),
            Self::NeedsMore { path, .. } => {
                format!("pack it first: `unibin pack {} --libs debian`, and merge the bundle", shown(path))
            }
            Self::TwoEmulators { .. } | Self::OtherEmulators { .. } => {
                "pack both with the same emulators: see `--lock`, or with `--hosts` for their own architectures only"
                    .to_owned()
            }
            Self::NoSuchVariant { inside, .. } => {
                format!("it has programs for {}; `unibin merge` adds others", names(inside))
            }
            Self::SeveralVariants { .. } => "give a program, or a bundle for one architecture".to_owned(),
            Self::SeveralEntries { .. } => "pack it anew: one program cannot stand for several".to_owned(),
        }
    }
}

fn names(arches: &[Arch]) -> String {
    let mut names: Vec<_> = arches.iter().map(|arch| arch.name()).collect();
    names.dedup();
    if names.is_empty() { "no host".to_owned() } else { names.join(", ") }
}

fn variant(target: Arch, level: u16) -> String {
    if level == 0 { target.name().to_owned() } else { format!("{target}-v{level}") }
}
