//! Whether an emulator serves the kernel's pages of memory, as far as the bundle knows. The launcher has no room to ask; the broker comes
//! to the same emulators.

use bundle::{RuleKind, Translator};

use crate::bytes::decimal;
use crate::error::Error;
use crate::run::Run;

/// The pages that most programs are built for, in bytes.
const SMALL: u64 = 4096;

/// An error where a rule of the translator's says that it serves smaller pages only. Else a log tells what does not work with large ones.
pub fn check(run: &Run<'_>, translator: &Translator<'_>) -> Result<(), Error> {
    let pages = run.start.process.page_size() as u64;
    let mut rules = run.manifest.rules(translator.rules);
    if let Some(rule) = rules.find(|rule| rule.kind == RuleKind::Pages && rule.number() < pages) {
        let error = Error::pages_too_large(translator.name, decimal(pages), rule.value);
        run.log.step("not using {} {}: {}", &[translator.name, translator.version, error.text()]);
        return Err(error);
    }
    if pages > SMALL {
        run.log.step(
            "pages of {} bytes: what the program shares or protects by less does not work",
            &[decimal(pages)],
        );
    }
    Ok(())
}
