//! A terminal: `tmux` shows what a program draws, and types.

use std::thread;
use std::time::Duration;

use crate::{Outcome, Sandbox};

/// One that runs a single program, and ends with it.
pub struct Terminal<'s> {
    sandbox: &'s Sandbox,
}

impl<'s> Terminal<'s> {
    /// A terminal of 80 columns and 24 lines that runs `line`; none where there is no `tmux`.
    pub fn open(sandbox: &'s Sandbox, line: &str) -> Option<Self> {
        std::process::Command::new("tmux").arg("-V").output().ok()?;
        let terminal = Self { sandbox };
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", line]).must_succeed();
        Some(terminal)
    }

    /// Types: words and names of keys as `tmux send-keys` knows them.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).must_succeed();
    }

    /// Waits until the screen shows `words`, and returns all of it.
    pub fn shows(&self, words: &str) -> String {
        until(|| {
            let screen = self.tmux(&["capture-pane", "-p"]).text();
            screen.contains(words).then_some(screen)
        })
    }

    /// Waits until the program has ended.
    pub fn ends(self) {
        until(|| (!self.tmux(&["has-session"]).status.success()).then_some(()));
    }

    fn tmux(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.sandbox.command("tmux");
        let own = command.env("TMUX_TMPDIR", self.sandbox.home()).env("LC_ALL", "C.UTF-8");
        Sandbox::finish(own.args(["-f", "/dev/null"]).args(arguments))
    }
}

/// Waits for what `look` finds; a test that waits in vain is stopped from outside.
pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(found) => return found,
            None => thread::sleep(Duration::from_millis(100)),
        }
    }
}
