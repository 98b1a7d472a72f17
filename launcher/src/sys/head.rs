//! The slot by which a launcher knows what it begins with: the bundle's stub, or the bundle itself.
//!
//! A bundle made with `--head elf:HOST` starts with its launcher. The packer finds [`HEAD_SECTION`] by name in
//! that copy and writes [`HEAD_ELF`] over [`HEAD_SH`]. Any other content counts as the ordinary head.

/// Name of the ELF section that holds the slot, 16 bytes.
pub const HEAD_SECTION: &str = ".unibin.head";
/// The slot as built: the stub starts the launcher and names the bundle.
pub const HEAD_SH: [u8; 16] = *b"unibin-head:sh\0\0";
/// The slot as patched: the launcher's own file is the bundle.
pub const HEAD_ELF: [u8; 16] = *b"unibin-head:elf\0";

#[used]
#[unsafe(link_section = ".unibin.head")]
static SLOT: [u8; 16] = HEAD_SH;

/// Whether the packer has said that this launcher's own file is the bundle.
pub fn starts_as_elf() -> bool {
    // The packer changes the bytes after the compiler has seen them: read them, don't fold them.
    // SAFETY: a static of ours, initialised and aligned.
    let slot = unsafe { (&raw const SLOT).read_volatile() };
    slot == HEAD_ELF
}
