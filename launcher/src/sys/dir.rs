//! The names in an open directory (getdents64(2)).
//!
//! `.` and `..` are left out. The order is the file system's; sort if it matters.

use super::call::call;
use super::{Errno, Fd};
#[cfg(feature = "children")]
use crate::bytes::{c_str, keep};
use crate::bytes::{c_string, zeroed};
use bundle::cut;
use core::ffi::CStr;
use linux_raw_sys::general as raw;

/// What the directory says a name is. Some file systems never say: [`Kind::Unknown`], then ask `statat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, fifo or socket.
    Other,
    /// Not said.
    Unknown,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes, without any directory.
    pub name: &'static CStr,
    /// What it is.
    pub kind: Kind,
}

/// Iterator over a directory, from [`Fd::entries`].
#[derive(Debug)]
pub struct Entries<'a> {
    dir: &'a Fd,
    buffer: &'static mut [u8],
    /// Where the next record begins in `buffer`.
    next: usize,
    /// Where the kernel's answer ends in `buffer`.
    end: usize,
    done: bool,
}

impl Fd {
    /// The names in this directory, from where the descriptor stands: the beginning if it is freshly opened.
    pub fn entries(&self) -> Entries<'_> {
        Entries { dir: self, buffer: zeroed(8192), next: 0, end: 0, done: false }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Errno>;

    /// An error is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            if self.next == self.end {
                match self.refill() {
                    Ok(0) => self.done = true,
                    Ok(_) => {}
                    Err(errno) => {
                        self.done = true;
                        return Some(Err(errno));
                    }
                }
                continue;
            }
            let Some((entry, length)) = parse(&self.buffer[self.next..self.end]) else {
                self.done = true;
                return Some(Err(Errno::EIO));
            };
            self.next += length;
            if !matches!(entry.name.to_bytes(), b"." | b"..") {
                return Some(Ok(entry));
            }
        }
        None
    }
}

impl Entries<'_> {
    fn refill(&mut self) -> Result<usize, Errno> {
        self.end = fill(self.dir, self.buffer)?;
        self.next = 0;
        Ok(self.end)
    }
}

/// Room for the names of directories, by which trees of any size are walked in the memory that their depth
/// takes.
#[cfg(feature = "children")]
#[derive(Default)]
pub struct Buffers(Option<&'static mut Buffer>);

/// One that is not in use.
#[cfg(feature = "children")]
struct Buffer {
    bytes: [u8; 8192],
    next: Option<&'static mut Buffer>,
}

#[cfg(feature = "children")]
impl Buffers {
    /// Calls `each` for every name in a directory, from where the descriptor stands, until it says that it
    /// has found what it looks for; whether it has. The directory may be changed meanwhile.
    pub fn each_name(
        &mut self,
        dir: &Fd,
        each: &mut dyn FnMut(&mut Self, &CStr, Kind) -> bool,
    ) -> Result<bool, Errno> {
        let buffer = match self.0.take() {
            Some(buffer) => buffer,
            None => keep(Buffer { bytes: [0; 8192], next: None }),
        };
        self.0 = buffer.next.take();
        let found = self.names(dir, &mut buffer.bytes, each);
        buffer.next = self.0.take();
        self.0 = Some(buffer);
        found
    }

    fn names(
        &mut self,
        dir: &Fd,
        buffer: &mut [u8],
        each: &mut dyn FnMut(&mut Self, &CStr, Kind) -> bool,
    ) -> Result<bool, Errno> {
        loop {
            let end = fill(dir, buffer)?;
            let mut records = buffer.get(..end).unwrap_or_default();
            if records.is_empty() {
                return Ok(false);
            }
            while !records.is_empty() {
                let (name, kind, length) = record(records).ok_or(Errno::EIO)?;
                let name = c_str(name);
                if !matches!(name.to_bytes(), b"." | b"..") && each(self, name, kind) {
                    return Ok(true);
                }
                records = records.get(length..).unwrap_or_default();
            }
        }
    }
}

/// As many of a directory's next records as there is room for; how many bytes they are.
fn fill(dir: &Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [dir.argument(), buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    unsafe { call(raw::__NR_getdents64, arguments) }
}

/// The first `struct linux_dirent64` of `records` and its length: u64 inode, i64 position, u16 length,
/// u8 type, then the name up to a NUL (include/linux/dirent.h).
fn parse(records: &[u8]) -> Option<(Entry, usize)> {
    let (name, kind, length) = record(records)?;
    Some((Entry { name: c_string(&[cut(name, 0).0]), kind }, length))
}

/// Its name, with a NUL and what is behind it, what it is, and its length.
fn record(records: &[u8]) -> Option<(&[u8], Kind, usize)> {
    let length = usize::from(u16::from_ne_bytes(records.get(16..18)?.try_into().ok()?));
    let record = records.get(..length)?;
    let kind = match u32::from(record[18]) {
        raw::DT_REG => Kind::File,
        raw::DT_DIR => Kind::Dir,
        raw::DT_LNK => Kind::Symlink,
        raw::DT_UNKNOWN => Kind::Unknown,
        _ => Kind::Other,
    };
    Some((record.get(19..)?, kind, length))
}
