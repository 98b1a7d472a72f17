//! How far the unpacking of something large is, on a terminal: a first run may take minutes. Nothing is shown
//! of what takes less than a second, and nothing of it stays.

use core::cell::Cell;

use bundle::Blob;

use crate::bytes::{decimal, fill, keep};
use crate::left_over::ANNOUNCED;
use crate::sys::{self, Fd, OFlags};

/// Since when, and when it was last shown, in seconds since 1970. A clock that is set meanwhile makes the
/// numbers wrong, not more.
pub struct Progress {
    since: i64,
    last: Cell<i64>,
    /// Whether somebody at a terminal sees it.
    seen: bool,
    /// Its time is set each second: runs that wait for this one see that it goes on.
    sign: Option<Fd>,
}

/// Bytes in a megabyte.
const MB: u64 = 1_000_000;

/// Over the line that was shown before; what stands behind the new one is cleared (ECMA-48, EL).
const LINE: &str = "\runibin: unpacking the {}: {} of {} MB, {} MB/s, {} s left\x1b[K";
const NO_LINE: &[u8] = b"\r\x1b[K";

impl Progress {
    /// Begins now, with what is unpacked into this directory.
    pub fn start(into: &Fd) -> &'static Self {
        Self::of(into, sys::stderr_is_terminal())
    }

    /// The same for what is small: only runs that wait for this one are shown that it goes on.
    pub fn unseen(into: &Fd) -> &'static Self {
        Self::of(into, false)
    }

    fn of(into: &Fd, seen: bool) -> &'static Self {
        let now = sys::unix_seconds();
        let sign = sys::openat(into.at(), c".", OFlags::DIRECTORY, 0).ok();
        keep(Self { since: now, last: Cell::new(now), seen, sign })
    }

    /// Shows, at most once a second, that `left` bytes of a blob are left.
    pub fn show(&self, blob: Blob<'_>, left: u64) {
        let now = sys::unix_seconds();
        if now == self.last.replace(now) {
            return;
        }
        let _ = self.sign.as_ref().map(|sign| sign.set_mtime(now));
        if !self.seen {
            return;
        }
        let done = blob.length().saturating_sub(left);
        let seconds = now.saturating_sub(self.since).unsigned_abs().max(1);
        let rate = (done / seconds).max(1);
        let [done, all, rate, rest] = [done / MB, blob.length() / MB, rate / MB, left / rate].map(decimal);
        // A terminal that is gone is not worth an error.
        let _ = sys::stderr(fill(LINE, &[blob.kind.name().as_bytes(), done, all, rate, rest]));
    }

    /// What follows shows nothing until it ends: runs that wait for this one may wait for so long.
    pub fn announce(&self) {
        let until = sys::unix_seconds().saturating_add(ANNOUNCED);
        let _ = self.sign.as_ref().map(|sign| sign.set_mtime(until));
    }

    /// Takes away what was shown.
    pub fn end(&self) {
        if self.seen && self.last.get() != self.since {
            let _ = sys::stderr(NO_LINE);
        }
    }
}
