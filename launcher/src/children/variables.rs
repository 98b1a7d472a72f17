//! The environment on the way between worlds: the app has the variables that its bundle set, programs of the host have the
//! host's.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::cut;

/// A variable that the app has otherwise than the bundle's caller: whole strings, `NAME=VALUE`.
struct Difference<'a> {
    name: &'a [u8],
    app: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

/// All that differs.
pub struct Variables<'a>(Vec<Difference<'a>>);

/// To whom an environment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a program of the app to one of the host.
    ToHost,
    /// From a program of the host to one of the app.
    ToApp,
}

/// What becomes of one string of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It stays.
    Same,
    /// It goes.
    Gone,
    /// This comes in its place.
    Other(&'a [u8]),
}

fn name_of(variable: &[u8]) -> &[u8] {
    cut(variable, b'=').0
}

impl<'a> Variables<'a> {
    /// Compares what the app is started with and what the bundle was started with.
    pub fn compare(app: &[&'a CStr], host: &[&'a CStr]) -> Self {
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
        Self(all)
    }

    /// What becomes of a string: one that the program has changed itself stays as it is.
    pub fn fate(&self, variable: &[u8], direction: Direction) -> Fate<'a> {
        let (from, to) = ends(direction);
        match self.0.iter().find(|difference| from(difference) == Some(variable)) {
            None => Fate::Same,
            Some(difference) => to(difference).map_or(Fate::Gone, Fate::Other),
        }
    }

    /// The strings that a world has and the other one has not, unless `has` says that there is one of that name.
    pub fn missing(
        &self,
        direction: Direction,
        has: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = &'a [u8]> {
        let (from, to) = ends(direction);
        self.0.iter().filter_map(move |difference| match (from(difference), to(difference)) {
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
        let variables = Variables::compare(&app, &host);
        let host_has =
            |name: &[u8]| variables.missing(Direction::ToHost, |_| false).any(|v| name_of(v) == name);
        assert_eq!(variables.fate(b"A=1", Direction::ToHost), Fate::Same);
        assert_eq!(variables.fate(b"NEW=app", Direction::ToHost), Fate::Gone);
        assert_eq!(variables.fate(b"NEW=changed", Direction::ToHost), Fate::Same);
        assert_eq!(variables.fate(b"BOTH=app", Direction::ToHost), Fate::Other(b"BOTH=host"));
        assert_eq!(variables.fate(b"BOTH=host", Direction::ToApp), Fate::Other(b"BOTH=app"));
        assert_eq!(variables.fate(b"OLD=host", Direction::ToApp), Fate::Gone);
        assert!(host_has(b"OLD") && !host_has(b"NEW"));
        assert_eq!(variables.missing(Direction::ToHost, |name| name == b"OLD").count(), 0);
        let app: Vec<_> = variables.missing(Direction::ToApp, |_| false).collect();
        assert_eq!(app, [b"NEW=app"]);
    }
}
