//! Which way of attending to children works on this machine: found by trying, remembered until the next boot, tried again when
//! it fails.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::Translator;

use super::broker;
use super::emulators::Emulator;
use super::exec::Attendant;
use super::variables::Variables;
use crate::cache::Cache;
use crate::controls::Children;
use crate::error::Error;
use crate::launch::{Launch, Places, option_words};
use crate::run::Run;

/// Attends to the programs that the app will start, if `UNIBIN_CHILDREN` does not forbid it and this machine allows it. The app runs
/// in any case.
pub fn attend<'a>(run: &Run<'a>, cache: &Cache, translator: Option<&Translator<'a>>, places: &Places<'a>) {
    let children = run.controls.children;
    if children == Children::None {
        return run.log.step("children: none, as UNIBIN_CHILDREN says", &[]);
    }
    match by_broker(run, cache, translator, places) {
        Ok(()) => run.log.step("children: attended to by a broker", &[]),
        Err(error) => run.log.step("children: none: {}", &[error.text()]),
    }
}

fn by_broker<'a>(
    run: &Run<'a>,
    cache: &Cache,
    translator: Option<&Translator<'a>>,
    places: &Places<'a>,
) -> Result<(), Error> {
    let emulators = Emulator::all(run, cache, translator)?;
    let launch = Launch::build(run, translator, places);
    let app: Vec<&CStr> = launch.environment_strings().collect();
    let variables = Variables::compare(&app, run.start.process.env());
    let attendant = Attendant::new(emulators, places.tree.to_bytes(), options(run), variables);
    Ok(broker::start(attendant)?)
}

/// The user's options for every emulator; a debugger's port is for the first one alone.
fn options<'a>(run: &Run<'a>) -> Vec<&'a [u8]> {
    let mut words = option_words(run.controls);
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == b"-g" {
            let _ = words.next();
        } else {
            kept.push(word);
        }
    }
    kept
}
