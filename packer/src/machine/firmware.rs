//! Firmware that replaces the computer's built-in one: a file of the user's, or UEFI from a Debian package,
//! the same for every host.

use std::path::PathBuf;

use bundle::Arch;

use crate::error::{Error, MachineError};
use crate::machine::boards::{Board, Firmware};
use crate::notices::Owed;
use crate::packages::deb::Suite;
use crate::progress::Bars;
use crate::request::machine::{FirmwareSource, MachineRequest};
use crate::tree::content::Content;

/// The largest firmware file that is accepted, in bytes.
const LENGTH_MAX: u64 = 128 << 20;

/// Firmware, and where it comes from.
pub(super) struct Loaded {
    pub(super) content: Content,
    /// For reports.
    pub(super) from: PathBuf,
    pub(super) owed: Option<Owed>,
}

/// The firmware that the machine needs, if it needs any.
pub(super) fn of(board: &Board, machine: &MachineRequest) -> Result<Option<Loaded>, Error> {
    let wants = match &machine.firmware {
        FirmwareSource::File(given) => {
            return Ok(Some(Loaded { content: given.content()?, from: given.path.clone(), owed: None }));
        }
        FirmwareSource::Uefi => true,
        FirmwareSource::Usual => board.needs_uefi || !machine.is_direct() && board.disks_by_uefi,
    };
    match board.uefi {
        _ if !wants => Ok(None),
        None => Err(MachineError::NoUefi { cpu: board.cpu }.into()),
        Some(firmware) => from_debian(firmware, machine).map(Some),
    }
}

fn from_debian(firmware: Firmware, machine: &MachineRequest) -> Result<Loaded, Error> {
    let Firmware { package, path } = firmware;
    let bars = Bars::default();
    let bar = bars.bar(package);
    // Firmware's packages are for all CPUs; this list of packages has always been there.
    let suite = Suite::open(&machine.archive, Arch::X86_64, &bar)?;
    let (bytes, owed) = suite.file(package, path, LENGTH_MAX)?;
    let missing = || MachineError::NoFirmware { package: package.to_owned(), path: path.to_owned() };
    let content = bytes.ok_or_else(missing)?.into();
    Ok(Loaded { content, from: format!("{package} of Debian").into(), owed: Some(owed) })
}
