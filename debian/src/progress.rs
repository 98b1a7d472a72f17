//! Progress of long transfers, for the caller to show.

/// Receives the progress of one transfer after another; all numbers are bytes.
pub trait Progress: Sync {
    /// A transfer called `label` starts; `total` bytes are expected where that is known.
    fn begin(&self, label: &str, total: Option<u64>);
    /// `bytes` more have arrived (or were there already, after a resumed transfer began).
    fn advance(&self, bytes: u64);
    /// The transfer has ended, successfully or not.
    fn end(&self);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _label: &str, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}

/// Calls `end` when it goes out of scope.
pub(crate) struct Running<'a>(&'a dyn Progress);

impl<'a> Running<'a> {
    pub(crate) fn begin(progress: &'a dyn Progress, label: &str, total: Option<u64>) -> Self {
        progress.begin(label, total);
        Self(progress)
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
