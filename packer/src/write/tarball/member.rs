//! One member of a tar stream, as bytes: its header, with records of long names before it, and its content.
//! Crate `tar` is touched here only.

use std::io::{self, Read, Write};

pub(super) use tar::{Archive, EntryType, Header};

/// Everything in a tar stream is padded to this (POSIX ustar).
pub(super) const BLOCK: usize = 512;

/// The length of a header's fields for a name and a link's target.
pub(super) const FIELD: usize = 100;

/// Writes one member and says how many bytes it took. `content` has as many as the header says.
pub(super) fn put(
    to: &mut impl Write,
    header: Header,
    path: &[u8],
    link: &[u8],
    content: &mut dyn Read,
) -> io::Result<u64> {
    let size = header.size()?;
    Ok(put_header(to, header, path, link)? + put_content(to, size, content)?)
}

/// Writes what comes before a member's content.
pub(super) fn put_header(
    to: &mut impl Write,
    mut header: Header,
    path: &[u8],
    link: &[u8],
) -> io::Result<u64> {
    let mut length = 0;
    let name = long(to, EntryType::GNULongName, path, &mut length)?;
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_link_name_literal(long(to, EntryType::GNULongLink, link, &mut length)?)?;
    header.set_cksum();
    to.write_all(header.as_bytes())?;
    Ok(length + BLOCK as u64)
}

/// Writes `size` bytes, which is all of `content`, and zeros up to the next block.
pub(super) fn put_content(to: &mut impl Write, size: u64, content: &mut dyn Read) -> io::Result<u64> {
    if io::copy(content, to)? != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let padding = size.next_multiple_of(BLOCK as u64) - size;
    io::copy(&mut io::repeat(0).take(padding), to)?;
    Ok(size + padding)
}

/// What the header's field can hold of `name`, with a record of all of it before the header if that is less.
fn long<'n>(to: &mut impl Write, kind: EntryType, name: &'n [u8], length: &mut u64) -> io::Result<&'n [u8]> {
    let Some((short, _)) = name.split_at_checked(FIELD).filter(|(_, rest)| !rest.is_empty()) else {
        return Ok(name);
    };
    let mut record = header(kind, 0o644, name.len() as u64 + 1);
    let mark = b"././@LongLink";
    record.as_old_mut().name[..mark.len()].copy_from_slice(mark);
    record.set_cksum();
    to.write_all(record.as_bytes())?;
    let size = name.len() as u64 + 1;
    *length += BLOCK as u64 + put_content(to, size, &mut name.chain(&b"\0"[..]))?;
    Ok(short)
}

/// A header of nobody's, without a time.
pub(super) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
