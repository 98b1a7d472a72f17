//! The `UNIBIN_*` variables that steer a run, read once. Every argument belongs to the app.

use core::ffi::CStr;

use crate::error::Error;

/// What to do with the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Run the app.
    Run,
    /// Print what is inside (`UNIBIN_DO=info`).
    Info,
    /// Check every byte (`UNIBIN_DO=verify`).
    Verify,
    /// Print the licences and sources of what is inside (`UNIBIN_DO=notices`).
    Notices,
    /// Unpack the app into a folder (`UNIBIN_DO=extract`).
    Extract,
}

/// Which routes are allowed (`UNIBIN_ROUTE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedRoute {
    /// Native where a variant for this CPU is inside, else emulated.
    Any,
    /// Native only.
    Native,
    /// Emulated only, also where a native variant is inside.
    Emulated,
}

/// The controls of one run.
#[derive(Clone, Copy, Debug)]
pub struct Controls<'a> {
    /// `UNIBIN_DO`
    pub task: Task,
    /// `UNIBIN_ROUTE`
    pub route: AllowedRoute,
    /// `UNIBIN_LOG`: set, not empty and not `0`.
    pub log: bool,
    /// `UNIBIN_VERIFY`: likewise. Nothing is trusted that an earlier run unpacked.
    pub verify: bool,
    /// `UNIBIN_CACHE`: the first candidate for the cache.
    pub cache: Option<&'a CStr>,
    /// `UNIBIN_EMULATOR`: used in place of the bundle's own.
    pub emulator: Option<&'a CStr>,
    /// `UNIBIN_EMULATOR_OPTIONS`: arguments for the emulator, before its own.
    pub options: Option<&'a CStr>,
    /// `UNIBIN_ENTRY`: which program to start.
    pub entry: Option<&'a [u8]>,
    /// `UNIBIN_TO`: where `UNIBIN_DO=extract` writes.
    pub to: Option<&'a CStr>,
}

impl<'a> Controls<'a> {
    /// Variables that speak of this run only: an app that starts another bundle must not pass them on.
    pub const OF_THIS_RUN: [&'static [u8]; 6] = [
        b"UNIBIN_DO",
        b"UNIBIN_ROUTE",
        b"UNIBIN_EMULATOR",
        b"UNIBIN_EMULATOR_OPTIONS",
        b"UNIBIN_ENTRY",
        b"UNIBIN_TO",
    ];

    /// Reads the controls out of an environment. An empty value counts as not set.
    pub fn read(environment: impl Iterator<Item = &'a CStr>) -> Result<Self, Error> {
        let mut values = [None; NAMES.len()];
        for variable in environment {
            if let Some((name, value)) = split(variable)
                && let Some(at) = NAMES.iter().position(|known| *known == name)
                && let Some(slot) = values.get_mut(at)
            {
                *slot = Some(value);
            }
        }
        let [task, route, log, verify, cache, emulator, options, entry, to] = values;
        let is_on = |value: Option<&CStr>| value.is_some_and(|value| value.to_bytes() != b"0");
        // The app may change its working folder before it starts a program from the cache.
        if let Some(cache) = cache.map(CStr::to_bytes).filter(|cache| cache.first() != Some(&b'/')) {
            return Err(Error::bad_control(NAMES[4], cache, "it takes the absolute path of a folder"));
        }
        Ok(Self {
            task: task.map_or(Ok(Task::Run), |value| self::task(NAMES[0], value.to_bytes()))?,
            route: route.map_or(Ok(AllowedRoute::Any), |value| self::route(NAMES[1], value.to_bytes()))?,
            log: is_on(log),
            verify: is_on(verify),
            cache,
            emulator,
            options,
            entry: entry.map(CStr::to_bytes),
            to,
        })
    }
}

/// The variables, in the order in which [`Controls::read`] takes them apart. A table, since comparing with each name in
/// turn is much code.
const NAMES: [&[u8]; 9] = [
    b"UNIBIN_DO",
    b"UNIBIN_ROUTE",
    b"UNIBIN_LOG",
    b"UNIBIN_VERIFY",
    b"UNIBIN_CACHE",
    b"UNIBIN_EMULATOR",
    b"UNIBIN_EMULATOR_OPTIONS",
    b"UNIBIN_ENTRY",
    b"UNIBIN_TO",
];

/// Name and value of one of our variables with a value; `None` for all others.
fn split(variable: &CStr) -> Option<(&[u8], &CStr)> {
    let bytes = variable.to_bytes_with_nul();
    if !bytes.starts_with(b"UNIBIN_") {
        return None;
    }
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = bytes.split_at_checked(equals)?;
    let value = CStr::from_bytes_with_nul(value.get(1..)?).ok()?;
    (!value.is_empty()).then_some((name, value))
}

fn task(name: &[u8], value: &[u8]) -> Result<Task, Error> {
    match value {
        b"run" => Ok(Task::Run),
        b"info" => Ok(Task::Info),
        b"verify" => Ok(Task::Verify),
        b"notices" => Ok(Task::Notices),
        b"extract" => Ok(Task::Extract),
        _ => Err(Error::bad_control(name, value, "it takes info, verify, notices, extract or run")),
    }
}

fn route(name: &[u8], value: &[u8]) -> Result<AllowedRoute, Error> {
    match value {
        b"any" => Ok(AllowedRoute::Any),
        b"native" => Ok(AllowedRoute::Native),
        b"emulated" => Ok(AllowedRoute::Emulated),
        _ => Err(Error::bad_control(name, value, "it takes native, emulated or any")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_refused_and_an_empty_one_is_not_set() {
        assert!(Controls::read([c"UNIBIN_DO=dance"].into_iter()).is_err());
        assert!(Controls::read([c"UNIBIN_ROUTE=sideways"].into_iter()).is_err());
        assert!(Controls::read([c"UNIBIN_CACHE=here"].into_iter()).is_err());
        let read =
            Controls::read([c"UNIBIN_DO=", c"UNIBIN_ROUTE=native", c"HOME=/x", c"UNIBIN_LOG=0"].into_iter());
        let controls = read.ok().expect("valid");
        assert_eq!((controls.task, controls.route, controls.log), (Task::Run, AllowedRoute::Native, false));
    }
}
