//! The tables in docs/lab.md: what stands between two marks is written by the tool, from a run of everything.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::report::{self, Row};

const BEGIN: &str = "<!-- written by `cargo xtask lab all --write-docs` -->\n";
const END: &str = "<!-- end of what is written -->\n";

/// Puts the table of `rows` into the page.
pub(crate) fn write(page: &Path, rows: &[Row]) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read `{}`", page.display()))?;
    let text =
        replaced(&text, &shown(rows)).with_context(|| format!("`{}` has lost its marks", page.display()))?;
    fs::write(page, text).with_context(|| format!("cannot write `{}`", page.display()))?;
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

fn replaced(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(replaced(&page, "new\n"), Some(format!("a\n{BEGIN}new\n{END}b\n")));
        assert_eq!(replaced("a\n", "new\n"), None);
    }
}
