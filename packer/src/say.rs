//! The only place that writes to standard output and standard error, and that knows the form of a message.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::error::{Code, Error};

/// Prints the output of a command. Its reader may stop reading.
pub(crate) fn output(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            line("error", &format!("cannot write to standard output: {error}"));
            ExitCode::from(Code::Failure as u8)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints why a command failed; returns its exit code.
pub(crate) fn failure(error: &Error) -> ExitCode {
    message(error);
    ExitCode::from(error.code() as u8)
}

/// Prints an error and its hint.
pub(crate) fn message(error: &Error) {
    line("error", &error.text());
    if let Some(hint) = error.hint() {
        line("hint", &hint);
    }
}

/// Prints a warning: something that the user should know, but that is no failure.
pub(crate) fn warning(text: &str) {
    line("warning", text);
}

fn line(kind: &str, text: &str) {
    // If standard error is closed, there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{kind}: {}", harmless(text));
}

/// A text of lines as crate `bundle` shows it: nothing in it steers a terminal. Names are on one line
/// already, see [`crate::error::readable`].
fn harmless(text: &str) -> String {
    let mut harmless = Vec::with_capacity(text.len());
    bundle::show(text.as_bytes(), bundle::Kind::Lines, &mut |piece| harmless.extend_from_slice(piece));
    String::from_utf8(harmless).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        assert_eq!(harmless("a\x1b[2J\r\u{9b}b\x7f\n\tü"), "a\\x1b[2J\\r\\x9bb\\x7f\n\tü");
    }
}
