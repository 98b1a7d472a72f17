//! What programs of `tests/programs` say line by line of calls, compared between two runs.

use std::collections::BTreeSet;

use crate::Outcome;

/// The program's lines; the number of a process in them is another one each time.
pub fn lines(outcome: &Outcome) -> Vec<String> {
    let masked = |line: &str| {
        let mut parts = line.split("/proc/");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push_str("/proc/");
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            text.push_str(if rest.len() < part.len() { "PID" } else { "" });
            text.push_str(rest);
        }
        text
    };
    outcome.must_succeed().lines().map(masked).collect()
}

/// Lines that differ, of two that have as many.
pub fn differences(natively: &[String], emulated: &[String]) -> BTreeSet<String> {
    assert_eq!(natively.len(), emulated.len(), "lines\n{}", first_difference(natively, emulated));
    let both = natively.iter().zip(emulated).filter(|(a, b)| a != b);
    both.map(|(natively, emulated)| format!("{natively}, not {emulated}")).collect()
}

fn first_difference(natively: &[String], emulated: &[String]) -> String {
    let at = natively.iter().zip(emulated).position(|(a, b)| a != b).unwrap_or_default();
    format!("{:?}\n{:?}", natively.get(at), emulated.get(at))
}
