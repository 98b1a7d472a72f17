//! The launcher's own bundle: one descriptor, its footer and its manifest, checked before anything else is
//! read.

use core::ffi::CStr;

use bundle::{Footer, FormatError, Manifest};

use crate::absolute::{OWN, of_descriptor};
use crate::bytes::{c_string, keep, zeroed};
use crate::error::Error;
use crate::hash::Sha256;
use crate::sys::{self, At, Errno, Fd, Follow, OFlags};

/// The footer and a manifest of ordinary size are read with one system call of this many bytes.
const TAIL: u64 = 16 * 1024;

/// An open bundle whose manifest has been checked against its digest.
pub struct BundleFile<'a> {
    fd: Fd,
    path: &'a CStr,
    footer: Footer,
    /// The manifest's bytes, and the signatures behind them.
    manifest: &'static [u8],
}

impl<'a> BundleFile<'a> {
    /// Opens and checks the bundle at `path`.
    pub fn open(path: &'a CStr) -> Result<&'a Self, Error> {
        let name = path.to_bytes();
        let unreadable = |errno| Error::cannot_read(name, errno);
        let fd = sys::openat(At::CWD, path, OFlags::READ, 0).map_err(unreadable)?;
        let stat = fd.stat().map_err(unreadable)?;
        if !stat.is_file() {
            return Err(Error::not_a_file(name));
        }

        let tail = zeroed(usize::try_from(stat.size.min(TAIL)).unwrap_or(0));
        let tail_offset = stat.size.saturating_sub(TAIL);
        fd.pread_exact(tail, tail_offset).map_err(unreadable)?;
        let footer = decode_footer(tail, stat.size).map_err(|error| Error::format(name, error))?;

        let manifest = if footer.manifest_offset >= tail_offset {
            let start =
                usize::try_from(footer.manifest_offset.saturating_sub(tail_offset)).unwrap_or(usize::MAX);
            tail.get(start..).unwrap_or_default()
        } else {
            let length = footer.manifest_length.saturating_add(footer.signatures_length);
            let bytes = zeroed(usize::try_from(length).unwrap_or(0));
            fd.pread_exact(bytes, footer.manifest_offset).map_err(unreadable)?;
            bytes
        };

        let file = keep(Self { fd, path, footer, manifest });
        if Sha256::of(file.manifest_bytes()) != file.footer.manifest_digest {
            return Err(Error::damaged(name, b"manifest"));
        }
        Ok(file)
    }

    /// The manifest, decoded and checked.
    pub fn manifest(&self) -> Result<Manifest<'_>, Error> {
        Manifest::decode(self.manifest_bytes(), self.footer.manifest_offset)
            .map_err(|error| Error::format(self.name(), error))
    }

    fn manifest_bytes(&self) -> &[u8] {
        let length = usize::try_from(self.footer.manifest_length).unwrap_or(usize::MAX);
        self.manifest.get(..length).unwrap_or_default()
    }

    /// The rows of signatures, which nobody has checked.
    pub fn signatures(&self) -> &[u8] {
        let rows = self.manifest.get(self.manifest_bytes().len()..).unwrap_or_default();
        let length = usize::try_from(self.footer.signatures_length).unwrap_or(0);
        rows.get(..length).unwrap_or_default()
    }

    /// The path as it was given, for messages.
    pub fn name(&self) -> &'a [u8] {
        self.path.to_bytes()
    }

    /// The path as it was given.
    pub fn path(&self) -> &'a CStr {
        self.path
    }

    /// A path by which the program that is executed next opens the same file: `path`, unless the kernel has
    /// executed the bundle itself and that is not its path, since it was deleted, replaced or never had one.
    pub fn across_exec(&self, path: &[u8]) -> &'static CStr {
        let path = c_string(&[path]);
        let is_it = || Ok::<_, Errno>(sys::statat(At::CWD, path, Follow::Yes)?.same_file(&self.fd.stat()?));
        if self.path != OWN || is_it() == Ok(true) {
            return path;
        }
        let held = self.fd.hold_across_exec().or_else(|_| self.fd.keep_across_exec().map(Fd::leak));
        held.map_or(path, of_descriptor)
    }

    /// The footer.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Fills `buffer` from `offset`.
    pub fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.fd.pread_exact(buffer, offset).map_err(|errno| Error::cannot_read(self.name(), errno))
    }
}

fn decode_footer(tail: &[u8], file_length: u64) -> Result<Footer, FormatError> {
    let bytes = tail.last_chunk::<{ Footer::LEN }>().ok_or(FormatError::NoFooter)?;
    Footer::decode(bytes, file_length)
}
