//! Processes that a script leaves behind. While the script runs, this process takes in those whose parents
//! have ended; afterwards it ends them, since whatever they still do would be lost or half done.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{self, Pid, Signal, WaitOptions};

/// Between two looks at what is left.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes in what is left behind, as long as it lives.
pub(super) struct Foster {
    /// Children that were there before.
    before: HashSet<Pid>,
}

impl Foster {
    /// From now on. An old kernel that cannot leaves such processes to init.
    pub(super) fn new() -> Self {
        let _ = process::set_child_subreaper(Some(process::getpid()));
        Self { before: children() }
    }

    /// Waits until everything has ended that the script has started, but no longer than `patience`; then ends
    /// what is left. How many processes that were.
    pub(super) fn end(self, patience: Duration) -> usize {
        let begin = Instant::now();
        let mut ended = HashSet::new();
        loop {
            let left = self.left();
            if left.is_empty() {
                return ended.len();
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

    /// What still runs; what has ended is buried.
    fn left(&self) -> Vec<Pid> {
        let mut left: Vec<Pid> = children().difference(&self.before).copied().collect();
        left.retain(|pid| match process::waitpid(Some(*pid), WaitOptions::NOHANG) {
            Ok(ended) => ended.is_none(),
            Err(error) => error == Errno::INTR,
        });
        left
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
        let run = |script: &str| {
            let foster = Foster::new();
            let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
            assert!(output.status.success());
            (foster, String::from_utf8(output.stdout).expect("text").trim().to_owned())
        };
        // A daemon with a child of its own, and none of our descriptors.
        let (foster, pid) = run("(sleep 1000 & sleep 1000 & wait) >/dev/null 2>&1 & echo $!");
        assert!(fs::metadata(format!("/proc/{pid}")).is_ok(), "it outlives the script");
        assert!(foster.end(Duration::ZERO) >= 1);
        assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "it is gone");

        let (foster, _) = run("sleep 0.2 >/dev/null 2>&1 &");
        assert_eq!(foster.end(Duration::from_mins(1)), 0);
    }
}
