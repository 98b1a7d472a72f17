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
    /// `UNIBIN_ENTRY`: which program to start.
    pub entry: Option<&'a [u8]>,
    /// `UNIBIN_TO`: where `UNIBIN_DO=extract` writes.
    pub to: Option<&'a CStr>,
}

impl<'a> Controls<'a> {
    /// Variables that speak of this run only: an app that starts another bundle must not pass them on.
    pub const OF_THIS_RUN: [&'static [u8]; 5] =
        [b"UNIBIN_DO", b"UNIBIN_ROUTE", b"UNIBIN_EMULATOR", b"UNIBIN_ENTRY", b"UNIBIN_TO"];

    /// Reads the controls out of an environment. An empty value counts as not set.
    pub fn read(environment: impl Iterator<Item = &'a CStr>) -> Result<Self, Error> {
        let mut controls = Self {
            task: Task::Run,
            route: AllowedRoute::Any,
            log: false,
            verify: false,
            cache: None,
            emulator: None,
            entry: None,
            to: None,
        };
        for variable in environment {
            let Some((name, value)) = split(variable) else { continue };
            let bytes = value.to_bytes();
            match name {
                b"UNIBIN_DO" => controls.task = task(name, bytes)?,
                b"UNIBIN_ROUTE" => controls.route = route(name, bytes)?,
                b"UNIBIN_LOG" => controls.log = bytes != b"0",
                b"UNIBIN_VERIFY" => controls.verify = bytes != b"0",
                b"UNIBIN_CACHE" if bytes.first() == Some(&b'/') => controls.cache = Some(value),
                // The app may change its working folder before it starts a program from the cache.
                b"UNIBIN_CACHE" => {
                    return Err(Error::bad_control(name, bytes, "it takes the absolute path of a folder"));
                }
                b"UNIBIN_EMULATOR" => controls.emulator = Some(value),
                b"UNIBIN_ENTRY" => controls.entry = Some(bytes),
                b"UNIBIN_TO" => controls.to = Some(value),
                _ => {}
            }
        }
        Ok(controls)
    }
}

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
        b"extract" => Ok(Task::Extract),
        _ => Err(Error::bad_control(name, value, "it takes info, verify, extract or run")),
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
