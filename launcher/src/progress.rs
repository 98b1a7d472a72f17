//! How far the unpacking of something large is, on a terminal: a first run may take minutes. Nothing is shown
//! of what takes less than a second, and nothing of it stays. The processes that unpack together count here.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use bundle::Blob;

use crate::bytes::{decimal, fill};
use crate::error::Error;
use crate::sys::{self, Fd, Shared};

/// Since when, in seconds since 1970, and what is shared. A clock that is set meanwhile makes the numbers
/// that are shown wrong, and nothing else.
pub struct Progress {
    since: i64,
    /// Whether somebody at a terminal sees it.
    seen: bool,
    /// Its time is set each second: runs that wait for this one see that it goes on.
    sign: Option<Fd>,
    shared: Shared,
}

/// The frame that is taken next.
pub const NEXT: usize = 0;
/// How many bytes are unpacked.
const DONE: usize = 1;
/// When that was last shown.
const LAST: usize = 2;
/// Whether a file did not get the owner that it has in a system.
pub const UNOWNED: usize = 3;
/// Whether a process has failed; then its exit code, and how long its message is.
const FAILED: usize = 4;
const CODE: usize = 5;
const LENGTH: usize = 6;
/// How many frames of files are written.
pub const FRAMES: usize = 7;

/// Bytes in a megabyte.
const MB: u64 = 1_000_000;

/// Over the line that was shown before; what stands behind the new one is cleared (ECMA-48, EL).
const LINE: &str = "\runibin: unpacking the {}: {} of {} MB, {} MB/s, {} s left\x1b[K";
const NO_LINE: &[u8] = b"\r\x1b[K";

impl Progress {
    /// Begins now, with what is unpacked into this directory.
    pub fn start(into: &Fd) -> Result<Self, Error> {
        Self::of(into, sys::stderr_is_terminal())
    }

    /// The same for what is small: only runs that wait for this one are shown that it goes on.
    pub fn unseen(into: &Fd) -> Result<Self, Error> {
        Self::of(into, false)
    }

    fn of(into: &Fd, seen: bool) -> Result<Self, Error> {
        let since = sys::unix_seconds();
        let sign = into.reopened().ok();
        let shared = Shared::new().map_err(|_| Error::no_memory())?;
        let progress = Self { since, seen, sign, shared };
        progress.number(LAST).store(since.unsigned_abs(), SeqCst);
        Ok(progress)
    }

    /// What all processes count in.
    pub fn number(&self, number: usize) -> &AtomicU64 {
        // None is beyond the last.
        self.shared.numbers().get(number).unwrap_or(&self.shared.numbers()[NEXT])
    }

    /// Another blob begins.
    pub fn begin(&self) {
        self.number(DONE).store(0, SeqCst);
    }

    /// Shows, at most once a second, that so many bytes more of a blob are done.
    pub fn advance(&self, blob: Blob<'_>, more: u64) {
        let done = self.number(DONE).fetch_add(more, SeqCst).saturating_add(more);
        let now = sys::unix_seconds();
        if now.unsigned_abs() == self.number(LAST).swap(now.unsigned_abs(), SeqCst) {
            return;
        }
        self.sign();
        if !self.seen {
            return;
        }
        let left = blob.length().saturating_sub(done);
        let seconds = now.saturating_sub(self.since).unsigned_abs().max(1);
        let rate = (done / seconds).max(1);
        let [done, all, rate, rest] = [done / MB, blob.length() / MB, rate / MB, left / rate].map(decimal);
        // A terminal that is gone is not worth an error.
        let _ = sys::stderr(fill(LINE, &[blob.kind.name().as_bytes(), done, all, rate, rest]));
    }

    /// Shows those who wait that this goes on.
    pub fn sign(&self) {
        let _ = self.sign.as_ref().map(|sign| sign.set_mtime(sys::unix_seconds()));
    }

    /// Takes away what was shown.
    pub fn end(&self) {
        if self.seen && self.number(LAST).load(SeqCst) != self.since.unsigned_abs() {
            let _ = sys::stderr(NO_LINE);
        }
    }

    /// Leaves an error to the process that waits for this one. The first one counts.
    pub fn fail(&mut self, error: Error) {
        if self.number(FAILED).swap(1, SeqCst) == 0 {
            self.shared.put_text(error.text());
            self.number(CODE).store(u64::from(error.code().unsigned_abs()), SeqCst);
            self.number(LENGTH).store(error.text().len() as u64, SeqCst);
        }
    }

    /// What another process has left.
    pub fn failure(&self) -> Option<Error> {
        let length = usize::try_from(self.number(LENGTH).load(SeqCst)).ok().filter(|length| *length != 0)?;
        let code = i32::try_from(self.number(CODE).load(SeqCst)).ok()?;
        Some(Error::again(code, self.shared.text(length)))
    }
}
