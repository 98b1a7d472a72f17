//! The slot by which a launcher knows what it begins with: the bundle's stub, or the bundle itself.
//!
//! A bundle made with `--head elf:HOST` starts with its launcher. The packer finds [`HEAD_SH`] in that copy,
//! where it stands once, and writes [`HEAD_ELF`] over it. Any other content counts as the ordinary head.

/// The slot as built: the stub starts the launcher and names the bundle.
pub const HEAD_SH: [u8; 16] = *b"unibin-head:sh\0\0";
/// The slot as patched: the launcher's own file is the bundle.
pub const HEAD_ELF: [u8; 16] = *b"unibin-head:elf\0";

/// Where the two differ first.
const DIFFERS: usize = 12;

#[used]
static SLOT: [u8; 16] = HEAD_SH;

/// Whether the packer has said that this launcher's own file is the bundle.
pub fn starts_as_elf() -> bool {
    // The packer changes the bytes after the compiler has seen them: read them, don't fold them.
    // SAFETY: a static of ours, initialised and aligned.
    let letter = unsafe { (&raw const SLOT[DIFFERS]).read_volatile() };
    letter == HEAD_ELF[DIFFERS]
}
