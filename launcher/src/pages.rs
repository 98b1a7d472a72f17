//! Whether an emulator serves the kernel's pages of memory, as far as the bundle knows.

use bundle::{Rule, Translator};

use crate::attempt::Run;
use crate::bytes::decimal;
use crate::error::Error;

/// The pages that most programs are built for, in bytes.
const SMALL: u64 = 4096;

/// The largest pages that one of these rules allows, where it is less than the kernel's.
fn limit<'r>(rules: impl Iterator<Item = Rule<&'r [u8]>>, pages: u64) -> Option<u64> {
    rules.filter_map(|rule| rule.pages()).find(|most| *most < pages)
}

/// An error where a rule of the translator's says that it serves smaller pages only.
pub fn limited(run: &Run<'_>, translator: &Translator<'_>) -> Result<(), Error> {
    let pages = run.start.process.page_size() as u64;
    if let Some(most) = limit(run.manifest.rules(translator.rules), pages) {
        let error = Error::pages_too_large(translator.name, decimal(pages), decimal(most));
        run.log.step("not using {} {}: {}", &[translator.name, translator.version, error.text()]);
        return Err(error);
    }
    Ok(())
}

/// The same for what is to run the app. Where the pages are large, the log says what does not work with them.
pub fn check(run: &Run<'_>, translator: &Translator<'_>) -> Result<(), Error> {
    limited(run, translator)?;
    let pages = run.start.process.page_size() as u64;
    if pages > SMALL {
        run.log.step(
            "pages of {} bytes: what the program shares or protects by less does not work",
            &[decimal(pages)],
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_is_limited_by_the_pages_that_its_rules_name_and_by_nothing_else() {
        let rules: [Rule<&[u8]>; 3] = [Rule::Argument(b"4096"), Rule::Pages(b"16384"), Rule::Program];
        assert_eq!(limit(rules.into_iter(), 65536), Some(16384));
        assert_eq!(limit(rules.into_iter(), 16384), None);
        assert_eq!(limit(rules[..1].iter().copied(), 65536), None);
    }
}
