//! The messages that docs/messages.md lists, and those that stand in the source of launcher and stub.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).expect("a file of the workspace")
}

/// The first column under this heading of docs/messages.md.
pub fn documented(heading: &str) -> Vec<String> {
    let text = source("docs/messages.md");
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split_once("` | ").expect("a second column").0.to_owned()).collect()
}

/// The first literal behind each `mark`, up to its first line feed, without backticks.
pub fn literals(path: &str, mark: &str) -> Vec<String> {
    let text = source(path);
    let behind = text.split(mark).skip(1).filter_map(|rest| {
        // Only white space, and a code or two, may stand before the literal.
        let (before, rest) = rest.split_once('"')?;
        let plain =
            |c: char| c.is_whitespace() || c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | '{' | '(');
        before.chars().all(plain).then_some(rest)
    });
    behind.map(|rest| rest.split(['"', '\\']).next().unwrap_or_default().replace('`', "")).collect()
}

/// What the stub dies with, its variables as `{}`.
pub fn of_the_stub() -> Vec<String> {
    let text = source("templates/stub.sh");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("ub_die "));
    let said = lines.filter_map(|line| line.split('"').nth(1));
    said.map(|said| {
        let mut plain = said.replace("@HAS@", "{}");
        while let Some(at) = plain.find("$ub_") {
            plain.replace_range(at..at + "$ub_x".len(), "{}");
        }
        plain
    })
    .collect()
}

/// Whether one of the lines of `ran` says this: the text with anything in place of each `{}`.
pub fn says(ran: &Outcome, message: &str) -> bool {
    let errors = ran.errors().replace('`', "");
    errors.lines().any(|line| {
        let mut parts = message.split("{}");
        let Some(mut rest) = parts.next().and_then(|first| Some(line.split_once(first)?.1)) else {
            return false;
        };
        let mut open = false;
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
            open = part.is_empty();
        }
        open || rest.is_empty() || rest.starts_with(':') || rest.starts_with(" (tried")
    })
}
