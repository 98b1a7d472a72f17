//! The environment on the way between worlds: the app has the variables that its bundle set, programs of the host have the
//! host's.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ops::Range;

use bundle::cut;

/// A variable that the app has otherwise than the bundle's caller: whole strings, `NAME=VALUE`.
struct Difference<'a> {
    name: &'a [u8],
    app: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

/// All that differs.
pub struct Variables<'a> {
    all: Vec<Difference<'a>>,
    /// The tree's directories as they stand in the app's `PATH`, wherever the app has moved them; may be empty.
    programs: &'a [u8],
}

/// To whom an environment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a program of the app to one of the host.
    ToHost,
    /// From a program of the host to one of the app.
    ToApp,
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
    /// Compares what the app is started with and what the bundle was started with. `programs` are the tree's directories that come
    /// first in the app's `PATH`.
    pub fn compare(app: &[&'a CStr], host: &[&'a CStr], programs: &'a [u8]) -> Self {
        let find = |list: &[&'a CStr], name: &[u8]| {
            list.iter().map(|variable| variable.to_bytes()).find(|variable| name_of(variable) == name)
        };
        let mut all = Vec::new();
        for variable in app.iter().map(|variable| variable.to_bytes()) {
            let name = name_of(variable);
            let theirs = find(host, name);
            if theirs != Some(variable) {
                all.push(Difference { name, app: Some(variable), host: theirs });
            }
        }
        for variable in host.iter().map(|variable| variable.to_bytes()) {
            let name = name_of(variable);
            if find(app, name).is_none() {
                all.push(Difference { name, app: None, host: Some(variable) });
            }
        }
        Self { all, programs }
    }

    /// What becomes of a string: one that the program has changed itself stays as it is, but for the tree's directories in `PATH`.
    pub fn fate(&self, variable: &[u8], direction: Direction) -> Fate<'a> {
        let (from, to) = ends(direction);
        match self.all.iter().find(|difference| from(difference) == Some(variable)) {
            None if direction == Direction::ToHost && name_of(variable) == b"PATH" => {
                self.programs_in(variable).map_or(Fate::Same, Fate::Without)
            }
            None => Fate::Same,
            Some(difference) => to(difference).map_or(Fate::Gone, Fate::Other),
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

    /// The strings that a world has and the other one has not, unless `has` says that there is one of that name.
    pub fn missing(
        &self,
        direction: Direction,
        has: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = &'a [u8]> {
        let (from, to) = ends(direction);
        self.all.iter().filter_map(move |difference| match (from(difference), to(difference)) {
            (None, Some(variable)) if !has(difference.name) => Some(variable),
            _ => None,
        })
    }
}

type End<'a> = for<'d> fn(&'d Difference<'a>) -> Option<&'a [u8]>;

fn ends<'a>(direction: Direction) -> (End<'a>, End<'a>) {
    let app: End<'a> = |difference| difference.app;
    let host: End<'a> = |difference| difference.host;
    match direction {
        Direction::ToHost => (app, host),
        Direction::ToApp => (host, app),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bundle_changed_is_undone_for_the_host_and_done_again_for_the_app() {
        let app = [c"A=1", c"NEW=app", c"BOTH=app"];
        let host = [c"A=1", c"BOTH=host", c"OLD=host"];
        let variables = Variables::compare(&app, &host, b"/t/bin:/t/sbin");
        let host_has =
            |name: &[u8]| variables.missing(Direction::ToHost, |_| false).any(|v| name_of(v) == name);
        assert_eq!(variables.fate(b"A=1", Direction::ToHost), Fate::Same);
        assert_eq!(variables.fate(b"NEW=app", Direction::ToHost), Fate::Gone);
        assert_eq!(variables.fate(b"NEW=changed", Direction::ToHost), Fate::Same);
        assert_eq!(variables.fate(b"BOTH=app", Direction::ToHost), Fate::Other(b"BOTH=host"));
        assert_eq!(variables.fate(b"BOTH=host", Direction::ToApp), Fate::Other(b"BOTH=app"));
        assert_eq!(variables.fate(b"OLD=host", Direction::ToApp), Fate::Gone);
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
            let fate = variables.fate(path, Direction::ToHost);
            let Some(without) = without else {
                assert_eq!(fate, Fate::Same, "{}", path.escape_ascii());
                continue;
            };
            let Fate::Without(range) = fate else { panic!("{}: {fate:?}", path.escape_ascii()) };
            assert_eq!([&path[..range.start], &path[range.end..]].concat(), without);
            assert_eq!(variables.fate(path, Direction::ToApp), Fate::Same);
        }
        assert_eq!(variables.missing(Direction::ToHost, |name| name == b"OLD").count(), 0);
        let app: Vec<_> = variables.missing(Direction::ToApp, |_| false).collect();
        assert_eq!(app, [b"NEW=app"]);
    }
}
