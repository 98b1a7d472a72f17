//! Waits for another process to do something, but not for ever.

use std::thread;
use std::time::{Duration, Instant};

/// As long as a slow machine may need for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for what `look` finds.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None => thread::sleep(Duration::from_millis(20)),
        }
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
    }
}
