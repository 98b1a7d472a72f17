//! The environment on the way between worlds: the app has the variables that its bundle set, programs of the
//! host have the host's, and each emulator those that its own rules make.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ops::Range;

use bundle::cut;

/// Whose programs a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The host's, which its kernel starts.
    Host,
    /// Those of the emulator with this number.
    Emulator(usize),
}

impl World {
    /// Where its string is in a difference.
    fn index(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Emulator(number) => number.saturating_add(1),
        }
    }
}

/// A variable that is not the same in all worlds: whole strings, `NAME=VALUE`, at the worlds' indices.
struct Difference<'a> {
    name: &'a [u8],
    strings: Vec<Option<&'a [u8]>>,
}

impl<'a> Difference<'a> {
    fn of(&self, world: World) -> Option<&'a [u8]> {
        self.strings.get(world.index()).copied().flatten()
    }
}

/// All that differs.
pub struct Variables<'a> {
    all: Vec<Difference<'a>>,
    /// The tree's directories as they stand in the app's `PATH`, wherever the app has moved them; may be
    /// empty.
    programs: &'a [u8],
}

/// What becomes of one string of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It stays.
    Same,
    /// It goes.
    Gone,
    /// This comes in its place.
    Other(&'a [u8]),
    /// It stays, without these bytes.
    Without(Range<usize>),
}

fn name_of(variable: &[u8]) -> &[u8] {
    cut(variable, b'=').0
}

impl<'a> Variables<'a> {
    /// Compares what the bundle was started with and what the app is started with by each emulator.
    /// `programs` are the tree's directories that come first in the app's `PATH`.
    pub fn compare(host: &[&'a CStr], emulators: &[Vec<&'a CStr>], programs: &'a [u8]) -> Self {
        let worlds = || core::iter::once(host).chain(emulators.iter().map(Vec::as_slice));
        let mut all: Vec<Difference<'a>> = Vec::new();
        // The apps' order first: what a program of the host lacks is added in that.
        for variable in worlds().skip(1).chain([host]).flatten() {
            let name = name_of(variable.to_bytes());
            let of_name = |list: &[&'a CStr]| {
                list.iter().map(|variable| variable.to_bytes()).find(|variable| name_of(variable) == name)
            };
            let strings: Vec<_> = worlds().map(of_name).collect();
            let differs = strings.iter().any(|string| Some(string) != strings.first());
            if differs && !all.iter().any(|other| other.name == name) {
                all.push(Difference { name, strings });
            }
        }
        Self { all, programs }
    }

    /// What becomes of a string: one that the program has changed itself stays as it is, but for the tree's
    /// directories in `PATH`.
    pub fn fate(&self, variable: &[u8], from: World, to: World) -> Fate<'a> {
        match self.all.iter().find(|difference| difference.of(from) == Some(variable)) {
            None if to == World::Host && name_of(variable) == b"PATH" => {
                self.programs_in(variable).map_or(Fate::Same, Fate::Without)
            }
            None => Fate::Same,
            Some(difference) => match difference.of(to) {
                Some(same) if same == variable => Fate::Same,
                Some(other) => Fate::Other(other),
                None => Fate::Gone,
            },
        }
    }

    /// Where the tree's directories are in a `PATH`, with a colon of theirs.
    fn programs_in(&self, path: &[u8]) -> Option<Range<usize>> {
        let length = self.programs.len();
        let begins = |at: usize| matches!(path.get(at.checked_sub(1)?), Some(b'=' | b':')).then_some(at);
        let found = (0..path.len())
            .filter_map(begins)
            .find(|at| length != 0 && path.get(*at..).is_some_and(|rest| rest.starts_with(self.programs)))?;
        let end = found.checked_add(length)?;
        match path.get(end) {
            Some(b':') => Some(found..end.checked_add(1)?),
            // The last ones: the colon before them goes.
            None if path.get(found.checked_sub(1)?) == Some(&b':') => Some(found.checked_sub(1)?..end),
            None => Some(found..end),
            // A longer name.
            Some(_) => None,
        }
    }

    /// The strings that a world has and the other one has not, unless `has` says that there is one of that
    /// name.
    pub fn missing(
        &self,
        from: World,
        to: World,
        has: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = &'a [u8]> {
        self.all.iter().filter_map(move |difference| match (difference.of(from), difference.of(to)) {
            (None, Some(variable)) if !has(difference.name) => Some(variable),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bundle_changed_is_undone_for_the_host_and_done_again_for_the_app() {
        const TO_HOST: (World, World) = (World::Emulator(0), World::Host);
        const TO_APP: (World, World) = (World::Host, World::Emulator(0));
        let app = vec![c"A=1", c"NEW=app", c"BOTH=app"];
        let host = [c"A=1", c"BOTH=host", c"OLD=host"];
        let variables = Variables::compare(&host, &[app], b"/t/bin:/t/sbin");
        let host_has =
            |name: &[u8]| variables.missing(TO_HOST.0, TO_HOST.1, |_| false).any(|v| name_of(v) == name);
        assert_eq!(variables.fate(b"A=1", TO_HOST.0, TO_HOST.1), Fate::Same);
        assert_eq!(variables.fate(b"NEW=app", TO_HOST.0, TO_HOST.1), Fate::Gone);
        assert_eq!(variables.fate(b"NEW=changed", TO_HOST.0, TO_HOST.1), Fate::Same);
        assert_eq!(variables.fate(b"BOTH=app", TO_HOST.0, TO_HOST.1), Fate::Other(b"BOTH=host"));
        assert_eq!(variables.fate(b"BOTH=host", TO_APP.0, TO_APP.1), Fate::Other(b"BOTH=app"));
        assert_eq!(variables.fate(b"OLD=host", TO_APP.0, TO_APP.1), Fate::Gone);
        assert!(host_has(b"OLD") && !host_has(b"NEW"));
        // The tree's directories stay with the app, wherever it has moved them in PATH.
        for (path, without) in [
            (&b"PATH=/a:/t/bin:/t/sbin:/b"[..], Some(&b"PATH=/a:/b"[..])),
            (b"PATH=/t/bin:/t/sbin:/b", Some(b"PATH=/b")),
            (b"PATH=/a:/t/bin:/t/sbin", Some(b"PATH=/a")),
            (b"PATH=/t/bin:/t/sbin", Some(b"PATH=")),
            (b"PATH=/a/t/bin:/t/sbin:/b", None),
            (b"PATH=/t/bin:/t/sbin2:/b", None),
            (b"PATH2=/t/bin:/t/sbin:/b", None),
        ] {
            let fate = variables.fate(path, TO_HOST.0, TO_HOST.1);
            let Some(without) = without else {
                assert_eq!(fate, Fate::Same, "{}", path.escape_ascii());
                continue;
            };
            let Fate::Without(range) = fate else { panic!("{}: {fate:?}", path.escape_ascii()) };
            assert_eq!([&path[..range.start], &path[range.end..]].concat(), without);
            assert_eq!(variables.fate(path, TO_APP.0, TO_APP.1), Fate::Same);
        }
        assert_eq!(variables.missing(TO_HOST.0, TO_HOST.1, |name| name == b"OLD").count(), 0);
        let app: Vec<_> = variables.missing(TO_APP.0, TO_APP.1, |_| false).collect();
        assert_eq!(app, [b"NEW=app"]);
    }

    #[test]
    fn between_emulators_what_the_rules_of_one_set_gives_way_to_those_of_the_other() {
        let worlds = [vec![c"A=1", c"FAST=app"], vec![c"FAST=other", c"MORE=other"]];
        let variables = Variables::compare(&[c"A=1"], &worlds, b"");
        let (app, other) = (World::Emulator(0), World::Emulator(1));
        assert_eq!(variables.fate(b"FAST=app", app, other), Fate::Other(b"FAST=other"));
        assert_eq!(variables.fate(b"FAST=mine", app, other), Fate::Same, "the program's own");
        assert_eq!(variables.fate(b"A=1", app, other), Fate::Gone);
        let missing = |from, to| variables.missing(from, to, |_| false).collect::<Vec<_>>();
        assert_eq!(missing(app, other), [b"MORE=other"]);
        assert_eq!(missing(other, app), [b"A=1"]);
        assert_eq!(variables.fate(b"FAST=other", other, app), Fate::Other(b"FAST=app"));
        assert_eq!(variables.fate(b"MORE=other", other, World::Host), Fate::Gone);
        // A third world that has the same as the first: nothing to change between these two.
        let worlds = [vec![c"A=1"], vec![c"A=2"], vec![c"A=1"]];
        let variables = Variables::compare(&[c"A=1"], &worlds, b"");
        assert_eq!(variables.fate(b"A=1", app, World::Emulator(2)), Fate::Same);
    }
}
