//! Progress of long work, with `indicatif`, which is used here only: bytes, rate and remaining time on a
//! terminal, nothing in a pipe.

use std::sync::{Mutex, PoisonError};

use debian::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The progress lines of everything that runs at once, on standard error; hidden if that is not a terminal.
#[derive(Debug, Default)]
pub(crate) struct Bars(MultiProgress);

impl Bars {
    /// A line for the work on `subject`.
    pub(crate) fn bar(&self, subject: &str) -> Bar {
        Bar { lines: self.0.clone(), subject: subject.to_owned(), shown: Mutex::default() }
    }
}

/// One line: shows one piece of work after another.
#[derive(Debug)]
pub(crate) struct Bar {
    lines: MultiProgress,
    subject: String,
    shown: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn begin(&self, label: &str, total: Option<u64>) {
        let bar = self.lines.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        let template = match total {
            Some(_) => "{prefix} {bar:12} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
            None => "{prefix} {spinner} {bytes} {bytes_per_sec} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(self.subject.clone());
        bar.set_message(label.to_owned());
        *self.slot() = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        self.slot().iter().for_each(|bar| bar.inc(bytes));
    }

    fn end(&self) {
        self.slot().take().iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl oci::Progress for Bar {
    fn begin(&self, label: &str, total: u64) {
        Progress::begin(self, label, Some(total));
    }

    fn advance(&self, bytes: u64) {
        Progress::advance(self, bytes);
    }

    fn end(&self) {
        Progress::end(self);
    }
}

/// Work whose progress is shown on a line until it is dropped; without a line, silently. Several threads may
/// do it.
pub(crate) struct Shown<'b> {
    bar: Option<&'b Bar>,
}

impl<'b> Shown<'b> {
    /// `total` bytes, with which this is done.
    pub(crate) fn begin(bar: Option<&'b Bar>, doing: &str, total: u64) -> Self {
        if let Some(bar) = bar {
            Progress::begin(bar, doing, Some(total));
        }
        Self { bar }
    }

    /// Shows nothing.
    pub(crate) fn nowhere() -> Self {
        Self { bar: None }
    }

    /// So many bytes more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        if let Some(bar) = self.bar {
            Progress::advance(bar, bytes);
        }
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar {
            Progress::end(bar);
        }
    }
}
