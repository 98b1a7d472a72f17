//! Emulators by the names of the programs that they run: the kernel takes a process's name (`comm`, shown by
//! ps and top) from the last component of the path that is executed.

use core::ffi::CStr;

use bundle::{Encoding, Translator};

use crate::bytes::{c_string, join};
use crate::cache::Slot;
use crate::sys::{self, At, Errno, Follow};
use crate::unpack;

/// `NAME_MAX` of `<linux/limits.h>`.
const NAME_MAX: usize = 255;

/// Whether a file can be called so.
pub fn is_file_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= NAME_MAX
}

/// Where the emulator lies in its slot.
pub fn file_in_slot(translator: &Translator<'_>) -> &'static [u8] {
    let inside: &[&[u8]] = match translator.blob.encoding {
        Encoding::TarZstd | Encoding::Root => &[unpack::TREE.to_bytes(), b"/", translator.member],
        Encoding::Raw | Encoding::Zstd => &[unpack::FILE.to_bytes()],
    };
    join(inside)
}

/// A link of that name to the emulator in its slot, made where it is missing; the emulator itself where none
/// can be made. `None` where the slot has lost the emulator.
pub fn link(slot: &Slot, translator: &Translator<'_>, name: &[u8]) -> Option<&'static CStr> {
    // Emulators that share a slot have a directory of links each.
    let directory = &[b"as", translator.member];
    let link = slot.path_of(join(&[directory[0], directory[1], b"/", name]));
    if sys::statat(At::CWD, link, Follow::Yes).is_ok() {
        return Some(link);
    }
    let inside = file_in_slot(translator);
    if sys::statat(At::CWD, slot.path_of(inside), Follow::Yes) == Err(Errno::ENOENT) {
        return None;
    }
    let target = c_string(&[b"../", inside]);
    let _ = sys::mkdirat(slot.dir.at(), c_string(directory), 0o700);
    Some(match sys::symlinkat(target, At::CWD, link) {
        Ok(()) | Err(Errno::EEXIST) => link,
        // Only the process's name is lost.
        Err(_) => slot.path_of(inside),
    })
}
