//! A terminal: `tmux` shows what a program draws, and types.

use std::thread;
use std::time::{Duration, Instant};

use crate::until::{PATIENCE, until};
use crate::{Outcome, Sandbox};

/// One that runs a single program, and ends with it; or with the test.
pub struct Terminal<'s> {
    sandbox: &'s Sandbox,
}

impl<'s> Terminal<'s> {
    /// A terminal of 80 columns and 24 lines that runs `line`.
    pub fn open(sandbox: &'s Sandbox, line: &str) -> Self {
        let terminal = Self { sandbox };
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", line]).must_succeed();
        terminal
    }

    /// Types: words and names of keys as `tmux send-keys` knows them.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).must_succeed();
    }

    /// Waits for a screen that `is` what is waited for, and returns all of it.
    pub fn shows(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]).text();
            if is(&screen) {
                return screen;
            }
            assert!(begin.elapsed() < PATIENCE, "never on the screen: {what}\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program has ended.
    pub fn ends(self) {
        until("the end of the program", || (!self.tmux(&["has-session"]).status.success()).then_some(()));
    }

    fn tmux(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.sandbox.command("tmux");
        let own = command.env("TMUX_TMPDIR", self.sandbox.home()).env("LC_ALL", "C.UTF-8");
        Sandbox::finish(own.args(["-f", "/dev/null"]).args(arguments))
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // It has ended already where all went well.
        drop(self.tmux(&["kill-server"]));
    }
}
