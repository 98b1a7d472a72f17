//! `unibin emulator`: manages the emulator store.

use std::fmt::Write;

use bundle::{Arch, EmulatorKey};
use serde::Serialize;

use crate::cli::values::Hosts;
use crate::cli::{ArchiveArgs, EmulatorCommand, PairArgs, PairsArgs, SupplyArgs};
use crate::commands::emulator_source;
use crate::commands::emulator_transfer;
use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::json;
use crate::say;
use crate::units::size;

#[derive(Serialize)]
struct Row {
    host: &'static str,
    target: &'static str,
    emulator: String,
    file: String,
}

#[derive(Serialize)]
struct FetchedRow {
    host: &'static str,
    target: &'static str,
    emulator: String,
    /// Bytes that were downloaded for it; 0 if it was here already.
    fetched: u64,
}

/// Runs the subcommand.
pub(crate) fn emulator(command: &EmulatorCommand) -> Result<String, Error> {
    let offline = ArchiveArgs { offline: true, ..ArchiveArgs::default() };
    let store = || Emulators::open(&offline);
    match command {
        EmulatorCommand::List(args) => list(&store()?, args.json),
        EmulatorCommand::Fetch { pairs, archive, list } => {
            let emulators = Emulators::open(archive)?;
            let keys = wanted(&emulators, pairs)?;
            let found = emulators.fetch(&keys)?;
            if list.json {
                let row = |found: &Emulator| FetchedRow {
                    host: found.key.host.name(),
                    target: found.key.target.name(),
                    emulator: format!("{} {}", found.translator, found.version),
                    fetched: emulators.transferred(found.key).unwrap_or_default(),
                };
                return Ok(json::text(&found.iter().map(row).collect::<Vec<_>>()));
            }
            Ok(found.iter().fold(String::new(), |text, found| {
                let bytes =
                    emulators.transferred(found.key).map(|bytes| format!(" ({} fetched)", size(bytes)));
                let bytes = bytes.unwrap_or_default();
                text + &format!("{} {} {}{bytes}\n", found.key, found.translator, found.version)
            }))
        }
        EmulatorCommand::Lock { pairs, archive } => {
            // What is locked now must not decide what will be.
            let supply = SupplyArgs { lock: None, locked: false, ..archive.supply.clone() };
            let emulators = Emulators::without_lock(&ArchiveArgs { supply, ..archive.clone() })?;
            let keys = wanted(&emulators, pairs)?;
            emulators.lock(&keys, archive.supply.lock.as_deref())?;
            Ok(String::new())
        }
        EmulatorCommand::Source { pairs, only_own, to, archive } => {
            let emulators = Emulators::open(archive)?;
            let wanted = emulators.sources(&wanted(&emulators, pairs)?, *only_own)?;
            emulator_source::fetch(wanted, to, archive)
        }
        EmulatorCommand::Export { to } => emulator_transfer::export(&store()?, to),
        EmulatorCommand::Import { from, lock } => {
            let supply = SupplyArgs { lock: lock.clone(), ..SupplyArgs::default() };
            emulator_transfer::import(&Emulators::open(&ArchiveArgs { supply, ..offline.clone() })?, from)
        }
        EmulatorCommand::Add { pair, file } => {
            Ok(format!("{}\n", store()?.add(key(*pair)?, file)?.display()))
        }
        EmulatorCommand::Remove(pair) => {
            let key = key(*pair)?;
            if store()?.remove(key)? { Ok(String::new()) } else { Err(Error::NotInStore { key }) }
        }
        EmulatorCommand::Path(pair) => {
            let key = key(*pair)?;
            let path = store()?.path(key)?.ok_or(Error::NotInStore { key })?;
            Ok(format!("{}\n", path.display()))
        }
    }
}

/// The pairs that are meant. A host that was not listed by name is skipped if it has no emulator.
fn wanted(emulators: &Emulators, pairs: &PairsArgs) -> Result<Vec<EmulatorKey>, Error> {
    let target = pairs.target;
    let listed = matches!(pairs.hosts, Some(Hosts::Listed(_)));
    let hosts = match &pairs.hosts {
        None => Arch::DEFAULT_HOSTS.to_vec(),
        Some(Hosts::All) => Arch::HOSTS.to_vec(),
        Some(Hosts::Listed(hosts)) => hosts.clone(),
    };
    let mut keys = Vec::new();
    for host in hosts.iter().copied() {
        let key = EmulatorKey { host, target };
        match emulators.lacks(key)? {
            _ if host == target && listed => {
                say::warning(&format!("{target} programs run natively on {host} hosts: nothing to fetch"));
            }
            _ if host == target => {}
            Some(why) if !listed => say::warning(&format!("{why}: skipped")),
            _ => keys.push(key),
        }
    }
    if keys.is_empty() && !hosts.contains(&target) {
        return Err(Error::NoHostLeft { target });
    }
    Ok(keys)
}

fn list(store: &Emulators, json: bool) -> Result<String, Error> {
    let row = |(key, emulator, file): (EmulatorKey, String, std::path::PathBuf)| Row {
        host: key.host.name(),
        target: key.target.name(),
        emulator,
        file: file.display().to_string(),
    };
    let rows: Vec<_> = store.list()?.into_iter().map(row).collect();
    if json {
        return Ok(json::text(&rows));
    }
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{:<12} on {:<12} {:<24} {}", row.target, row.host, row.emulator, row.file);
    }
    Ok(text)
}

/// The pair; its host is this machine's unless one was named.
fn key(pair: PairArgs) -> Result<EmulatorKey, Error> {
    let host = pair.host.or(Arch::HOST).ok_or(Error::NoHostLeft { target: pair.target })?;
    Ok(EmulatorKey { host, target: pair.target })
}
