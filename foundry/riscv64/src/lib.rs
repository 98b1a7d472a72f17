//! unibin's own emulators for riscv64 machines, as `cargo xtask foundry` has built them. Nothing is unpacked
//! or interpreted here; crate `emulator` does.

/// All programs one after another, in one Zstandard frame.
pub static FRAME: &[u8] = include_bytes!("../emulators.zst");

/// What is in the frame: version, licence, sources, and place, size and digest of each program. TOML.
pub static TABLE: &str = include_str!("../emulators.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_of_this_frame_and_this_host_and_the_crate_has_its_licence() {
        assert!(TABLE.contains(&format!("\nlicence = \"{}\"\n", env!("CARGO_PKG_LICENSE"))));
        assert!(TABLE.contains(&format!("\nframe = {{ size = {}, ", FRAME.len())));
        assert!(TABLE.contains("\nhost = \"riscv64\"\n"));
        assert_eq!(FRAME[..4], 0xfd2f_b528_u32.to_le_bytes(), "no Zstandard frame");
    }
}
