//! The `UNIBIN_*` variables that steer a run, read once. Every argument belongs to the app.

use core::ffi::CStr;

use bundle::cut;

use crate::bytes::{c_str, keep};
use crate::error::Error;

/// What to do with the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Run the app.
    Run,
    /// Print what is inside (`UNIBIN_DO=info`).
    Info,
    /// Print what is owed to the authors of its parts (`UNIBIN_DO=notices`).
    Notices,
    /// Check every byte (`UNIBIN_DO=verify`).
    Verify,
    /// Unpack the app into a directory (`UNIBIN_DO=extract`).
    Extract,
    /// Remove what was not used for long from the cache (`UNIBIN_DO=gc`).
    Gc,
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

/// How programs that the app starts are attended to (`UNIBIN_CHILDREN`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// In the first way that works here.
    Auto,
    /// By a broker.
    Broker,
    /// By a private `binfmt_misc`.
    Binfmt,
    /// By the emulator itself.
    Emulator,
    /// Not at all.
    None,
}

/// Whether mounts give an app the view that it was packed with (`UNIBIN_VIEW`), or a system its root.
#[cfg(feature = "children")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Where they are allowed; what is for systems only means the same for an app.
    Packed,
    /// Else it does not start.
    Union,
    /// Not at all: it sees the host's files.
    Host,
    /// Of a system: by mounts, or it does not start.
    Mounts,
    /// Of a system: an emulator makes it the root.
    Emulator,
}

/// The controls of one run.
#[derive(Clone, Copy, Debug)]
pub struct Controls<'a> {
    /// `UNIBIN_DO`
    pub task: Task,
    /// `UNIBIN_ROUTE`
    pub route: AllowedRoute,
    /// `UNIBIN_CHILDREN`; the launcher leaves it to the broker.
    pub children: Children,
    /// `UNIBIN_DAYS`: what was used within so many days, `UNIBIN_DO=gc` keeps; likewise.
    pub days: u32,
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
    /// `UNIBIN_GDB`: a port, or the absolute path of a socket, where the emulator waits for a debugger.
    pub gdb: Option<&'a CStr>,
    /// `UNIBIN_STRACE`: as `UNIBIN_LOG`. The emulator reports the app's system calls.
    pub strace: bool,
    /// `UNIBIN_ENTRY`: which program to start.
    pub entry: Option<&'a [u8]>,
    /// `UNIBIN_TO`: where `UNIBIN_DO=extract` writes.
    pub to: Option<&'a CStr>,
    /// `UNIBIN_LIBRARY_PATH`: directories in which the app's loader looks before its tree.
    pub library_path: Option<&'a CStr>,
    /// `UNIBIN_PRELOAD`: libraries that the app's loader loads first.
    pub preload: Option<&'a CStr>,
    /// `UNIBIN_KEEP`: the name under which changes of a system, or of an app with a view by mounts, are kept;
    /// the launcher knows neither it nor the following.
    #[cfg(feature = "children")]
    pub keep: Option<&'a CStr>,
    /// `UNIBIN_BIND`: what of the host a system sees.
    #[cfg(feature = "children")]
    pub bind: Option<&'a CStr>,
    /// `UNIBIN_USER`: as whom a system's program runs.
    #[cfg(feature = "children")]
    pub user: Option<&'a CStr>,
    /// `UNIBIN_WORKDIR`: where it runs.
    #[cfg(feature = "children")]
    pub workdir: Option<&'a CStr>,
    /// `UNIBIN_VIEW`
    #[cfg(feature = "children")]
    pub view: View,
}

/// What `UNIBIN_DO=gc` keeps where `UNIBIN_DAYS` is not set.
const DAYS: u32 = 30;

/// The values as they stand in the environment; an empty one counts as not set.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    task: Option<&'a CStr>,
    route: Option<&'a CStr>,
    children: Option<&'a CStr>,
    days: Option<&'a CStr>,
    log: Option<&'a CStr>,
    verify: Option<&'a CStr>,
    cache: Option<&'a CStr>,
    emulator: Option<&'a CStr>,
    options: Option<&'a CStr>,
    gdb: Option<&'a CStr>,
    strace: Option<&'a CStr>,
    entry: Option<&'a CStr>,
    to: Option<&'a CStr>,
    library_path: Option<&'a CStr>,
    preload: Option<&'a CStr>,
    #[cfg(feature = "children")]
    keep: Option<&'a CStr>,
    #[cfg(feature = "children")]
    bind: Option<&'a CStr>,
    #[cfg(feature = "children")]
    user: Option<&'a CStr>,
    #[cfg(feature = "children")]
    workdir: Option<&'a CStr>,
    #[cfg(feature = "children")]
    view: Option<&'a CStr>,
}

impl<'a> Given<'a> {
    fn read(environment: impl Iterator<Item = &'a CStr>) -> Self {
        let mut given = Self::default();
        for (name, value) in environment.filter_map(split) {
            let field = match name {
                b"DO" => &mut given.task,
                b"ROUTE" => &mut given.route,
                b"CHILDREN" => &mut given.children,
                b"DAYS" => &mut given.days,
                b"LOG" => &mut given.log,
                b"VERIFY" => &mut given.verify,
                b"CACHE" => &mut given.cache,
                b"EMULATOR" => &mut given.emulator,
                b"EMULATOR_OPTIONS" => &mut given.options,
                b"GDB" => &mut given.gdb,
                b"STRACE" => &mut given.strace,
                b"ENTRY" => &mut given.entry,
                b"TO" => &mut given.to,
                b"LIBRARY_PATH" => &mut given.library_path,
                b"PRELOAD" => &mut given.preload,
                #[cfg(feature = "children")]
                b"KEEP" => &mut given.keep,
                #[cfg(feature = "children")]
                b"BIND" => &mut given.bind,
                #[cfg(feature = "children")]
                b"USER" => &mut given.user,
                #[cfg(feature = "children")]
                b"WORKDIR" => &mut given.workdir,
                #[cfg(feature = "children")]
                b"VIEW" => &mut given.view,
                _ => continue,
            };
            *field = Some(value);
        }
        given
    }
}

impl<'a> Controls<'a> {
    /// Variables that speak of this run only: an app that starts another bundle must not pass them on. Those
    /// of systems speak of it if it is a system's (`system`); others may be for what they start.
    pub fn is_of_this_run(variable: &[u8], system: bool) -> bool {
        variable
            .strip_prefix(PREFIX)
            .is_some_and(|name| OF_THIS_RUN.contains(&name) || system && OF_SYSTEMS.contains(&name))
    }

    /// Reads the controls out of an environment. An empty value counts as not set.
    pub fn read(environment: impl Iterator<Item = &'a CStr>) -> Result<&'a Self, Error> {
        let given = Given::read(environment);
        let is_on = |value: Option<&CStr>| value.is_some_and(|value| value.to_bytes() != b"0");
        // The app may change its working directory before it starts a program from the cache.
        if let Some(cache) = given.cache.map(CStr::to_bytes).filter(|cache| cache.first() != Some(&b'/')) {
            return Err(Error::bad_control(b"CACHE", cache, "it takes the absolute path of a directory"));
        }
        if let Some(gdb) = given.gdb.map(CStr::to_bytes).filter(|gdb| !is_port_or_socket(gdb)) {
            let takes = "it takes a port, or the absolute path of a socket, without `,` and `%`";
            return Err(Error::bad_control(b"GDB", gdb, takes));
        }
        let tasks = "it takes info, notices, verify, extract, gc or run";
        Ok(keep(Self {
            task: choice(b"DO", given.task, &TASKS, tasks)?,
            route: choice(b"ROUTE", given.route, &ROUTES, "it takes native, emulated or any")?,
            children: choice(
                b"CHILDREN",
                given.children,
                &CHILDREN,
                "it takes auto, broker, binfmt, emulator or none",
            )?,
            days: given.days.map_or(Ok(DAYS), days)?,
            log: is_on(given.log),
            verify: is_on(given.verify),
            cache: given.cache,
            emulator: given.emulator,
            options: given.options,
            gdb: given.gdb,
            strace: is_on(given.strace),
            entry: given.entry.map(CStr::to_bytes),
            to: given.to,
            library_path: given.library_path,
            preload: given.preload,
            #[cfg(feature = "children")]
            keep: given.keep,
            #[cfg(feature = "children")]
            bind: given.bind,
            #[cfg(feature = "children")]
            user: given.user,
            #[cfg(feature = "children")]
            workdir: given.workdir,
            #[cfg(feature = "children")]
            view: choice(
                b"VIEW",
                given.view,
                &VIEWS,
                "it takes packed, union or host; for a system, packed, mounts or emulator",
            )?,
        }))
    }
}

/// What all variables begin with.
const PREFIX: &[u8] = b"UNIBIN_";

/// The variables without that which speak of this run only. The others are meant for every bundle that the
/// app may start.
const OF_THIS_RUN: [&[u8]; 11] = [
    b"DO",
    b"ROUTE",
    b"EMULATOR",
    b"EMULATOR_OPTIONS",
    b"GDB",
    b"STRACE",
    b"ENTRY",
    b"TO",
    b"LIBRARY_PATH",
    b"PRELOAD",
    b"CHILDREN",
];

/// The same of systems.
const OF_SYSTEMS: [&[u8]; 4] = [b"KEEP", b"BIND", b"USER", b"WORKDIR"];

/// QEMU takes what follows a `,` for options, and replaces `%d` by a number (gdbstub/user.c).
fn is_port_or_socket(value: &[u8]) -> bool {
    let is_port = || {
        let port = core::str::from_utf8(value).ok().and_then(|port| port.parse::<u16>().ok());
        port.is_some_and(|port| port != 0) && value.iter().all(u8::is_ascii_digit)
    };
    let is_path = value.first() == Some(&b'/') && !value.iter().any(|byte| matches!(byte, b',' | b'%'));
    is_path || is_port()
}

fn days(value: &CStr) -> Result<u32, Error> {
    let days = value.to_str().ok().and_then(|days| days.parse().ok());
    days.ok_or_else(|| Error::bad_control(b"DAYS", value.to_bytes(), "it takes a number of days"))
}

/// Name, without [`PREFIX`], and value of one of our variables with a value; `None` for all others.
fn split(variable: &CStr) -> Option<(&[u8], &CStr)> {
    let (name, value) = cut(variable.to_bytes_with_nul(), b'=');
    let name = name.strip_prefix(PREFIX)?;
    let value = c_str(value?);
    (!value.is_empty()).then_some((name, value))
}

const TASKS: [(&[u8], Task); 6] = [
    (b"run", Task::Run),
    (b"info", Task::Info),
    (b"notices", Task::Notices),
    (b"verify", Task::Verify),
    (b"extract", Task::Extract),
    (b"gc", Task::Gc),
];
const ROUTES: [(&[u8], AllowedRoute); 3] =
    [(b"any", AllowedRoute::Any), (b"native", AllowedRoute::Native), (b"emulated", AllowedRoute::Emulated)];
const CHILDREN: [(&[u8], Children); 5] = [
    (b"auto", Children::Auto),
    (b"broker", Children::Broker),
    (b"binfmt", Children::Binfmt),
    (b"emulator", Children::Emulator),
    (b"none", Children::None),
];

#[cfg(feature = "children")]
const VIEWS: [(&[u8], View); 5] = [
    (b"packed", View::Packed),
    (b"union", View::Union),
    (b"host", View::Host),
    (b"mounts", View::Mounts),
    (b"emulator", View::Emulator),
];

/// What a value stands for; the first choice where the variable is not set.
fn choice<T: Copy>(
    name: &[u8],
    value: Option<&CStr>,
    choices: &[(&[u8], T)],
    hint: &'static str,
) -> Result<T, Error> {
    let mut choices = choices.iter();
    let found = match value {
        None => choices.next(),
        Some(value) => choices.find(|(known, _)| *known == value.to_bytes()),
    };
    let refused = || Error::bad_control(name, value.unwrap_or_default().to_bytes(), hint);
    found.map(|(_, choice)| *choice).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_refused_and_an_empty_one_is_not_set() {
        assert!(Controls::read([c"UNIBIN_DO=dance"].into_iter()).is_err());
        assert!(Controls::read([c"UNIBIN_ROUTE=sideways"].into_iter()).is_err());
        assert!(Controls::read([c"UNIBIN_CACHE=here"].into_iter()).is_err());
        for gdb in
            [c"UNIBIN_GDB=0", c"UNIBIN_GDB=65536", c"UNIBIN_GDB=s", c"UNIBIN_GDB=+1", c"UNIBIN_GDB=/a,b"]
        {
            assert!(Controls::read([gdb].into_iter()).is_err(), "{gdb:?}");
        }
        let read =
            Controls::read([c"UNIBIN_DO=", c"UNIBIN_ROUTE=native", c"HOME=/x", c"UNIBIN_LOG=0"].into_iter());
        let controls = read.ok().expect("valid");
        assert_eq!((controls.task, controls.route, controls.log), (Task::Run, AllowedRoute::Native, false));
    }
}
