//! The user's own file for a pair, used in place. Refuses files that are not static programs for the host;
//! whether it emulates the target is up to the user.

use std::path::Path;

use bundle::EmulatorKey;
use debian::digest;

use crate::elf_check::{self, ElfFault};
use crate::error::EmulatorError;
use crate::qemu_version;
use crate::record::{Emulator, Provenance, Record, SourcePackage};

pub(super) fn obtain(key: EmulatorKey, path: &Path) -> Result<Emulator, EmulatorError> {
    let refused = |fault| EmulatorError::Given { key, path: path.to_owned(), fault };
    elf_check::check(path, key.host).map_err(refused)?;
    let found = digest::of_file(path).map_err(|error| refused(ElfFault::Unreadable(error.to_string())))?;
    let record = Record {
        digest: found.sha256,
        size: found.size,
        translator: "qemu-user".into(), // it is called as QEMU is
        version: qemu_version::of_file(path, key.target),
        source: SourcePackage::default(),
        licence: "NOASSERTION".into(), // SPDX's word for "nobody said"
        provenance: Provenance::Given { path: path.display().to_string() },
        pin: None,
    };
    Ok(Emulator { key, file: path.to_owned(), record })
}
