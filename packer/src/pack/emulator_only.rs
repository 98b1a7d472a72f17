//! `unibin pack --emulator-only`: one file that is the emulator on every host. It contains each host's
//! emulator as an app of the host's own architecture, which runs natively: every argument is the emulator's,
//! and so is every `QEMU_*` variable.

use bundle::{Arch, Encoding};
use emulator::{Store, calling};

use crate::components::Facts;
use crate::emulators::Emulator;
use crate::error::Error;
use crate::progress::Bars;
use crate::request::{Entry, Request, Rule};
use crate::resolve::inventory::Inventory;
use crate::resolve::resolved_app::ResolvedApp;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::assemble::{Notices, PackedVariant, Parts};
use crate::write::compress::{self, How};
use crate::write::facts;
use crate::write::header;
use crate::write::similar::By;
use crate::write::tarball;
use crate::write::turns;

/// The one program in it, such as `qemu-riscv64` for `target`, and no app of its own.
pub(crate) fn app(target: Arch, rules: &[Rule]) -> ResolvedApp {
    let name = format!("qemu-{}", target.qemu_name());
    ResolvedApp {
        app: App::default(),
        root: None,
        entries: vec![Entry::new(name.as_bytes(), name.as_bytes())],
        target,
        loader: Vec::new(),
        rules: rules.to_vec(),
        owed: None,
        facts: Facts::default(),
        inventory: Inventory::default(),
    }
}

/// Compresses each host's emulator as that host's app. If a host has several, the first is used.
pub(crate) fn parts(
    request: &Request,
    ResolvedApp { entries, rules, .. }: &ResolvedApp,
    hosts: &[Arch],
    mut emulators: Vec<Emulator>,
    store: &Store,
) -> Result<Parts, Error> {
    emulators.dedup_by_key(|emulator| emulator.key.host);
    let bars = Bars::default();
    let level = request.level.parts;
    let variant = |emulator: Emulator| -> Result<PackedVariant, Error> {
        let failed = |source| Error::io("read", &emulator.path, source);
        let content = std::fs::File::open(&emulator.path).and_then(Content::whole).map_err(failed)?;
        let mut tree = App::default();
        for entry in entries {
            tree.add(&entry.path, Node::File { executable: true, content: content.clone() })?;
        }
        let tar = tarball::write(&tree, By::Name).map_err(Error::Temporary)?;
        let bar = bars.bar(&emulator.key.to_string());
        let components = emulator.components;
        let owed = emulator.owed.into_iter().map(|owed| Notices::compressed(owed, level));
        Ok(PackedVariant {
            level: 0,
            target: emulator.key.host,
            encoding: Encoding::TarZstd,
            app: compress::blob(&tar, How { level, store: Some(store), bar: Some(&bar) })
                .map_err(Error::Temporary)?,
            shared: None,
            loader: Vec::new(),
            rules: calling::apart_by_variable(emulator.key)
                .into_iter()
                .chain(rules.iter().cloned())
                .collect(),
            entries: entries.clone(),
            notices: owed.collect::<Result<_, _>>()?,
            components: Some(facts::frame(
                &facts::of_emulators(std::iter::once((&components[..], &[][..]))),
                level,
            )?),
        })
    };
    let variants = turns::each(emulators, variant).into_iter().collect::<Result<_, _>>()?;
    let launchers = header::launchers(hosts)?;
    Ok(Parts {
        components: facts::of_hosts(hosts, level)?,
        head: request.head,
        launchers,
        variants,
        emulators: Vec::new(),
        brokers: header::brokers(hosts, level, Some(store))?,
        attends: false,
    })
}
