//! How this run was started: by the stub with the bundle's path, or because the bundle begins with this
//! launcher.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::absolute::{OWN, absolute};
use crate::bytes::{c_string, keep};
use crate::error::Error;
use crate::sys::{self, Access, At, Process};

/// The argument in place of a bundle with which the stub asks a freshly cut out launcher whether it can be
/// executed.
const PROBE: &CStr = c"-";

/// What the caller gave.
pub struct Start<'a> {
    /// Arguments, environment and auxiliary vector as the kernel handed them over.
    pub process: &'a Process,
    /// The bundle's path.
    pub bundle: &'a CStr,
    /// The name by which the bundle was called: the app's `argv[0]`.
    pub argv0: &'a CStr,
    /// The user's arguments.
    pub arguments: Vec<&'a CStr>,
    /// The launcher's own path, where the stub started it.
    pub launcher: Option<&'a CStr>,
    /// Whether the stub only wants to know that this launcher works and belongs to the bundle.
    pub probe: bool,
}

impl<'a> Start<'a> {
    /// Reads the arguments. From the stub: `[launcher, bundle, argv0, arguments...]` or
    /// `[launcher, "-", bundle]`; at the head of a bundle: `[argv0, arguments...]`.
    pub fn read(process: &'a Process) -> Result<&'a Self, Error> {
        if process.secure() {
            return Err(Error::secure_start());
        }
        let mut arguments = process.args().iter().copied();
        if sys::starts_as_elf() {
            let argv0 = arguments.next().unwrap_or(c"");
            // /proc may be missing; the path that the kernel executed is then the best there is.
            let bundle = match sys::faccessat(At::CWD, OWN, Access::Exists) {
                Ok(()) => OWN,
                Err(_) => process.execfn().ok_or_else(Error::no_bundle)?,
            };
            return Ok(keep(Self {
                process,
                bundle,
                argv0,
                arguments: arguments.collect(),
                launcher: None,
                probe: false,
            }));
        }

        let launcher = arguments.next();
        let first = arguments.next().ok_or_else(Error::no_bundle)?;
        let probe = first == PROBE;
        let bundle = if probe { arguments.next().ok_or_else(Error::no_bundle)? } else { first };
        let argv0 = arguments.next().unwrap_or(bundle);
        Ok(keep(Self { process, bundle, argv0, arguments: arguments.collect(), launcher, probe }))
    }

    /// The same start, with the bundle's path from the root: once this process has mounts of its own, the
    /// kernel no longer tells where the file lies that it executes.
    pub fn by_path(&self) -> &'a Self {
        let bundle = c_string(&[absolute(self.bundle.to_bytes())]);
        keep(Self { bundle, arguments: self.arguments.clone(), ..*self })
    }
}
