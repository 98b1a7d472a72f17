//! Work on several CPUs at once: as many threads as there are CPUs, and of those that need much memory only
//! as many as there is memory for. Results never depend on how many there were.

use std::num::NonZero;
use std::path::Path;
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
fn each_with<Job: Send, Done: Send>(
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

/// Runs `work` on every job, each with the memory in bytes that it needs. Jobs begin in their order and not
/// before they have their memory: so one may wait for what those before it do. Results come in that order.
pub(crate) fn each_in_order<Job: Send, Done: Send>(
    turns: &Turns,
    jobs: Vec<(u64, Job)>,
    work: impl Fn(Job) -> Done + Sync,
) -> Vec<Done> {
    let mut results: Vec<Option<Done>> = jobs.iter().map(|_| None).collect();
    let threads = turns.threads.min(jobs.len());
    let queue = Mutex::new(jobs.into_iter().zip(&mut results));
    let take = || {
        let mut queue = queue.lock().ok()?;
        let ((memory, job), result) = queue.next()?;
        Some((turns.take(memory), job, result))
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((_turn, job, result)) = take() {
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

/// The CPUs and the memory that all compressing threads of this process share.
pub(crate) struct Turns {
    threads: usize,
    /// In bytes.
    memory: u64,
    taken: Mutex<(usize, u64)>,
    freed: Condvar,
}

/// A thread's share, which is given back when this is dropped.
pub(crate) struct Turn<'t> {
    of: &'t Turns,
    memory: u64,
}

impl Turns {
    /// All CPUs of this machine, and half of the memory that is free now.
    pub(crate) fn of_machine() -> &'static Self {
        static ALL: OnceLock<Turns> = OnceLock::new();
        ALL.get_or_init(|| Self::new(cpus(), available() / 2))
    }

    /// `threads` at once, with `memory` bytes together.
    pub(crate) fn new(threads: usize, memory: u64) -> Self {
        Self { threads, memory, taken: Mutex::default(), freed: Condvar::new() }
    }

    /// How many threads may each keep `memory` bytes from one turn to the next; at least one.
    pub(crate) fn threads_with(&self, memory: u64) -> usize {
        let most =
            self.memory.checked_div(memory).map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
        self.threads.min(most).max(1)
    }

    /// Waits until a CPU and `memory` bytes are free; for more memory than there is, until nobody else has a
    /// turn.
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

/// A value that several threads add to in the order of their numbers, whichever is ready first.
pub(crate) struct InOrder<T> {
    /// Whose turn it is; `None` when one of them gave up.
    next: Mutex<(Option<usize>, T)>,
    changed: Condvar,
}

/// One thread's place in the order. Dropping it means giving up; then nobody behind it waits.
pub(crate) struct Place<'o, T> {
    of: &'o InOrder<T>,
    number: usize,
    passed: bool,
}

impl<T> InOrder<T> {
    pub(crate) fn new(sum: T) -> Self {
        Self { next: Mutex::new((Some(0), sum)), changed: Condvar::new() }
    }

    /// The place with this number; the first is 0, and each is taken once.
    pub(crate) fn place(&self, number: usize) -> Place<'_, T> {
        Place { of: self, number, passed: false }
    }

    /// The value after all have added to it.
    pub(crate) fn finish(self) -> T {
        self.next.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Takes the value, and puts `other` in its place.
    pub(crate) fn take(&self, other: T) -> T {
        std::mem::replace(&mut self.locked().1, other)
    }

    fn locked(&self) -> MutexGuard<'_, (Option<usize>, T)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Place<'_, T> {
    /// Waits until all before it have passed, and adds to the sum; `None` when one of them gave up.
    pub(crate) fn pass<Done>(mut self, add: impl FnOnce(&mut T) -> Done) -> Option<Done> {
        let is_later = |next: &mut (Option<usize>, T)| next.0.is_some_and(|next| next < self.number);
        let waited = self.of.changed.wait_while(self.of.locked(), is_later);
        let mut next = waited.unwrap_or_else(PoisonError::into_inner);
        next.0?;
        let done = add(&mut next.1);
        next.0 = Some(self.number + 1);
        self.passed = true;
        self.of.changed.notify_all();
        Some(done)
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if !self.passed {
            self.of.locked().0 = None;
            self.of.changed.notify_all();
        }
    }
}

/// The memory that this process can use without being killed or swapped, in bytes: the machine's, as far as
/// control groups allow it.
fn available() -> u64 {
    of_machine().min(of_control_groups(Path::new("/sys/fs/cgroup")))
}

/// What the control groups of this process leave it (cgroups(7), version 2): in a container its own is the
/// first one. Pages of files that were not used for some time are given back when memory is asked for.
fn of_control_groups(mounted: &Path) -> u64 {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let left = |group: &Path| {
        let number = |name: &str| read_number(&std::fs::read_to_string(group.join(name)).ok()?);
        let statistics = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let unused = statistics.lines().find_map(|line| line.strip_prefix("inactive_file "));
        let unused = unused.and_then(read_number).unwrap_or_default();
        Some(number("memory.max")?.saturating_sub(number("memory.current")?.saturating_sub(unused)))
    };
    let group = mounted.join(own);
    let groups = group.ancestors().take_while(|group| group.starts_with(mounted));
    groups.filter_map(left).min().unwrap_or(u64::MAX)
}

fn read_number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The machine's memory that can be used without swapping (proc(5)); if the kernel does not report it, enough
/// for one or two threads.
fn of_machine() -> u64 {
    const UNKNOWN: u64 = 2 << 30;
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(read_number);
    number.map_or(UNKNOWN, |kilobytes: u64| kilobytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_control_groups_leave_is_what_the_tightest_leaves() {
        let mounted = tempfile::tempdir().expect("a directory");
        assert_eq!(of_control_groups(mounted.path()), u64::MAX, "nothing is told");
        let write =
            |name: &str, text: &str| std::fs::write(mounted.path().join(name), text).expect("written");
        write("memory.current", "900\n");
        write("memory.max", "max\n");
        assert_eq!(of_control_groups(mounted.path()), u64::MAX, "no limit");
        write("memory.max", "1000\n");
        assert_eq!(of_control_groups(mounted.path()), 100);
        write("memory.stat", "anon 400\ninactive_file 500\n");
        assert_eq!(of_control_groups(mounted.path()), 600);
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(each((0..100).collect(), |job: u32| job * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_in_order_is_added_in_order_and_nobody_waits_for_who_gave_up() {
        let order = InOrder::new(Vec::new());
        let add = |number: usize| order.place(number).pass(|sum| sum.push(number));
        thread::scope(|scope| {
            let later = [2, 1].map(|number| scope.spawn(move || add(number)));
            assert_eq!(add(0), Some(()));
            assert!(later.into_iter().all(|later| later.join().expect("it ends") == Some(())));
            let behind = scope.spawn(|| add(4));
            drop(order.place(3));
            assert_eq!(behind.join().expect("it ends"), None);
        });
        assert_eq!(order.take(Vec::new()), [0, 1, 2]);
    }

    #[test]
    fn who_waits_for_those_before_it_waits_for_none_that_lacks_its_memory() {
        let turns = Turns::new(4, 100);
        for _ in 0..50 {
            let order = InOrder::new(Vec::new());
            let jobs = [60, 60, 30, 200, 10, 90].into_iter().enumerate();
            let done =
                each_in_order(&turns, jobs.map(|(number, memory)| (memory, number)).collect(), |number| {
                    order.place(number).pass(|sum| sum.push(number));
                    number
                });
            assert_eq!(done, [0, 1, 2, 3, 4, 5]);
            assert_eq!(order.take(Vec::new()), done);
        }
        assert_eq!(*turns.taken(), (0, 0));
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
