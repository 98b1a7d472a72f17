//! Zip files. The only file that uses `zip`. Refuses encrypted ones.

use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

use crate::error::InputError;
use crate::guard::{DEVICE, FIFO, Guard, SOCKET, Stored, StoredKind, UNKNOWN};

/// `S_IFMT` and the types of inode(7), which archives made on Unix have.
const TYPE: u32 = 0o170_000;

/// The longest target of a link that is read, in bytes: `PATH_MAX` of `<linux/limits.h>`.
const TARGET_MAX: u64 = 4096;

pub(crate) fn read<E: From<InputError>>(file: &File, guard: &mut Guard<'_, '_, E>) -> Result<(), E> {
    let damaged = |error: zip::result::ZipError| format!("it is not a zip file that can be read: {error}");
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| guard.form(damaged(error)))?;
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(|error| guard.form(damaged(error)))?;
        let path = entry.name_raw().to_vec();
        let mode = entry.unix_mode();
        let kind = match mode.map_or(0, |mode| mode & TYPE) {
            0o120_000 => {
                let mut target = Vec::new();
                entry.by_ref().take(TARGET_MAX).read_to_end(&mut target).map_err(|error| guard.io(error))?;
                StoredKind::Symlink(target)
            }
            _ if path.ends_with(b"/") => StoredKind::Directory,
            0 | 0o100_000 => StoredKind::File,
            0o040_000 => StoredKind::Directory,
            0o010_000 => FIFO,
            0o140_000 => SOCKET,
            0o020_000 | 0o060_000 => DEVICE,
            _ => UNKNOWN,
        };
        // One that was made elsewhere has no modes, or only those of files that are not writable.
        let mode = mode.map(|mode| mode & 0o7777).filter(|mode| *mode != 0);
        guard.entry(Stored::new(path, kind, mode), &mut entry)?;
    }
    Ok(())
}
