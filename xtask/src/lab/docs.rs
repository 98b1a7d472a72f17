//! The tables in docs/lab.md: what stands between two marks is written by the tool, from a run of everything.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::report::{self, Row};
use crate::marked_page;

const BEGIN: &str = "<!-- written by `cargo xtask lab all --write-docs` -->\n";

/// Puts the table of `rows` into the page.
pub(crate) fn write(page: &Path, rows: &[Row]) -> Result<()> {
    marked_page::write(page, BEGIN, &shown(rows))?;
    println!("lab: `{}` written", page.display());
    Ok(())
}

fn shown(rows: &[Row]) -> String {
    let mut text = format!("\n{}", report::table(rows));
    let complaints = report::complaints(rows);
    if !complaints.is_empty() {
        text.push('\n');
        for line in complaints {
            let _ = writeln!(text, "* {line}");
        }
    }
    text.push_str("\nPages, as the case `pages` measured them:\n\n");
    text.push_str(&report::table_of_pages(rows));
    text.push('\n');
    text
}
