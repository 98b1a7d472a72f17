//! The outcome of a run: status and output, and the two assertions that tests make about them.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};

/// A finished process.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl From<Output> for Outcome {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        Self { status, stdout, stderr }
    }
}

impl Outcome {
    /// The exit code; `None` when a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the process.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output of a run that must end with code 0.
    #[track_caller]
    pub fn must_succeed(&self) -> String {
        assert!(self.status.success(), "it failed: {self}");
        self.text()
    }

    /// Standard error of a run that must end with `code`, say something, and say it in one message.
    #[track_caller]
    pub fn must_fail(&self, code: i32) -> String {
        assert_eq!(self.code(), Some(code), "another end than code {code}: {self}");
        let errors = self.errors();
        assert!(errors.starts_with("unibin: "), "the message does not say whose it is: {self}");
        errors
    }

    /// As [`Self::must_fail`], and the message must hold each of `words`.
    #[track_caller]
    pub fn must_fail_with(&self, code: i32, words: &[&str]) -> String {
        let errors = self.must_fail(code);
        for word in words {
            assert!(errors.contains(word), "the message lacks `{word}`: {self}");
        }
        errors
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nstdout: {}\nstderr: {}", self.status, self.text(), self.errors())
    }
}
