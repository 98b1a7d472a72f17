//! tar(5). The only file that uses `tar`.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use tar::EntryType;

use crate::decode::Compression;
use crate::error::InputError;
use crate::guard::{DEVICE, FIFO, Guard, SPARSE, Stored, StoredKind, UNKNOWN};

/// Whether a file that begins like this is a tar archive. One without the magic number of 1988 is not
/// recognised.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

pub(crate) fn read<E: From<InputError>>(
    mut file: &File,
    compression: Compression,
    guard: &mut Guard<'_, '_, E>,
) -> Result<(), E> {
    file.seek(SeekFrom::Start(0)).map_err(|error| guard.io(error))?;
    let reader = BufReader::with_capacity(128 * 1024, file);
    let decoded = compression.decode(reader).map_err(|error| guard.io(error))?;
    // What is not handed over is decoded too.
    let mut archive = tar::Archive::new(decoded.take(guard.most().saturating_mul(2)));
    let mut entries = 0;
    for entry in archive.entries().map_err(|error| guard.io(error))? {
        let mut entry = entry.map_err(|error| not_tar(entries, guard, error))?;
        entries += 1;
        let path = entry.path_bytes().into_owned();
        let mode = entry.header().mode().map_err(|error| guard.io(error))? & 0o7777;
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let kind = match entry.header().entry_type() {
            // `git archive` begins with one: a comment.
            EntryType::XGlobalHeader => continue,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                if is_sparse(&mut entry).map_err(|error| guard.io(error))? {
                    SPARSE
                } else {
                    StoredKind::File
                }
            }
            EntryType::Directory => StoredKind::Directory,
            EntryType::Symlink => StoredKind::Symlink(target),
            EntryType::Link => StoredKind::HardLink(target),
            EntryType::Char | EntryType::Block => DEVICE,
            EntryType::Fifo => FIFO,
            _ => UNKNOWN,
        };
        guard.entry(Stored { path, kind, mode: Some(mode) }, &mut entry)?;
    }
    if entries == 0 { Err(guard.form("it is not a tar archive, or an empty one")) } else { Ok(()) }
}

/// What is compressed need not be a tar archive.
fn not_tar<E: From<InputError>>(entries: usize, guard: &Guard<'_, '_, E>, error: io::Error) -> E {
    if entries == 0 { guard.form(format!("it is not a tar archive: {error}")) } else { guard.io(error) }
}

/// Whether it is sparse in the way that crate `tar` does not know (GNU tar manual, "PAX Format, Versions 0.0
/// to 1.0").
fn is_sparse<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let mut keys = entry.pax_extensions()?.into_iter().flatten().flatten();
    Ok(keys.any(|extension| extension.key_bytes().starts_with(b"GNU.sparse")))
}
