//! tar(5). The only file that uses `tar`.

use std::io::{self, BufReader, Read};

use bundle::{OWNER_ATTRIBUTE, Owner};
use tar::{EntryType, Header};

use crate::bound::Bound;
use crate::decode::Compression;
use crate::error::InputError;
use crate::guard::{DEVICE, FIFO, Guard, Stored, StoredKind, UNKNOWN};
use crate::sparse::Headers;

/// Whether a file that begins like this is a tar archive. One without the magic number of 1988 is not
/// recognised.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

pub(crate) fn read<E: From<InputError>>(
    from: impl Read,
    compression: Compression,
    guard: &mut Guard<'_, '_, E>,
) -> Result<(), E> {
    let reader = BufReader::with_capacity(128 * 1024, from);
    let decoded = compression.decode(reader).map_err(|error| guard.io(error))?;
    // What is not handed over is decoded too.
    let (bound, decoded) = Bound::of(decoded.take(guard.most().saturating_mul(2)));
    let mut archive = tar::Archive::new(decoded);
    let all = archive.entries().map_err(|error| guard.io(error))?;
    let mut entries = 0;
    bound.headers();
    for entry in all {
        bound.content();
        let mut entry = entry.map_err(|error| not_tar(entries, guard, error))?;
        entries += 1;
        // `git archive` begins with one: a comment.
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            pass(&mut entry, guard)?;
            bound.headers();
            continue;
        }
        let More { sparse, owner: said, capabilities } = more(&mut entry).map_err(|error| guard.io(error))?;
        let path = sparse.name.clone().unwrap_or_else(|| entry.path_bytes().into_owned());
        let mode = entry.header().mode().map_err(|error| guard.io(error))? & 0o7777;
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let kind = match entry.header().entry_type() {
            // As tar(1) of 1979 wrote a directory.
            EntryType::Regular if path.ends_with(b"/") && entry.size() == 0 => StoredKind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => StoredKind::File,
            EntryType::Directory => StoredKind::Directory,
            EntryType::Symlink => StoredKind::Symlink(target),
            EntryType::Link => StoredKind::HardLink(target),
            EntryType::Char | EntryType::Block => DEVICE,
            EntryType::Fifo => FIFO,
            _ => UNKNOWN,
        };
        let owner = said.or_else(|| owner(entry.header(), mode));
        let as_it_is = compression == Compression::None && entry.header().entry_type() == EntryType::Regular;
        let position = Some(entry.raw_file_position()).filter(|_| as_it_is);
        let stored = Stored { path, kind, mode: Some(mode), owner, capabilities, position };
        match sparse.file(&mut entry).map_err(|error| guard.io(error))? {
            Ok(mut expanded) => guard.entry(Stored { position: None, ..stored }, &mut expanded)?,
            Err(entry) => guard.entry(stored, entry)?,
        }
        pass(&mut entry, guard)?;
        bound.headers();
    }
    if entries == 0 { Err(guard.form("it is not a tar archive, or an empty one")) } else { Ok(()) }
}

/// Reads what nobody has read of an entry: no header of the next one.
fn pass<E: From<InputError>>(entry: &mut impl Read, guard: &Guard<'_, '_, E>) -> Result<(), E> {
    let left = &mut entry.take(guard.most());
    io::copy(left, &mut io::sink()).map(drop).map_err(|error| guard.io(error))
}

/// What is compressed need not be a tar archive.
fn not_tar<E: From<InputError>>(entries: usize, guard: &Guard<'_, '_, E>, error: io::Error) -> E {
    if entries == 0 { guard.form(format!("it is not a tar archive: {error}")) } else { guard.io(error) }
}

/// User and group, if the kernel could have them.
fn owner(header: &Header, mode: u32) -> Option<Owner> {
    let id = |number: io::Result<u64>| u32::try_from(number.ok()?).ok();
    Owner::new(id(header.uid())?, id(header.gid())?, u16::try_from(mode).ok()?)
}

/// What extended headers say of an entry besides what crate `tar` makes of them.
#[derive(Default)]
struct More {
    sparse: Headers,
    /// What the attribute says that unpacked systems have.
    owner: Option<Owner>,
    capabilities: bool,
}

fn more<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<More> {
    let mut more = More::default();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let (key, value) = (extension.key_bytes(), extension.value_bytes());
        more.sparse.add(key, value)?;
        match key.strip_prefix(b"SCHILY.xattr.").or_else(|| key.strip_prefix(b"LIBARCHIVE.xattr.")) {
            Some(b"security.capability") => more.capabilities = true,
            Some(name) if name == OWNER_ATTRIBUTE.to_bytes() && key.starts_with(b"SCHILY") => {
                more.owner = Owner::parse(value);
            }
            _ => {}
        }
    }
    Ok(more)
}
