//! How much may be written for input that nobody vouches for: a bound on what stored bytes may unpack to, and
//! the space that is free.

use std::io::{self, Read};
use std::path::Path;

use crate::error::Error;

/// What is stored may unpack to this many times as much. Programs, libraries and texts come to 3 to 20; a
/// Zstandard frame can claim 30000 (blocks of 128 KiB for 4 bytes, RFC 8878, 3.1.1.2).
const RATIO: u64 = 1000;
/// And to this many bytes more, whatever is stored: disk images are mostly zeros.
const MORE: u64 = 1 << 30;

/// The most bytes that `stored` bytes may unpack to.
pub(crate) fn unpacked_max(stored: u64) -> u64 {
    stored.saturating_mul(RATIO).saturating_add(MORE)
}

/// Why an archive is refused that unpacks to more.
pub(crate) fn too_much() -> io::Error {
    io::Error::other("it unpacks to more than is plausible for its size")
}

/// Refuses to write `bytes` where there is less free space. `directory` is where the first of them go; it
/// need not exist yet, but what it is in must.
pub(crate) fn check_free(directory: &Path, bytes: u64) -> Result<(), Error> {
    let there = directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    // A file system that does not say is none that is known to be full.
    let Some(found) = rustix::fs::statvfs(there).ok().filter(|found| found.f_blocks != 0) else {
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if bytes <= free { Ok(()) } else { Err(Error::NoSpace { path: there.to_owned(), bytes, free }) }
}

/// A reader that fails where more than `left` bytes come out of it.
pub(crate) struct Bounded<R> {
    from: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    /// What `stored` bytes may unpack to.
    pub(crate) fn unpacked(from: R, stored: u64) -> Self {
        Self { from, left: unpacked_max(stored) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(too_much)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_more_than_its_bound_ends_in_an_error_and_nothing_is_lost_before() {
        let most = unpacked_max(10);
        assert_eq!(most, 10 * RATIO + MORE);
        let piece = &mut vec![0; 1 << 20];
        let mut read = |length| {
            let mut from = Bounded::unpacked(io::repeat(1).take(length), 10);
            let mut all = 0;
            loop {
                match from.read(piece) {
                    Ok(0) => return Ok(all),
                    Ok(read) => all += read as u64,
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        assert_eq!(read(most), Ok(most));
        assert!(read(most + 1).is_err_and(|error| error.contains("more than is plausible")));
        assert_eq!(unpacked_max(u64::MAX), u64::MAX);
    }

    #[test]
    fn more_than_what_is_free_is_refused_also_where_the_directory_is_still_to_be_made() {
        let directory = std::env::temp_dir().join("not made yet");
        check_free(&directory, 1).expect("a byte is free");
        let refused = check_free(&directory, u64::MAX).expect_err("nobody has that").to_string();
        assert!(refused.contains("are free in"), "{refused}");
    }
}
