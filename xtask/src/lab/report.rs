//! What a console said, case by case, and the table of all machines. A case whose end was not seen has
//! failed.

use std::fmt::Write as _;

use super::cases::Case;
use super::machines::Machine;

/// What came of a case on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It printed what was expected.
    Passed,
    /// It did not, or was not run to its end: why.
    Failed(String),
    /// It says nothing on this machine.
    Left,
}

/// A machine and what came of the cases.
#[derive(Debug)]
pub(crate) struct Row {
    /// The machine.
    pub(crate) machine: Machine,
    /// Its kernel's release, where one ran.
    pub(crate) release: String,
    /// Why nothing ran.
    pub(crate) not_run: Option<String>,
    /// The verdicts, in the order of the cases.
    pub(crate) verdicts: Vec<(&'static str, Verdict)>,
    /// What the case `pages` printed, without its exit code.
    pub(crate) pages: Vec<(String, String)>,
    /// From start to end, in seconds.
    pub(crate) seconds: u64,
}

impl Row {
    /// Whether all that applies was seen to pass.
    pub(crate) fn is_green(&self) -> bool {
        self.not_run.is_none()
            && self.verdicts.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Failed(_)))
            && self.verdicts.iter().any(|(_, verdict)| *verdict == Verdict::Passed)
    }
}

/// The verdicts on `cases` from a console.
pub(crate) fn judge(
    console: &str,
    machine: &Machine,
    cases: &[&'static Case],
    booted: bool,
) -> Vec<(&'static str, Verdict)> {
    let verdict = |case: &&'static Case| {
        if !case.applies(machine, booted) {
            return (case.name, Verdict::Left);
        }
        let verdict = match heard(console, case.name) {
            None => Verdict::Failed("it was not run, or its end was not seen".into()),
            Some((output, code)) => {
                let expected = case.expected_on(machine);
                if output == expected && code == "0" {
                    Verdict::Passed
                } else if output == expected {
                    Verdict::Failed(format!("its script ended with code {code}"))
                } else {
                    Verdict::Failed(difference(&expected, &output))
                }
            }
        };
        (case.name, verdict)
    };
    cases.iter().map(verdict).collect()
}

/// The output of a case and the code of its script.
fn heard<'c>(console: &'c str, name: &str) -> Option<(String, &'c str)> {
    let begin = format!("@lab begin {name}");
    let end = format!("@lab end {name} ");
    let mut lines = console.lines().skip_while(|line| *line != begin);
    let mut output = String::new();
    lines.next()?;
    for line in lines {
        if let Some(code) = line.strip_prefix(&end) {
            return Some((output, code));
        }
        if let Some(text) = line.strip_prefix("@lab out ") {
            output.push_str(text);
            output.push('\n');
        }
    }
    None
}

fn difference(expected: &str, output: &str) -> String {
    let (mut left, mut right) = (expected.lines(), output.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return "another end of the last line".into(),
            (one, other) if one == other => {}
            (one, other) => {
                let shown =
                    |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
                return format!("expected {}, printed {}", shown(one), shown(other));
            }
        }
    }
}

/// What the case `pages` printed: each thing and whether it works.
pub(crate) fn pages(console: &str) -> Vec<(String, String)> {
    let (output, _) = heard(console, "pages").unwrap_or_default();
    let pairs = output.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(what, works)| (what.to_owned(), works.to_owned())).collect()
}

/// The table of [`pages`]: one column for each page size, and each QEMU that is inside bundles for these
/// machines.
pub(crate) fn table_of_pages(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| !row.pages.is_empty()).collect();
    let Some(first) = rows.first() else { return String::new() };
    let mut table = String::from("| an x86_64 program |");
    for row in &rows {
        let _ = write!(table, " {} |", row.machine.name.replace('-', " "));
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(rows.len()));
    table.push_str("\n| the host's pages |");
    for row in &rows {
        let _ = write!(table, " {}K |", row.machine.page);
    }
    table.push('\n');
    for (what, _) in &first.pages {
        let _ = write!(table, "| {what} |");
        for row in &rows {
            let works = row.pages.iter().find(|(name, _)| name == what).map_or("?", |(_, works)| works);
            let _ = write!(table, " {works} |");
        }
        table.push('\n');
    }
    table
}

/// The kernel's release, as the machine itself said it.
pub(crate) fn release(console: &str) -> Option<&str> {
    // The kernel's own last line may not be finished.
    console.lines().find_map(|line| line.split_once("@lab kernel "))?.1.split(' ').next()
}

/// The table: a row for each case, a column for each machine, as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = String::from("| case |");
    let names = rows.iter().map(|row| row.machine.name.replace('-', " "));
    for name in names {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(rows.len()));
    table.push_str("\n| kernel |");
    for row in rows {
        let release = row.release.split(['+', '-']).next().unwrap_or_default();
        let _ = write!(table, " {release} |");
    }
    table.push_str("\n| pages |");
    for row in rows {
        let _ = write!(table, " {}K |", row.machine.page);
    }
    table.push('\n');
    table.push_str("| seconds |");
    for row in rows {
        let _ = write!(table, " {} |", row.seconds);
    }
    table.push('\n');
    let Some(longest) = rows.iter().max_by_key(|row| row.verdicts.len()) else { return table };
    for (name, _) in &longest.verdicts {
        let _ = write!(table, "| {name} |");
        for row in rows {
            let verdict = row.verdicts.iter().find(|(case, _)| case == name).map(|(_, verdict)| verdict);
            let word = match verdict {
                Some(Verdict::Passed) => "ok",
                Some(Verdict::Failed(_)) => "**FAILED**",
                Some(Verdict::Left) => "-",
                None => "NOT RUN",
            };
            let _ = write!(table, " {word} |");
        }
        table.push('\n');
    }
    table
}

/// A line for everything that is not green.
pub(crate) fn complaints(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        let name = row.machine.name;
        if let Some(reason) = &row.not_run {
            lines.push(format!("{name}: NOT RUN: {reason}"));
        }
        for (case, verdict) in &row.verdicts {
            if let Verdict::Failed(why) = verdict {
                lines.push(format!("{name}: {case}: {why}"));
            }
        }
        if row.not_run.is_none() && !row.is_green() && lines.is_empty() {
            lines.push(format!("{name}: nothing was run"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::cases::CASES;
    use super::super::machines::MACHINES;
    use super::*;

    fn told(case: &Case, output: &str, code: u8) -> String {
        let lines = output.lines().map(|line| format!("@lab out {line}\n")).collect::<Vec<_>>().concat();
        format!("noise\n@lab begin {}\n{lines}[ 1.0] noise\n@lab end {} {code}\n", case.name, case.name)
    }

    #[test]
    fn only_the_expected_output_with_its_end_passes() {
        let (machine, case) = (&MACHINES[0], &CASES[0]);
        let expected = case.expected_on(machine);
        let verdict = |console: &str| judge(console, machine, &[case], true).remove(0).1;
        let whole = told(case, &expected, 0);
        assert_eq!(verdict(&whole), Verdict::Passed);
        assert!(matches!(verdict(""), Verdict::Failed(_)));
        assert!(matches!(verdict(&told(case, &expected, 1)), Verdict::Failed(_)));
        assert!(matches!(verdict(&told(case, &format!("{expected}more\n"), 0)), Verdict::Failed(_)));
        assert!(matches!(verdict(&told(case, "", 0)), Verdict::Failed(_)));
        let cut = &whole[..whole.find("@lab end").expect("an end")];
        assert!(matches!(verdict(cut), Verdict::Failed(_)), "no end, no pass");
    }

    #[test]
    fn a_machine_that_ran_nothing_is_not_green() {
        let mut row = Row {
            machine: MACHINES[0],
            release: String::new(),
            not_run: None,
            verdicts: Vec::new(),
            pages: Vec::new(),
            seconds: 0,
        };
        assert!(!row.is_green());
        row.verdicts.push(("native", Verdict::Left));
        assert!(!row.is_green());
        row.verdicts.push(("dynamic", Verdict::Passed));
        assert!(row.is_green());
        row.not_run = Some("no kernel".into());
        assert!(!row.is_green());
        assert!(complaints(&[row])[0].contains("NOT RUN: no kernel"));
    }
}
