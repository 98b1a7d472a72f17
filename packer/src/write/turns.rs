//! Work on several CPUs at once: as many threads as there are CPUs, and of those that need much memory only
//! as many as there is memory for. Results never depend on how many there were.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// Runs both at once.
pub(crate) fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), second)
    })
}

/// Runs `work` on every job, as many at once as there are CPUs; results come in the order of the jobs.
pub(crate) fn each<Job: Send, Done: Send>(jobs: Vec<Job>, work: impl Fn(Job) -> Done + Sync) -> Vec<Done> {
    each_with(cpus(), jobs, work)
}

/// Runs `work` on every job, in at most `threads` threads.
pub(crate) fn each_with<Job: Send, Done: Send>(
    threads: usize,
    jobs: Vec<Job>,
    work: impl Fn(Job) -> Done + Sync,
) -> Vec<Done> {
    let mut results: Vec<Option<Done>> = jobs.iter().map(|_| None).collect();
    let threads = threads.min(jobs.len());
    let queue = Mutex::new(jobs.into_iter().zip(&mut results));
    let take = || queue.lock().ok().and_then(|mut queue| queue.next());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((job, result)) = take() {
                    *result = Some(work(job));
                }
            });
        }
    });
    results.into_iter().flatten().collect()
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What all threads of this process that compress may use together.
pub(crate) struct Turns {
    threads: usize,
    /// In bytes.
    memory: u64,
    taken: Mutex<(usize, u64)>,
    freed: Condvar,
}

/// Given back when it is dropped.
pub(crate) struct Turn<'t> {
    of: &'t Turns,
    memory: u64,
}

impl Turns {
    /// Of this machine: all CPUs, and half of the memory that is free now.
    pub(crate) fn of_machine() -> &'static Self {
        static ALL: OnceLock<Turns> = OnceLock::new();
        ALL.get_or_init(|| Self::new(cpus(), available() / 2))
    }

    /// `threads` at once, with `memory` bytes together.
    pub(crate) fn new(threads: usize, memory: u64) -> Self {
        Self { threads, memory, taken: Mutex::default(), freed: Condvar::new() }
    }

    /// At most so many threads have a turn at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Waits until there is a CPU and `memory` bytes; with more than there is, until nobody else has a turn.
    pub(crate) fn take(&self, memory: u64) -> Turn<'_> {
        let fits = |taken: &mut (usize, u64)| {
            taken.0 == 0 || taken.0 < self.threads && taken.1.saturating_add(memory) <= self.memory
        };
        let taken = self.taken();
        let waited = self.freed.wait_while(taken, |taken| !fits(taken));
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner);
        taken.0 += 1;
        taken.1 = taken.1.saturating_add(memory);
        Turn { of: self, memory }
    }

    fn taken(&self) -> MutexGuard<'_, (usize, u64)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.0 = taken.0.saturating_sub(1);
        taken.1 = taken.1.saturating_sub(self.memory);
        self.of.freed.notify_all();
    }
}

/// proc(5): what can be used without swapping, in bytes; where that is not told, enough for one or two.
fn available() -> u64 {
    const UNKNOWN: u64 = 2 << 30;
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse().ok());
    number.map_or(UNKNOWN, |kilobytes: u64| kilobytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(each((0..100).collect(), |job: u32| job * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_memory_is_taken_than_there_is_but_for_what_is_alone() {
        let turns = Turns::new(4, 100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        each_with(8, vec![40, 60, 30, 200, 50, 50, 1, 100], |memory| {
            let turn = turns.take(memory);
            let with = now.fetch_add(memory, Ordering::SeqCst) + memory;
            assert!(with <= 100 || with == 200, "{with}");
            most.fetch_max(with, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(memory, Ordering::SeqCst);
            drop(turn);
        });
        assert_eq!(most.load(Ordering::SeqCst), 200);
        assert_eq!(*turns.taken(), (0, 0));
    }
}
