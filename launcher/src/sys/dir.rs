//! The names in an open directory (getdents64(2)).
//!
//! `.` and `..` are left out. The order is the file system's; sort if it matters.

use super::call::call;
use super::{Errno, Fd};
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
        let arguments = [self.dir.argument(), self.buffer.as_mut_ptr() as usize, self.buffer.len()];
        // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
        self.end = unsafe { call(raw::__NR_getdents64, arguments) }?;
        self.next = 0;
        Ok(self.end)
    }
}

/// The first `struct linux_dirent64` of `records` and its length: u64 inode, i64 position, u16 length,
/// u8 type, then the name up to a NUL (include/linux/dirent.h).
fn parse(records: &[u8]) -> Option<(Entry, usize)> {
    let length = usize::from(u16::from_ne_bytes(records.get(16..18)?.try_into().ok()?));
    let record = records.get(..length)?;
    let (name, _) = cut(record.get(19..)?, 0);
    let kind = match u32::from(record[18]) {
        raw::DT_REG => Kind::File,
        raw::DT_DIR => Kind::Dir,
        raw::DT_LNK => Kind::Symlink,
        raw::DT_UNKNOWN => Kind::Unknown,
        _ => Kind::Other,
    };
    Some((Entry { name: c_string(&[name]), kind }, length))
}
