//! Programs and archives of programs as people have them: ELF files, tarballs, zip files, rpm packages,
//! AppImages. Of a program the headers are read (`elf`). An archive's entries are handed over one by one,
//! with paths that stay inside the tree; the caller decides what becomes of them. Nothing is unpacked or
//! executed. Refuses what would lead out of the tree, device nodes, sockets and FIFOs, and archives that
//! unpack to implausibly much.

mod appimage;
mod bound;
mod decode;
pub mod elf;
mod entry;
mod error;
mod guard;
mod rpm;
mod sparse;
mod tarball;
mod zipped;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

pub use crate::bound::{Bound, Bounded};
pub use crate::decode::{Compression, decoded};
pub use crate::entry::{Entry, Kind, Reading, Special, Visit};
pub use crate::error::InputError;
pub use crate::guard::Allowance;
use crate::guard::Guard;

/// What kind of archive a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// tar(5), compressed or not.
    Tar(Compression),
    /// A zip file; Python wheels are such.
    Zip,
    /// An AppImage of type 2: an ELF program with a squashfs behind it.
    AppImage,
    /// An AppImage of type 1: with an ISO 9660 image. Not read.
    OldAppImage,
    /// An rpm package.
    Rpm,
}

/// How much of a file [`Form::of`] looks at.
const HEAD: u64 = 512;

impl Form {
    /// The form of `file` by its first bytes; `None` if it is not a known archive.
    pub fn of(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(HEAD).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        if head.starts_with(b"\x7fELF") {
            // The AppImage specification: three bytes in what the ELF header pads with zeros.
            return Ok(match head.get(8..11) {
                Some(b"AI\x02") => Some(Self::AppImage),
                Some(b"AI\x01") => Some(Self::OldAppImage),
                _ => None,
            });
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(Some(Self::Zip));
        }
        if head.starts_with(b"\xed\xab\xee\xdb") {
            return Ok(Some(Self::Rpm));
        }
        Ok(match Compression::of(&head) {
            Compression::None => tarball::is_tar(&head).then_some(Self::Tar(Compression::None)),
            compression => Some(Self::Tar(compression)),
        })
    }
}

/// Calls `visit` with each entry of `file`, whose name in messages is `path`.
///
/// # Errors
///
/// [`InputError`] for whatever is wrong with the archive, also where `visit` failed because of it.
pub fn read<E: From<InputError>>(file: &File, path: &Path, form: Form, visit: Visit<'_, E>) -> Result<(), E> {
    let stored = file.metadata().map_err(|source| InputError::io(path, source))?.len();
    let mut allowance = Allowance::of(stored);
    let mut guard = Guard::new(path, Reading::App, &mut allowance, visit);
    match form {
        Form::Tar(compression) => {
            let mut from = file;
            from.seek(SeekFrom::Start(0)).map_err(|error| guard.io(error))?;
            tarball::read(from, compression, &mut guard)
        }
        Form::Zip => zipped::read(file, &mut guard),
        Form::AppImage => appimage::read(file, &mut guard),
        Form::Rpm => rpm::read(file, &mut guard),
        Form::OldAppImage => {
            Err(InputError::form(path, "it is an AppImage of type 1, which holds an ISO 9660 image").into())
        }
    }
}

/// Calls `visit` with each entry of the tar archive in `file`, read as `reading` says.
///
/// # Errors
///
/// As of [`read`].
pub fn read_tar<E: From<InputError>>(
    file: &File,
    path: &Path,
    compression: Compression,
    reading: Reading,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    let stored = file.metadata().map_err(|source| InputError::io(path, source))?.len();
    let mut from = file;
    from.seek(SeekFrom::Start(0)).map_err(|source| InputError::io(path, source))?;
    tarball::read(from, compression, &mut Guard::new(path, reading, &mut Allowance::of(stored), visit))
}

/// Like [`read_tar`], for a stream, which may be compressed, within the `allowance`.
///
/// # Errors
///
/// As of [`read`].
pub fn read_tar_from<E: From<InputError>>(
    from: impl Read,
    path: &Path,
    reading: Reading,
    allowance: &mut Allowance,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    let mut from = BufReader::with_capacity(128 * 1024, from);
    let compression = Compression::of(from.fill_buf().map_err(|source| InputError::io(path, source))?);
    tarball::read(from, compression, &mut Guard::new(path, reading, allowance, visit))
}

/// Decodes all of `from`, whose compression is detected, within the `allowance`, and hands it to `take` piece
/// by piece.
///
/// # Errors
///
/// [`InputError`] for what cannot be decoded, and for what decodes to implausibly much.
pub fn decode(
    from: impl Read,
    path: &Path,
    allowance: &mut Allowance,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), InputError> {
    let failed = |source| InputError::io(path, source);
    let mut from = BufReader::with_capacity(128 * 1024, from);
    let compression = Compression::of(from.fill_buf().map_err(failed)?);
    let mut decoded = compression.decode(from).map_err(failed)?;
    let mut piece = vec![0; 128 * 1024];
    loop {
        let length = match decoded.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        allowance.take(length as u64, path)?;
        take(&piece[..length]);
    }
}
