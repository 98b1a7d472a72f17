//! Compares a run with what its row expects: exit code, standard output, the files that were made, and known
//! failures. Standard error is shown, but not compared: programs warn there about the machine.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::rows::Fails;

/// A line for each difference; none if the run is right.
pub(crate) fn differences(seen: &Outcome, truth: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if seen.too_long || seen.code != truth.code {
        found.push(format!("it ended with {}, not with {}", seen.end(), truth.end()));
    }
    if seen.stdout != truth.stdout {
        found.push(format!("it printed {}", first_difference(&truth.stdout, &seen.stdout)));
    }
    for (name, expected) in &truth.files {
        match seen.files.get(name) {
            None => found.push(format!("it did not make `{name}`")),
            Some(bytes) if bytes != expected => {
                found.push(format!("`{name}` has {}", first_difference(expected, bytes)));
            }
            Some(_) => {}
        }
    }
    if !seen.left.is_empty() {
        found.push(format!("it left running: {}", seen.left.join(", ")));
    }
    found
}

/// The first line that differs, or the first byte of what is no text.
fn first_difference(expected: &[u8], seen: &[u8]) -> String {
    let (Ok(expected_text), Ok(seen_text)) = (std::str::from_utf8(expected), std::str::from_utf8(seen))
    else {
        let at = expected.iter().zip(seen).position(|(one, other)| one != other);
        let at = at.unwrap_or(expected.len().min(seen.len()));
        return format!("{} bytes, not {}, which differ from byte {at}", seen.len(), expected.len());
    };
    let (mut left, mut right) = (expected_text.lines(), seen_text.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (one, other) if one == other => {}
            (one, other) => {
                let shown =
                    |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
                return format!("{} in line {number}, not {}", shown(other), shown(one));
            }
        }
    }
    "another end of the last line".to_owned()
}

/// What is said about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// All is right.
    Passed,
    /// Something differs.
    Failed(Vec<String>),
    /// It fails as its row foretells: why.
    Known(String),
    /// Its row foretells a failure that is gone: which.
    Cured(String),
    /// It could not be tried: why.
    NotRun(String),
}

/// The verdict on what was found, `fails` being foretold.
pub(crate) fn judge(found: &[String], fails: Option<&Fails>) -> Verdict {
    match fails {
        None if found.is_empty() => Verdict::Passed,
        None => Verdict::Failed(found.to_vec()),
        Some(fails) if found.is_empty() => Verdict::Cured(fails.why.clone()),
        Some(fails) if found.iter().any(|line| line.contains(&fails.symptom)) => {
            Verdict::Known(fails.why.clone())
        }
        Some(fails) => {
            let other = format!("it fails otherwise than foretold, without `{}`", fails.symptom);
            Verdict::Failed([&[other], found].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn truth() -> Outcome {
        let files = BTreeMap::from([("made.txt".to_owned(), "one\ntwo\n".to_owned())]);
        Outcome::stored(0, "a\nb\n".to_owned(), files)
    }

    fn fails(symptom: &str) -> Fails {
        crate::tables::read(&format!("symptom = '{symptom}'\nwhy = 'the reason'")).expect("a failure")
    }

    #[test]
    fn the_same_is_no_difference() {
        let seen = Outcome { stderr: b"a warning".to_vec(), ..truth() };
        assert_eq!(differences(&seen, &truth()), [""; 0]);
    }

    #[test]
    fn another_output_code_or_file_is_told_with_its_place() {
        let told = |change: fn(&mut Outcome)| {
            let mut seen = truth();
            change(&mut seen);
            differences(&seen, &truth()).join("; ")
        };
        assert_eq!(told(|seen| seen.stdout = b"a\nc\n".to_vec()), "it printed `c` in line 2, not `b`");
        assert_eq!(told(|seen| seen.stdout.truncate(2)), "it printed nothing in line 2, not `b`");
        assert_eq!(told(|seen| seen.stdout.truncate(3)), "it printed another end of the last line");
        assert!(told(|seen| seen.stdout = vec![b'a', 0xff]).contains("differ from byte 1"));
        assert_eq!(told(|seen| seen.code = Some(3)), "it ended with code 3, not with code 0");
        assert_eq!(told(|seen| seen.code = None), "it ended with a signal, not with code 0");
        assert!(told(|seen| seen.too_long = true).contains("time being up"));
        assert_eq!(told(|seen| seen.files.clear()), "it did not make `made.txt`");
        let tampered = told(|seen| {
            seen.files.insert("made.txt".to_owned(), b"one\ntwo\nthree\n".to_vec());
        });
        assert_eq!(tampered, "`made.txt` has `three` in line 3, not nothing");
        assert_eq!(told(|seen| seen.left.push("redis".to_owned())), "it left running: redis");
    }

    #[test]
    fn a_failure_that_is_gone_or_another_one_is_no_known_failure() {
        let found = ["it printed `x`".to_owned(), "stderr: change_dir failed".to_owned()];
        assert_eq!(judge(&[], None), Verdict::Passed);
        assert_eq!(judge(&found, None), Verdict::Failed(found.to_vec()));
        assert_eq!(judge(&found, Some(&fails("change_dir"))), Verdict::Known("the reason".to_owned()));
        assert_eq!(judge(&[], Some(&fails("change_dir"))), Verdict::Cured("the reason".to_owned()));
        let Verdict::Failed(lines) = judge(&found, Some(&fails("no space"))) else { panic!("not a failure") };
        assert!(lines[0].contains("otherwise than foretold") && lines.len() == 3, "{lines:?}");
    }
}
