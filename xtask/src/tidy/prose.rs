//! What people read: no word that the project does not use, comments that fit their column, subjects of
//! commits that fit one line of `git log`.

use std::path::Path;
use std::process::Command;

use super::files::File;

/// Words that are not the field's, and the ones that are. Written in two parts, so that this file keeps its
/// own rule.
const WORDS: [(&str, &str); 2] =
    [(concat!("fol", "der"), "directory"), (concat!("fol", "ders"), "directories")];

/// The attribute of `rust-embed` that names its directory.
const EMBED: &str = concat!("#[fol", "der = ");

/// The widest line of a comment, in columns, as rustfmt's `max_width` for code; rustfmt itself does not wrap
/// comments.
const MAX_COLUMNS: usize = 110;

/// The longest subject of a commit, in characters.
const MAX_SUBJECT: usize = 72;

/// The last commit before the rule for subjects.
const BEFORE_SUBJECTS: &str = "3dae958";

pub(crate) fn the_fields_words_are_used(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.ends_in(&["rs", "md", "sh"])) {
        for (number, line) in file.lines().filter(|(_, line)| !line.trim_start().starts_with(EMBED)) {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric());
            let wrong =
                words.find_map(|word| WORDS.iter().find(|(wrong, _)| word.eq_ignore_ascii_case(wrong)));
            if let Some((wrong, right)) = wrong {
                found.push(format!("{}:{number}: says `{wrong}`, not `{right}`", file.path));
            }
        }
    }
    found
}

pub(crate) fn comments_fit_their_column(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            // A word without a blank, as an address, cannot be wrapped; nor can a row of a table.
            let words = line.trim_start().trim_start_matches(['/', '!']).split_whitespace().count();
            let is_row = line.trim_start().trim_start_matches(['/', '!', ' ']).starts_with('|');
            if line.trim_start().starts_with("//") && columns > MAX_COLUMNS && words > 1 && !is_row {
                found.push(format!(
                    "{}:{number}: a comment of {columns} columns, more than {MAX_COLUMNS}",
                    file.path
                ));
            }
        }
    }
    found
}

/// Of the commits since the rule; a shallow clone that does not reach back to it has nothing to check.
pub(crate) fn subjects_fit_one_line(workspace: &Path) -> Vec<String> {
    let range = format!("{BEFORE_SUBJECTS}..HEAD");
    let log =
        Command::new("git").arg("-C").arg(workspace).args(["log", "--format=%h %s", &range, "--"]).output();
    match log {
        Ok(log) if log.status.success() => too_long(&String::from_utf8_lossy(&log.stdout)),
        _ => {
            println!("tidy: NOT RUN: subjects of commits: `{BEFORE_SUBJECTS}` is not in this clone");
            Vec::new()
        }
    }
}

/// `log` has a commit per line: its hash, a blank, its subject.
fn too_long(log: &str) -> Vec<String> {
    let commits = log.lines().filter_map(|line| line.split_once(' '));
    let long = commits
        .map(|(hash, subject)| (hash, subject.chars().count()))
        .filter(|(_, length)| *length > MAX_SUBJECT);
    long.map(|(hash, length)| {
        format!("commit {hash}: a subject of {length} characters, more than {MAX_SUBJECT}")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File::of(path, text)]
    }

    #[test]
    fn every_rule_can_be_broken() {
        for (wrong, _) in WORDS {
            assert_eq!(the_fields_words_are_used(&file("a.md", &format!("A {wrong}.\n"))).len(), 1);
            assert_eq!(
                the_fields_words_are_used(&file("a.rs", &format!("// {}\n", wrong.to_uppercase()))).len(),
                1
            );
        }
        let wide = format!("    /// {}a\n", "word ".repeat(21));
        assert_eq!(comments_fit_their_column(&file("a.rs", &wide)).len(), 1, "{}", wide.len());
        assert_eq!(too_long(&format!("abc {}\nabd short\n", "x".repeat(73))).len(), 1);
    }

    #[test]
    fn what_keeps_the_rules_is_not_accused() {
        assert_eq!(
            the_fields_words_are_used(&file("a.rs", &format!("    {EMBED}\"launchers\"]\n"))),
            [""; 0]
        );
        assert_eq!(the_fields_words_are_used(&file("a.c", WORDS[0].0)), [""; 0], "no text of ours");
        assert_eq!(comments_fit_their_column(&file("a.rs", &format!("// {}\n", "x".repeat(200)))), [""; 0]);
        assert_eq!(
            comments_fit_their_column(&file("a.rs", &format!("{}\n", "x ".repeat(200)))),
            [""; 0],
            "code"
        );
        assert_eq!(too_long(&format!("abc {}\n", "ä".repeat(72))), [""; 0]);
    }
}
