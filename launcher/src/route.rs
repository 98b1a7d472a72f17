//! What runs here: which variant, natively or by which emulator. Decided from the manifest alone; nothing is
//! tried yet.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, EmulatorKey, Entry, Manifest, Translator, Variant};

use crate::bytes::list;
use crate::controls::{AllowedRoute, Controls};
use crate::error::Error;
use crate::sys;

/// The CPU that this launcher was built for.
pub const HOST: Arch = match Arch::HOST {
    Some(host) => host,
    None => panic!("the launcher is built for one of Arch::HOSTS"),
};

/// How the app will be executed.
pub enum Route<'a> {
    /// The variant was built for this CPU.
    Native(Variant<'a>),
    /// These translators can run the variant, in the order in which they are tried; one at least.
    Emulated(Variant<'a>, Vec<Translator<'a>>),
    /// The user has named this emulator (`UNIBIN_EMULATOR`).
    UsersEmulator(Variant<'a>, &'a CStr),
}

impl<'a> Route<'a> {
    /// Chooses: a native variant where allowed, else the first variant that an emulator for this host runs.
    pub fn choose(manifest: &Manifest<'a>, controls: &Controls<'a>) -> Result<Self, Error> {
        let native_allowed = controls.route != AllowedRoute::Emulated && controls.emulator.is_none();
        let level = sys::level();
        let runs_here = |variant: &Variant<'_>| variant.target == HOST && variant.level <= level;
        if native_allowed && let Some(variant) = manifest.variants().find(runs_here) {
            return Ok(Self::Native(variant));
        }
        if controls.route != AllowedRoute::Native {
            // No emulator promises more than the baseline.
            for variant in manifest.variants().filter(|variant| variant.level == 0) {
                if let Some(emulator) = controls.emulator {
                    return Ok(Self::UsersEmulator(variant, emulator));
                }
                let key = EmulatorKey { host: HOST, target: variant.target };
                let here: Vec<_> =
                    manifest.translators().filter(|translator| translator.key == key).collect();
                if !here.is_empty() {
                    return Ok(Self::Emulated(variant, here));
                }
            }
        }
        Err(Self::none(manifest, controls))
    }

    /// The variant that runs.
    pub fn variant(&self) -> &Variant<'a> {
        match self {
            Self::Native(variant) | Self::Emulated(variant, _) | Self::UsersEmulator(variant, _) => variant,
        }
    }

    fn none(manifest: &Manifest<'a>, controls: &Controls<'_>) -> Error {
        match controls.route {
            AllowedRoute::Native => Error::no_such_route(b"native", HOST.name().as_bytes()),
            AllowedRoute::Emulated => Error::no_such_route(b"emulated", HOST.name().as_bytes()),
            AllowedRoute::Any => {
                let target = manifest.variants().next().map_or(HOST, |variant| variant.target);
                let emulators = manifest.translators().filter(|translator| translator.key.target == target);
                let natives = manifest.variants().map(|variant| variant.target);
                let hosts: Vec<_> = emulators.map(|translator| translator.key.host).chain(natives).collect();
                Error::no_route(EmulatorKey { host: HOST, target }, names(&hosts))
            }
        }
    }
}

/// CPU names, each once, in the order of the table.
pub fn names(hosts: &[Arch]) -> &'static [u8] {
    let inside = Arch::ALL.iter().filter(|arch| hosts.contains(arch));
    list(inside.map(|arch| arch.name().as_bytes()), b" ")
}

/// The program to start: by `UNIBIN_ENTRY`, else by the name that the bundle was called by, else the
/// variant's default.
pub fn choose_entry<'a>(
    manifest: &Manifest<'a>,
    variant: &Variant<'a>,
    wanted: Option<&[u8]>,
    called: &[u8],
) -> Result<Entry<'a>, Error> {
    let by_name = |name: &[u8]| manifest.entries(variant).find(|entry| entry.name == name);
    // A login shell is called by its name behind a `-`.
    let called_as = base_name(called.strip_prefix(b"-").unwrap_or(called));
    let found = match wanted {
        Some(name) => by_name(name),
        None => by_name(called_as).or_else(|| manifest.entries(variant).next()),
    };
    found.ok_or_else(|| {
        let inside = list(manifest.entries(variant).map(|entry| entry.name), b" ");
        Error::no_entry(wanted.unwrap_or(called), inside)
    })
}

/// The last component of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
