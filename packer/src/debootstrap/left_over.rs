//! Processes that a script leaves behind. While the script runs, this process adopts those whose parents have
//! ended (`PR_SET_CHILD_SUBREAPER`); afterwards it ends them, since whatever they still do would be lost or
//! half done. It may adopt others too, as the first process of a container does, and leaves those alone.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{self, Pid, Signal, WaitOptions};

/// The pause between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a killed process may take to end: the kernel may keep one that waits for a disk or a server.
const KILLING: Duration = Duration::from_secs(10);

/// What happened to the processes that were left.
#[derive(Debug)]
pub(super) struct Ended {
    /// How many processes were killed.
    pub(super) ended: usize,
    /// Processes that have not ended nevertheless.
    pub(super) left: Vec<Pid>,
}

/// Adopts processes that are left behind, as long as it lives.
pub(super) struct Foster {
    /// Children that this process had before.
    before: HashSet<Pid>,
    /// A name that only processes of the script have in their environment or among their mounts.
    mark: Vec<u8>,
}

impl Foster {
    /// Adopts from now on. An old kernel that cannot do this leaves such processes to init.
    pub(super) fn new(mark: &[u8]) -> Self {
        let _ = process::set_child_subreaper(Some(process::getpid()));
        Self { before: children(), mark: mark.to_owned() }
    }

    /// Waits until everything has ended that the script has started, but no longer than `patience`; then ends
    /// what is left, as far as that can be done.
    pub(super) fn end(self, patience: Duration) -> Ended {
        self.end_within(patience, KILLING)
    }

    fn end_within(self, patience: Duration, killing: Duration) -> Ended {
        let begin = Instant::now();
        let mut ended = HashSet::new();
        loop {
            let left = self.left();
            if left.is_empty() || begin.elapsed() >= patience.saturating_add(killing) {
                return Ended { ended: ended.len(), left };
            }
            if begin.elapsed() >= patience {
                for pid in left {
                    // It may have ended by itself just now. What it has started itself is next.
                    if process::kill_process(pid, Signal::KILL).is_ok() {
                        ended.insert(pid);
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// The processes that still run. Those that have ended are reaped.
    fn left(&self) -> Vec<Pid> {
        let mut left: Vec<Pid> = children().difference(&self.before).copied().collect();
        left.retain(|pid| match process::waitpid(Some(*pid), WaitOptions::NOHANG) {
            Ok(ended) => ended.is_none(),
            Err(error) => error == Errno::INTR,
        });
        left.retain(|pid| self.is_of_script(*pid));
        left
    }

    /// Some programs clear their environment, or write over it; and an emulated one may have no mounts of its
    /// own.
    fn is_of_script(&self, pid: Pid) -> bool {
        ["environ", "mountinfo"].iter().any(|name| {
            let text = fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero())).unwrap_or_default();
            text.windows(self.mark.len().max(1)).any(|part| part == self.mark)
        })
    }
}

impl Drop for Foster {
    fn drop(&mut self) {
        let _ = process::set_child_subreaper(None);
    }
}

/// The children of this process: proc(5), fourth field of `/proc/PID/stat`.
fn children() -> HashSet<Pid> {
    let own = process::getpid().as_raw_nonzero().get();
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything.
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let text = String::from_utf8_lossy(stat.get(end + 1..)?).into_owned();
        let parent: i32 = text.split_whitespace().nth(1)?.parse().ok()?;
        (parent == own).then(|| Pid::from_raw(pid)).flatten()
    });
    processes.collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_script_leaves_running_is_ended_and_what_ends_by_itself_is_waited_for() {
        let mark = format!("left-over-{}", std::process::id());
        let run = |script: &str| {
            let foster = Foster::new(mark.as_bytes());
            let mut shell = Command::new("sh");
            let output = shell.args(["-c", script]).env("MARK", &mark).output().expect("a shell");
            assert!(output.status.success());
            (foster, String::from_utf8(output.stdout).expect("text").trim().to_owned())
        };
        // A daemon with a child of its own, and none of our descriptors.
        let (foster, pid) = run("(sleep 1000 & sleep 1000 & wait) >/dev/null 2>&1 & echo $!");
        assert!(fs::metadata(format!("/proc/{pid}")).is_ok(), "it outlives the script");
        let Ended { ended, left } = foster.end(Duration::ZERO);
        assert!(ended >= 1 && left.is_empty(), "{left:?}");
        assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "it is gone");

        let (foster, _) = run("sleep 0.2 >/dev/null 2>&1 &");
        assert_eq!(foster.end(Duration::from_mins(1)).ended, 0);

        // As a container's first process, it takes in what others have started.
        let (foster, stranger) = run("MARK= sleep 1000 >/dev/null 2>&1 & echo $!");
        // Until then it is a copy of the shell.
        while !fs::read(format!("/proc/{stranger}/cmdline")).expect("it runs").starts_with(b"sleep\0") {
            thread::sleep(PAUSE);
        }
        let Ended { ended, left } = foster.end(Duration::ZERO);
        assert!(ended == 0 && left.is_empty(), "{left:?}");
        let stranger = Pid::from_raw(stranger.parse().expect("a number")).expect("a process");
        process::kill_process(stranger, Signal::KILL).expect("it runs still");

        // What does not end at once is told.
        let (foster, pid) = run("sleep 1000 >/dev/null 2>&1 & echo $!");
        let left = foster.end_within(Duration::ZERO, Duration::ZERO).left;
        assert_eq!(left.iter().map(ToString::to_string).collect::<Vec<_>>(), [pid]);
        process::kill_process(left[0], Signal::KILL).expect("it runs still");
    }
}
