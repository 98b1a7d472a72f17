//! Pages of which the tool writes a part: what stands between two marks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const END: &str = "<!-- end of what is written -->\n";

/// Puts `new` into the page, behind the mark `begin`, in place of what stands there.
pub(crate) fn write(page: &Path, begin: &str, new: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read `{}`", page.display()))?;
    let text =
        replaced(&text, begin, new).with_context(|| format!("`{}` has lost its marks", page.display()))?;
    fs::write(page, text).with_context(|| format!("cannot write `{}`", page.display()))
}

fn replaced(text: &str, begin: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("a\n<!-- b -->\nold\n{END}b\n");
        let wanted = format!("a\n<!-- b -->\nnew\n{END}b\n");
        assert_eq!(replaced(&page, "<!-- b -->\n", "new\n"), Some(wanted));
        assert_eq!(replaced("a\n", "<!-- b -->\n", "new\n"), None);
    }
}
