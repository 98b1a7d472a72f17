//! Tests run beside each other. If the tester is root, each sandbox has a user of its own; otherwise all have
//! the tester's. Then an entry of one sandbox's cache counts as used if a process of another sandbox uses an
//! entry of that name, since `unibin cache` and `UNIBIN_DO=gc` keep an entry in case of doubt. So a test that
//! counts used entries runs alone. The locks work between processes too, since nextest runs each test in its
//! own.

use std::cell::RefCell;
use std::fs::File;
use std::sync::{Arc, Weak};

use crate::processes::is_a_sandbox_alive;
use crate::unibin::kept;
use crate::until::until;

thread_local! {
    /// What the sandboxes of this thread's test hold: all of them the same, or the second would wait for the
    /// first.
    static HELD: RefCell<Weak<File>> = const { RefCell::new(Weak::new()) };
}

/// What a sandbox holds while it lives.
pub(crate) type Held = Arc<File>;

fn held() -> Option<Held> {
    HELD.with_borrow(Weak::upgrade)
}

fn hold(lock: File) -> Held {
    let lock = Arc::new(lock);
    HELD.set(Arc::downgrade(&lock));
    lock
}

fn lock() -> File {
    let path = kept().join("neighbours.lock");
    File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a lock")
}

/// Waits until no test is alone; none is then until this is dropped.
pub(crate) fn beside() -> Held {
    held().unwrap_or_else(|| {
        let lock = lock();
        lock.lock_shared().expect("locked");
        hold(lock)
    })
}

/// Waits until no other test has a sandbox; none has one then until this is dropped.
pub(crate) fn alone() -> Held {
    assert!(held().is_none(), "a test is alone before it has a sandbox");
    let lock = lock();
    lock.lock().expect("locked");
    let held = hold(lock);
    // A broker may outlive its app for a moment.
    until("what other tests have started has ended", || (!is_a_sandbox_alive()).then_some(()));
    held
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;

    use super::*;

    #[test]
    fn a_test_is_alone_or_beside_others_and_its_sandboxes_share_what_it_holds() {
        let refused = |locked: Result<(), TryLockError>| matches!(locked, Err(TryLockError::WouldBlock));
        let first = beside();
        let second = beside();
        drop(first);
        assert!(refused(lock().try_lock()), "another test is not alone");
        drop(second);

        let first = alone();
        let second = beside();
        drop(first);
        assert!(refused(lock().try_lock_shared()), "nobody is beside it");
        drop(second);
    }
}
