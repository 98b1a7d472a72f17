//! Why handlers of `binfmt_misc` cannot be shown, registered or removed.

use std::io;
use std::path::PathBuf;

use bundle::Arch;
use thiserror::Error;

use crate::error::code::Code;

/// What `unibin binfmt` refuses or cannot do.
#[derive(Debug, Error)]
pub(crate) enum BinfmtError {
    #[error("{target} programs run here without an emulator")]
    NativeHere { target: Arch },
    #[error("`--emulator FILE` needs exactly one target")]
    NotOneTarget,
    #[error("`{}` cannot be registered: binfmt_misc does not accept this path", path.display())]
    Path { path: PathBuf },
    /// `state`: what the kernel reports about the handler.
    #[error("a handler `{name}` is already registered: {state}")]
    Registered { name: String, state: String, target: Arch },
    #[error("no handler `{name}` is registered")]
    NotRegistered { name: String, mounted: &'static str },
    #[error("binfmt_misc is not mounted on `{mounted}`")]
    NotMounted { mounted: &'static str },
    #[error("only root may change handlers: cannot write to `{}`", path.display())]
    NotRoot { path: PathBuf, source: io::Error },
}

impl BinfmtError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NativeHere { .. } | Self::NotOneTarget | Self::Path { .. } => Code::Input,
            Self::Registered { .. }
            | Self::NotRegistered { .. }
            | Self::NotMounted { .. }
            | Self::NotRoot { .. } => Code::Failure,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NativeHere { .. } => "handlers are only for programs of other architectures".to_owned(),
            Self::NotOneTarget => "name it with `--target ARCH`".to_owned(),
            Self::Path { .. } => {
                "copy or link the file to a path without control characters and without one of `:|;@%`"
                    .to_owned()
            }
            Self::Registered { target, .. } => {
                format!("remove it first with `unibin binfmt unregister --target {target}`")
            }
            Self::NotRegistered { mounted, .. } => {
                format!("`ls {mounted}` lists all handlers; other software may use other names")
            }
            Self::NotMounted { mounted } => format!(
                "as root: `mount -t binfmt_misc binfmt_misc {mounted}`; a kernel without it needs `modprobe binfmt_misc` first"
            ),
            Self::NotRoot { .. } => "bundles work without handlers".to_owned(),
        }
    }
}
