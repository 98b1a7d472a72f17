//! Which hosts a bundle will start on, and what each needs an emulator for; decided before anything is
//! fetched.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle::{Arch, EmulatorKey};
use emulator::{EmulatorError, NoEmulator};

use crate::emulators::Emulators;
use crate::error::Error;
use crate::request::Request;
use crate::say;

/// A pair that needs an emulator.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: EmulatorKey,
    /// Name and version of the emulator, as far as they are known before it is fetched.
    pub(crate) emulator: String,
}

/// Which hosts a bundle will start on, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) hosts: Vec<Arch>,
    /// The pairs that need an emulator: each host that is not the target itself, and on each the further
    /// targets. Those of one host are adjacent.
    pub(crate) pairs: Vec<Pair>,
    /// Hosts that were left out, and why.
    pub(crate) skipped: Vec<(Arch, String)>,
    /// Files that the user gave as emulators.
    pub(super) given: BTreeMap<EmulatorKey, PathBuf>,
}

impl Emulators {
    /// Decides for each requested host: native, emulated, left out, or an error. Those in `natives` need no
    /// emulator for `target`: what they run is built for themselves.
    pub(crate) fn plan(&self, request: &Request, target: Arch, natives: &[Arch]) -> Result<Plan, Error> {
        let mut plan =
            Plan { hosts: Vec::new(), pairs: Vec::new(), skipped: Vec::new(), given: BTreeMap::new() };
        for host in request.hosts.iter().copied() {
            let key = EmulatorKey { host, target };
            let given = request.emulators.iter().find(|(other, _)| *other == host);
            if let Some((_, path)) = given {
                emulator::elf_check::check(path, host).map_err(|fault| EmulatorError::Given {
                    key,
                    path: path.clone(),
                    fault,
                })?;
                plan.given.insert(key, path.clone());
            }
            let emulator = match self.known(key)? {
                _ if given.is_some() => Some("given file".to_owned()),
                _ if host == target && !request.is_emulator_only() && !request.emulates_own
                    || natives.contains(&host) =>
                {
                    None
                }
                Ok(emulator) => Some(emulator),
                // Asked for only where there is one.
                Err(_) if host == target && !request.is_emulator_only() => None,
                Err(nothing) if request.skip_hosts => {
                    say::warning(&format!("{nothing}: skipped"));
                    plan.skipped.push((host, nothing.to_string()));
                    continue;
                }
                Err(nothing) => return Err(EmulatorError::from(nothing).into()),
            };
            plan.hosts.push(host);
            plan.pairs.extend(emulator.map(|emulator| Pair { key, emulator }));
            for also in request.also_targets.iter().filter(|also| ![host, target].contains(also)) {
                let key = EmulatorKey { host, target: *also };
                match self.known(key)? {
                    Ok(emulator) => plan.pairs.push(Pair { key, emulator }),
                    Err(nothing) => say::warning(&format!("{nothing}: skipped")),
                }
            }
        }
        if plan.hosts.is_empty() { Err(Error::NoHostLeft { target }) } else { Ok(plan) }
    }

    /// Name and version of the emulator for a pair, as far as they are known before it is fetched; or why
    /// there is none.
    fn known(&self, key: EmulatorKey) -> Result<Result<String, NoEmulator>, Error> {
        if let Some(own) = self.translators.of(key).first() {
            return Ok(Ok(format!("{} {}", own.name, own.version)));
        }
        Ok(match self.catalogue.find(key) {
            Ok(known) => Ok(known.to_string()),
            Err(_) if self.store.path(key)?.is_some() => Ok("from the store".to_owned()),
            Err(nothing) => Err(self.translators.besides(nothing)),
        })
    }

    /// Why there is no emulator for a pair, neither known nor in the store; `None` if there is one.
    pub(crate) fn lacks(&self, key: EmulatorKey) -> Result<Option<String>, Error> {
        match self.catalogue.find(key) {
            Err(nothing) if self.store.path(key)?.is_none() => Ok(Some(nothing.to_string())),
            _ => Ok(None),
        }
    }
}
