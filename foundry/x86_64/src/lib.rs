//! unibin's own emulators for x86_64 machines, as `cargo xtask foundry` has built them. Nothing is unpacked
//! or interpreted here; crate `emulator` does.

/// All programs one after another, in one Zstandard frame.
pub static FRAME: &[u8] = include_bytes!("../emulators.zst");

/// What is in the frame: version, licence, sources, and place, size and digest of each program. TOML.
pub static TABLE: &str = include_str!("../emulators.toml");
