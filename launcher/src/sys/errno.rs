//! Error numbers of the kernel, with the names and texts that messages show.
//!
//! Refuses to guess: a number without a row is shown as `unknown error`, its code stays available.

use bundle::cut;
use linux_raw_sys::errno as raw;

/// Why a system call failed: a positive error number of errno(3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(u16);

impl Errno {
    /// `code` is at most 4095 here, so nothing is cut off.
    pub(super) const fn from_code(code: usize) -> Self {
        Self((code & 0xfff) as u16)
    }

    /// A number that another process has sent.
    #[cfg(feature = "children")]
    pub const fn from_number(number: u8) -> Self {
        Self(number as u16)
    }

    /// The number itself, as in `<errno.h>`.
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.name().escape_ascii(), self.0)
    }
}

macro_rules! errnos {
    ($($name:ident $text:literal)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self(raw::$name as u16);)*

            const CODES: &'static [u16] = &[$(raw::$name as u16),*];
            const NAMES: &'static [u8] = concat!($(stringify!($name), "\n"),*).as_bytes();
            // One string and not one for each number: pointers to them would take more room than the code
            // that looks.
            const TEXTS: &'static [u8] = concat!($($text, "\n"),*).as_bytes();
        }
    };
}

impl Errno {
    /// The symbol of errno(3), or `E?` for a number without one here.
    pub fn name(self) -> &'static [u8] {
        self.line_of(Self::NAMES).unwrap_or(b"E?")
    }

    /// What strerror(3) says, in lower case.
    pub fn text(self) -> &'static [u8] {
        self.line_of(Self::TEXTS).unwrap_or(b"unknown error")
    }

    fn line_of(self, mut lines: &'static [u8]) -> Option<&'static [u8]> {
        for code in Self::CODES {
            let (line, behind) = cut(lines, b'\n');
            if *code == self.0 {
                return Some(line);
            }
            lines = behind?;
        }
        None
    }
}

errnos! {
    EPERM "operation not permitted"
    ENOENT "no such file or directory"
    EINTR "interrupted system call"
    EIO "input/output error"
    ESRCH "no such process"
    ENXIO "no such device or address"
    E2BIG "argument list too long"
    ENOEXEC "exec format error"
    EBADF "bad file descriptor"
    ECHILD "no such child"
    EAGAIN "resource temporarily unavailable"
    ENOMEM "cannot allocate memory"
    EACCES "permission denied"
    EFAULT "bad address"
    EBUSY "device or resource busy"
    EEXIST "file exists"
    EXDEV "invalid cross-device link"
    ENODEV "no such device"
    ENOTDIR "not a directory"
    EISDIR "is a directory"
    EINVAL "invalid argument"
    ENFILE "too many open files in system"
    EMFILE "too many open files"
    ETXTBSY "text file busy"
    EFBIG "file too large (`ulimit -f`?)"
    ENOSPC "no space left on device"
    ESPIPE "illegal seek"
    EROFS "read-only file system"
    EMLINK "too many links"
    EPIPE "broken pipe"
    ERANGE "numerical result out of range"
    ENAMETOOLONG "file name too long"
    ENOLCK "no locks available"
    ENODATA "no data available"
    ENOSYS "function not implemented"
    ENOTEMPTY "directory not empty"
    ELOOP "too many levels of symbolic links"
    EOVERFLOW "value too large for defined data type"
    ELIBBAD "accessing a corrupted shared library"
    EOPNOTSUPP "operation not supported"
    ESTALE "stale file handle"
    EDQUOT "disk quota exceeded"
}
