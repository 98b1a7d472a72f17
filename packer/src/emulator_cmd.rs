//! `unibin emulator`: the store of emulators, by hand.

use std::fmt::Write;

use bundle::{Arch, EmulatorKey};
use serde::Serialize;

use crate::cli::{ArchiveArgs, CellArgs, EmulatorCommand, Hosts};
use crate::emulators::Emulators;
use crate::error::{Code, Error};
use crate::{json, say};

#[derive(Serialize)]
struct Row {
    host: &'static str,
    target: &'static str,
    emulator: String,
    file: String,
}

/// Does what was asked for.
pub(crate) fn emulator(command: &EmulatorCommand) -> Result<String, Error> {
    let offline = ArchiveArgs { offline: true, mirror: None, suite: None, allow_stale: false };
    let store = || Emulators::open(&offline);
    match command {
        EmulatorCommand::List(args) => list(&store()?, args.json),
        EmulatorCommand::Fetch { cells, archive } => {
            let hosts = match &cells.hosts {
                None => Arch::DEFAULT_HOSTS.to_vec(),
                Some(Hosts::All) => Arch::HOSTS.to_vec(),
                Some(Hosts::Listed(hosts)) => hosts.clone(),
            };
            let listed = matches!(cells.hosts, Some(Hosts::Listed(_)));
            let emulators = Emulators::open(archive)?;
            let keys = wanted(&emulators, cells.target, hosts, listed)?;
            let found = emulators.fetch(&keys)?;
            Ok(found.iter().fold(String::new(), |text, found| {
                text + &format!("{} {} {}\n", found.key, found.translator, found.version)
            }))
        }
        EmulatorCommand::Add { cell, file } => {
            Ok(format!("{}\n", store()?.add(key(*cell)?, file)?.display()))
        }
        EmulatorCommand::Remove(cell) => {
            let key = key(*cell)?;
            if store()?.remove(key)? { Ok(String::new()) } else { Err(not_there(key)) }
        }
        EmulatorCommand::Path(cell) => {
            let key = key(*cell)?;
            let path = store()?.path(key)?.ok_or_else(|| not_there(key))?;
            Ok(format!("{}\n", path.display()))
        }
    }
}

/// The pairs to fetch. A host that was not `listed` by name is left out where it has no emulator.
fn wanted(
    emulators: &Emulators,
    target: Arch,
    hosts: Vec<Arch>,
    listed: bool,
) -> Result<Vec<EmulatorKey>, Error> {
    let mut keys = Vec::new();
    for host in hosts {
        let key = EmulatorKey { host, target };
        match emulators.lacks(key)? {
            _ if host == target && listed => {
                say::warning(&format!(
                    "{target} programs need no emulator on {host} hosts: nothing to fetch"
                ));
            }
            _ if host == target => {}
            Some(why) if !listed => say::warning(&format!("{why}: left out")),
            _ => keys.push(key),
        }
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

/// The pair; its host is this machine unless it says otherwise.
fn key(cell: CellArgs) -> Result<EmulatorKey, Error> {
    let host = cell.host.or(Arch::HOST).ok_or(Error::NoHostLeft { target: cell.target })?;
    Ok(EmulatorKey { host, target: cell.target })
}

fn not_there(key: EmulatorKey) -> Error {
    Error::Told {
        message: format!("the store has no emulator {key}"),
        hint: Some(format!("`unibin emulator fetch --target {} --hosts {}` gets it", key.target, key.host)),
        code: Code::Failure,
    }
}
