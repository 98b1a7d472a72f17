//! The emulators that a program of the app may need, one for each target of the bundle that has one for this
//! host, unpacked before the app starts.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, Rule, Translator};

use crate::attempt::Run;
use crate::cache::{Cache, Slot};
use crate::error::Error;
use crate::launch::{Translation, rules_of};
use crate::pages;
use crate::route::HOST;
use crate::sys::{self, At, Follow, Stat};
use crate::unpack;

/// How many names of programs are kept; more programs than this in one run show the emulator's name instead
/// of theirs.
const NAMES: usize = 256;

/// One that is ready to be executed.
pub struct Emulator<'a> {
    /// Whose programs it runs.
    pub target: Arch,
    /// How it is called.
    pub rules: Vec<Rule<&'a [u8]>>,
    /// Its file.
    pub path: &'static CStr,
    file: Stat,
    /// Where its links are; none for an emulator of the user's.
    links: Option<(Slot, Translator<'a>)>,
    known: Vec<(&'static [u8], &'static CStr)>,
}

impl<'a> Emulator<'a> {
    /// All that can be had: that which runs the app itself before those of other targets.
    pub fn all(run: &Run<'a>, cache: &Cache, translation: Translation<'a>) -> Result<Vec<Self>, Error> {
        let first = if let Translation::By(translator) = translation { Some(translator) } else { None };
        let mut all: Vec<Self> = Vec::new();
        if let Some(path) = run.controls.emulator {
            let target = run.route.variant().target;
            let path = crate::bytes::c_string(&[crate::absolute::absolute(path.to_bytes())]);
            let file = sys::statat(At::CWD, path, Follow::Yes)?;
            let rules = rules_of(run.manifest, target, Translation::UsersEmulator);
            all.push(Self { target, rules, path, file, links: None, known: Vec::new() });
        }
        let others = run.manifest.translators().filter(|translator| translator.key.host == HOST);
        for translator in first.copied().into_iter().chain(others) {
            let target = translator.key.target;
            if all.iter().any(|emulator| emulator.target == target) {
                continue;
            }
            // What runs the app was looked at in this start; the others are as old as they are.
            let seen = first.is_some_and(|first| first.blob == translator.blob);
            if first.is_none_or(|first| *first != translator) && pages::limited(run, &translator).is_err() {
                continue;
            }
            let afresh = run.controls.verify && !seen;
            let slot = unpack::ensure(cache, run.file, translator.blob, None, false, afresh, run.log)?;
            // What runs the app is held for it already.
            if !seen {
                slot.hold();
            }
            let path = slot.path_of(crate::named::file_in_slot(&translator));
            let file = sys::statat(At::CWD, path, Follow::Yes)?;
            let rules = rules_of(run.manifest, target, Translation::By(&translator));
            all.push(Self { target, rules, path, file, links: Some((slot, translator)), known: Vec::new() });
        }
        Ok(all)
    }

    /// By what it runs the app, or would.
    pub fn translation(&self) -> Translation<'_> {
        match &self.links {
            Some((_, translator)) => Translation::By(translator),
            None => Translation::UsersEmulator,
        }
    }

    /// Whether it is the bundle's, not one that the user has named.
    pub fn is_of_the_bundle(&self) -> bool {
        self.links.is_some()
    }

    /// Whether a file is this emulator.
    pub fn is(&self, file: &Stat) -> bool {
        self.file.same_file(file)
    }

    /// The path to execute it by, so that the process is called `name`.
    pub fn path_called(&mut self, name: &[u8]) -> &'static CStr {
        if let Some((_, path)) = self.known.iter().find(|(known, _)| *known == name) {
            return path;
        }
        match &self.links {
            Some((slot, translator)) if self.known.len() < NAMES => {
                let path = crate::named::link(slot, translator, name).unwrap_or(self.path);
                self.known.push((crate::bytes::join(&[name]), path));
                path
            }
            _ => self.path,
        }
    }
}
