//! Progress of long transfers, for the caller to show.

/// Receives the progress of one transfer after another; all numbers are bytes.
pub trait Progress: Sync {
    /// A transfer called `label` starts, of `total` bytes.
    fn begin(&self, label: &str, total: u64);
    /// `bytes` more have arrived.
    fn advance(&self, bytes: u64);
    /// The transfer has ended, successfully or not.
    fn end(&self);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _label: &str, _total: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}
