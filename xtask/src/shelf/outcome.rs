//! What came of a script: how it ended, what it printed, what it made, and what it left running.

use std::collections::BTreeMap;

/// How much of what it wrote is shown.
const SHOWN: usize = 600;

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

    /// The last of what it wrote, for whoever looks for the reason.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let all = [("stderr", &self.stderr), ("stdout", &self.stdout)];
        all.into_iter().filter_map(|(name, bytes)| Some(format!("{name}: {}", end_of(bytes)?))).collect()
    }
}

/// The end of a text; `None` if there is nothing.
fn end_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let begin = text.len().saturating_sub(SHOWN);
    let begin = (begin..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(begin);
    (!text.is_empty()).then(|| text[begin..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_end_is_shown() {
        let stderr = format!("{}end", "ä".repeat(SHOWN)).into_bytes();
        let words = Outcome { stderr, ..Outcome::default() }.last_words();
        assert!(words.len() == 1 && words[0].ends_with("äend") && words[0].len() < SHOWN + 10, "{words:?}");
    }
}
