//! The commands other than `pack`, one file each, and what only they need.

pub(crate) mod binfmt;
pub(crate) mod cache;
pub(crate) mod emulator;
pub(crate) mod emulator_source;
pub(crate) mod emulator_transfer;
pub(crate) mod extract;
pub(crate) mod generate;
pub(crate) mod hosts;
pub(crate) mod in_use;
pub(crate) mod inspect;
pub(crate) mod notices;
pub(crate) mod run;
pub(crate) mod sbom;
pub(crate) mod sign;
pub(crate) mod verify;
