//! How far transfers are, with `indicatif`, which is touched here only: bytes, rate and time left on a terminal, nothing
//! in a pipe.

use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The lines of all transfers, on standard error; hidden when that is no terminal.
#[derive(Debug, Default)]
pub(crate) struct Bars(MultiProgress);

impl Bars {
    /// A line for what is done for `subject`.
    pub(crate) fn bar(&self, subject: &str) -> Bar {
        Bar { lines: self.0.clone(), subject: subject.to_owned(), shown: Mutex::default() }
    }
}

/// One line: shows one transfer after another.
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

impl debian::Progress for Bar {
    fn begin(&self, label: &str, total: Option<u64>) {
        let bar = self.lines.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        let template = match total {
            Some(_) => "{prefix} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
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
