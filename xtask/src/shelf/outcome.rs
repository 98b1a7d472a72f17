//! The outcome of a script: how it ended, what it printed, which files it made, and what it left running.

use std::collections::BTreeMap;

/// How many letters of the begin of an output are shown, and of its end.
const SHOWN: usize = 300;

/// What came of a script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Whether it was ended for its time.
    pub(crate) too_long: bool,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: Vec<u8>,
    /// The files that it was to make, as far as they are there.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What it left running.
    pub(crate) left: Vec<String>,
}

impl Outcome {
    /// What a row says.
    pub(crate) fn stored(code: i32, output: String, files: BTreeMap<String, String>) -> Self {
        let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        Self { code: Some(code), stdout: output.into_bytes(), files, ..Self::default() }
    }

    /// How it ended, in words.
    pub(crate) fn end(&self) -> String {
        match self.code {
            _ if self.too_long => "its time being up".to_owned(),
            Some(code) => format!("code {code}"),
            None => "a signal".to_owned(),
        }
    }

    /// What it wrote, for whoever looks for the reason.
    pub(crate) fn words(&self) -> Vec<String> {
        let all = [("stderr", &self.stderr), ("stdout", &self.stdout)];
        let written = all.into_iter().filter(|(_, bytes)| !bytes.trim_ascii().is_empty());
        written.map(|(name, bytes)| format!("{name}: {}", shortened(bytes))).collect()
    }
}

/// Begin and end of a text: one of both tells what went wrong.
pub(crate) fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let letters: Vec<char> = text.trim().chars().collect();
    if letters.len() <= 2 * SHOWN {
        return letters.into_iter().collect();
    }
    let (begin, end) = (&letters[..SHOWN], &letters[letters.len() - SHOWN..]);
    format!("{} [...] {}", begin.iter().collect::<String>(), end.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_begin_and_end_are_shown() {
        let stderr = format!("begin{}end", "ä".repeat(3 * SHOWN)).into_bytes();
        let words = Outcome { stderr, stdout: b" \n".to_vec(), ..Outcome::default() }.words();
        assert!(words.len() == 1 && words[0].starts_with("stderr: begin"), "{words:?}");
        assert!(words[0].ends_with("äend") && words[0].chars().count() < 2 * SHOWN + 20, "{words:?}");
        assert_eq!(shortened(b" short\n"), "short");
    }
}
