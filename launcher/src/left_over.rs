//! What is not finished in a cache: whether whoever makes it may still be at work, or it is left over.

use crate::bytes::{c_string, join, zeroed};
use crate::hash::Sha256;
use crate::proc;
use crate::sys::{self, Access, At};

/// Names of everything that is not finished begin with this; the stub's own temporary directories do too.
pub const UNFINISHED: &[u8] = b".new-";

/// A run that showed within so many seconds that it goes on may still be unpacking, with or without the lock.
const ALIVE_FOR: i64 = 60;

/// So many seconds ahead a run sets its sign of life before it syncs, since it shows nothing until that ends.
pub const ANNOUNCED: i64 = 600;

/// A time so many seconds ahead is nobody's sign of life but left from a clock that was wrong. A clock that
/// is set back by less makes a run look alive for longer.
const CLOCK_WRONG_BY: i64 = 24 * 3600;

/// Whether a run that last showed at `shown` that it goes on may still do so at `now`.
pub fn may_be_alive(shown: i64, now: i64) -> bool {
    (now.saturating_sub(ALIVE_FOR)..=now.saturating_add(CLOCK_WRONG_BY)).contains(&shown)
}

/// Whether the process is known to be gone that made an unfinished directory, `.new-<slot>-<here>-<pid>-...`.
/// The names of older launchers do not tell.
pub fn was_made_by_dead(name: &[u8], here: Option<&[u8]>) -> bool {
    let mut parts = name.strip_prefix(UNFINISHED).unwrap_or_default().splitn(3, |byte| *byte == b'-').skip(1);
    here.is_some() && parts.next() == here && parts.next().is_some_and(has_ended)
}

/// The length of a UUID, as which the kernel names a boot (random(4)).
const UUID: usize = 36;

/// What the kernel calls this boot of this machine.
pub fn boot_id() -> Option<&'static [u8]> {
    // Where something else is bound over it, it may be empty, in every boot.
    proc::read(c"/proc/sys/kernel/random/boot_id", zeroed(64))?.get(..UUID)
}

/// Where a number of a process means the same: since the machine's start, in one namespace.
pub fn here() -> Option<&'static [u8]> {
    named_by(sys::readlinkat(At::CWD, c"/proc/self/ns/pid").ok()?.to_bytes())
}

/// This boot of the machine.
pub fn boot() -> Option<&'static [u8]> {
    named_by(b"")
}

/// A name for something in this boot.
fn named_by(something: &[u8]) -> Option<&'static [u8]> {
    let digest = Sha256::of(join(&[boot_id()?, something]));
    Some(join(&[digest.to_hex().get(..16)?]))
}

/// Whether the process whose number a name begins with is gone. A stub in a container of its own, which looks
/// gone from here, finds its directory missing and takes the next candidate.
pub fn has_ended(name: &[u8]) -> bool {
    let pid = name.split(|byte| *byte == b'-').next().unwrap_or_default();
    let is_there = |path| sys::faccessat(At::CWD, path, Access::Exists).is_ok();
    is_there(c"/proc/self") && !is_there(c_string(&[b"/proc/", pid]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_shows_life_or_announces_a_sync_is_nobodys_left_over() {
        let now = 2_000_000_000;
        for (ago, alive) in [(0, true), (59, true), (61, false), (-ANNOUNCED, true), (-7200, true)] {
            assert_eq!(may_be_alive(now - ago, now), alive, "{ago} s ago");
        }
        // Nobody announces as much: a clock was wrong.
        assert!(!may_be_alive(now + CLOCK_WRONG_BY + 1, now));
    }

    #[test]
    fn only_a_process_of_this_boot_and_namespace_is_known_to_be_dead() {
        let here = here();
        let name =
            |here: &[u8], pid: &str| join(&[b".new-0123456789abcdef-", here, b"-", pid.as_bytes(), b"-0"]);
        let (ours, own) = (here.expect("/proc"), std::process::id().to_string());
        assert!(was_made_by_dead(name(ours, "4194305"), here));
        assert!(!was_made_by_dead(name(ours, &own), here));
        assert!(!was_made_by_dead(name(b"0123456789abcdef", "4194305"), here));
        assert!(!was_made_by_dead(name(b"", "4194305"), None));
        assert!(!was_made_by_dead(b".new-0123456789abcdef-0011223344556677", here));
    }
}
