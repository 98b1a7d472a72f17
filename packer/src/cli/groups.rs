//! The groups of options of `pack`. Each flattened struct names its own: clap would go on with that of the
//! one before.

pub(super) const WHAT: &str = "What to pack";
pub(super) const TREE: &str = "Libraries and data";
pub(super) const START: &str = "Environment and arguments of the app";
pub(super) const FORMAT: &str = "Bundle format";
pub(super) const EMULATORS: &str = "Emulators";
pub(super) const ARCHIVE: &str = "Network and Debian archive";
pub(super) const MACHINE: &str = "Machines";
pub(super) const SYSTEM: &str = "Whole systems";
