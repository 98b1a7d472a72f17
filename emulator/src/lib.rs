//! Static user-mode emulators: which ones exist ([`catalogue`]), unibin's own ([`built`]), where others come
//! from ([`provider`]), where they are kept ([`store`]), how they are called ([`calling`]) and their licence
//! notices ([`notices`]). Refuses programs that match neither a pin nor a signed index, and programs that
//! need files of the host.

mod arch_name;
pub mod built;
pub mod calling;
pub mod catalogue;
pub mod elf_check;
mod error;
pub mod lock;
pub mod notices;
mod options;
pub mod pin;
pub mod provider;
pub mod qemu_version;
mod record;
pub mod store;
mod toml_file;
pub mod translators;

pub use built::Built;
pub use catalogue::{Catalogue, CatalogueError, Known, NoEmulator};
pub use elf_check::ElfFault;
pub use error::{EmulatorError, Failure, FailureCause};
pub use lock::{Lock, LockError};
pub use options::{Options, Quiet, Remark, Watch};
pub use provider::{import, obtain, obtain_all, obtain_own};
pub use record::{Emulator, Provenance, Record, SourceFile, SourcePackage, Trust};
pub use store::{Compressed, Kept, Store, StoreError};
pub use translators::{Translators, TranslatorsError};
