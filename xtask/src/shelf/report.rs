//! The table of what ran: in the terminal, and in docs/shelf.md between two marks.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use bundle::Arch;
use serde::{Deserialize, Serialize};

use super::compare::Verdict;
use super::rows::Program;
use crate::marked_page;

const BEGIN: &str = "<!-- written by `cargo xtask shelf --write-docs` -->\n";

/// A program for a target, and what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    name: String,
    about: String,
    target: String,
    /// Debian's version, where it is a package.
    pub(crate) version: String,
    /// Of the bundle, in bytes.
    pub(crate) size: Option<u64>,
    /// Of the first start.
    pub(crate) first: Option<Duration>,
    /// Of the next ones.
    pub(crate) warm: Option<Duration>,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

impl Row {
    pub(crate) fn of(program: &Program, target: Arch) -> Self {
        Self {
            name: program.name.clone(),
            about: program.about.clone(),
            target: target.to_string(),
            version: String::new(),
            size: None,
            first: None,
            warm: None,
            verdict: Verdict::NotRun("not tried yet".to_owned()),
        }
    }

    /// Whether there was something to see.
    pub(crate) fn ran(&self) -> bool {
        !matches!(self.verdict, Verdict::NotRun(_))
    }

    /// The line for whoever waits.
    pub(crate) fn line(&self) -> String {
        let more = self.details().map_or(String::new(), |details| format!(": {details}"));
        format!("{} for {}: {}{more}", self.name, self.target, self.result())
    }

    fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed(_) => "FAILED",
            Verdict::Known(_) => "fails, as known",
            Verdict::Cured(_) => "CURED",
            Verdict::NotRun(_) => "NOT RUN",
        }
    }

    fn details(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Passed => None,
            Verdict::Failed(lines) => Some(lines.join("\n    ")),
            Verdict::Cured(why) => Some(format!("it works now; remove its `fails` (\"{why}\")")),
            Verdict::Known(why) | Verdict::NotRun(why) => Some(why.clone()),
        }
    }
}

/// All rows, for the terminal and for the page.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| program | version | CPU | what it did | MB | first start, s | warm start, s | result |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let seconds =
        |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.2}", time.as_secs_f64()));
    for row in rows {
        let size = row.size.map_or("-".to_owned(), megabytes);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {size} | {} | {} | {} |",
            row.name,
            if row.version.is_empty() { "-" } else { &row.version },
            row.target,
            row.about,
            seconds(row.first),
            seconds(row.warm),
            row.result()
        );
    }
    text
}

/// With one digit behind the point.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How many rows of each result.
pub(crate) fn summary(rows: &[Row]) -> String {
    let mut parts = Vec::new();
    for result in ["ok", "fails, as known", "FAILED", "CURED", "NOT RUN"] {
        let count = rows.iter().filter(|row| row.result() == result).count();
        if count > 0 {
            parts.push(format!("{count} {result}"));
        }
    }
    format!("{} rows: {}", rows.len(), parts.join("; "))
}

/// What makes the task fail: failures that no row foretells, and failures that are gone.
pub(crate) fn complaints(rows: &[Row]) -> Vec<String> {
    let bad = rows.iter().filter(|row| matches!(row.verdict, Verdict::Failed(_) | Verdict::Cured(_)));
    bad.map(Row::line).collect()
}

/// Puts the table into the page.
pub(crate) fn write(page: &Path, rows: &[Row]) -> Result<()> {
    marked_page::write(page, BEGIN, &shown(rows))?;
    println!("shelf: `{}` written", page.display());
    Ok(())
}

fn shown(rows: &[Row]) -> String {
    let mut text = format!("\n{}.\n\n{}", summary(rows), table(rows));
    let others: Vec<&Row> = rows.iter().filter(|row| row.details().is_some()).collect();
    if !others.is_empty() {
        text.push('\n');
    }
    for row in others {
        // Of a message of many lines the page has the first.
        let line = row.line();
        let _ = writeln!(text, "* {}", line.lines().next().unwrap_or_default());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict) -> Row {
        Row {
            name: "jq".to_owned(),
            about: "filters".to_owned(),
            target: Arch::S390x.to_string(),
            version: "1.7".to_owned(),
            size: Some(4_408_012),
            first: Some(Duration::from_millis(120)),
            warm: None,
            verdict,
        }
    }

    #[test]
    fn a_failure_that_is_not_foretold_and_one_that_is_gone_are_complaints() {
        let failed = Verdict::Failed(vec!["it printed `x`".to_owned(), "stderr: y".to_owned()]);
        let cured = Verdict::Cured("the reason".to_owned());
        let quiet = [Verdict::Passed, Verdict::Known("w".to_owned()), Verdict::NotRun("n".to_owned())];
        let rows: Vec<Row> = [failed, cured].into_iter().chain(quiet).map(row).collect();
        let complaints = complaints(&rows);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].starts_with("jq for s390x: FAILED: it printed `x`\n"), "{complaints:?}");
        assert!(complaints[1].contains("remove its `fails`"), "{complaints:?}");
        assert_eq!(summary(&rows), "5 rows: 1 ok; 1 fails, as known; 1 FAILED; 1 CURED; 1 NOT RUN");
    }

    #[test]
    fn a_row_of_the_table_has_size_and_times() {
        let line = "| jq | 1.7 | s390x | filters | 4.5 | 0.12 | - | ok |\n";
        assert!(table(&[row(Verdict::Passed)]).ends_with(line), "{}", table(&[row(Verdict::Passed)]));
    }
}
