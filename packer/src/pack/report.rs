//! The report of `pack`, for people and as JSON.

use std::fmt::Write;

use bundle::{Arch, BlobKind};
use serde::Serialize;

use crate::cli::values::Head;
use crate::emulators::plan::Plan;
use crate::error::readable;
use crate::json;
use crate::request::{Request, Rule};
use crate::resolve::inventory::Inventory;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant};
use crate::units::size;
use crate::write::assemble::{PackedEmulator, PackedEmulators, Parts, Written};

/// The tree laid over the host's root.
const UNION: &str = "union";
/// Absolute paths that exist in the tree lead there.
const PATHS: &str = "paths";
/// The union by mounts, where those are allowed; else paths.
const EMULATED: &str = "mounts, else paths";
/// The tree laid over the host's root, natively; by mounts, where those are allowed.
const BY_MOUNTS: &str = "mounts";
/// The tree instead of the host's root, in the same way.
const ROOT: &str = "root";

/// What was packed, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    output: String,
    /// Whether an emulator itself was packed.
    #[serde(skip)]
    emulator_only: bool,
    dry_run: bool,
    target: &'static str,
    /// Further architectures, with their levels, that the app was packed for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    natives: Vec<NativeRow>,
    head: String,
    entries: Vec<ReportEntry>,
    hosts: Vec<HostRow>,
    skipped: Vec<Skipped>,
    /// The contents of the app.
    tree: Inventory,
    /// Length of the file in bytes; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Bytes of emulators that were downloaded for this pack; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<u64>,
    /// Stored length of the app in bytes, for all its architectures; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<u64>,
}

#[derive(Debug, Serialize)]
struct NativeRow {
    target: &'static str,
    /// Level of x86-64; 0 for the baseline.
    level: u16,
    tree: Inventory,
}

#[derive(Debug, Serialize)]
struct ReportEntry {
    name: String,
    path: String,
}

#[derive(Debug, Serialize)]
struct HostRow {
    host: &'static str,
    /// `native`, or the emulator's name and version.
    route: String,
    /// Stored length of the emulator in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    /// Emulators for programs of other architectures that the app starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<AlsoRow>,
    /// What the app sees of files (docs/view.md). Where it is emulated: `union`, or `paths`, where absolute
    /// paths alone lead into its tree, or `mounts, else paths`; absent for a dry run, and for an app without
    /// a tree. Natively:
    /// `mounts` or `root`, where mounts are allowed; absent where it is the host's files.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'static str>,
    /// Stored length of the broker in bytes; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<u64>,
}

#[derive(Debug, Serialize)]
struct AlsoRow {
    target: &'static str,
    /// Its name and version.
    emulator: String,
}

#[derive(Debug, Serialize)]
struct Skipped {
    host: &'static str,
    why: String,
}

impl Report {
    /// What is known before anything is written.
    pub(crate) fn new(
        request: &Request,
        resolved: &ResolvedApp,
        natives: &[ResolvedVariant],
        plan: &Plan,
    ) -> Self {
        let ResolvedApp { target, entries, inventory, .. } = resolved;
        let route = |host: &Arch| {
            if natives.iter().any(|native| native.resolved.target == *host) {
                return "native".to_owned();
            }
            let pair = plan.pairs.iter().find(|pair| (pair.key.host, pair.key.target) == (*host, *target));
            pair.map_or_else(|| "native".to_owned(), |pair| pair.emulator.clone())
        };
        Self {
            output: request.output.display().to_string(),
            emulator_only: request.is_emulator_only(),
            dry_run: request.dry_run,
            target: inventory.machine.as_ref().map_or(target.name(), |machine| machine.cpu),
            natives: natives
                .iter()
                .map(|native| NativeRow {
                    target: native.resolved.target.name(),
                    level: native.level,
                    tree: native.resolved.inventory.clone(),
                })
                .collect(),
            head: match request.head {
                Head::Sh => "sh".to_owned(),
                Head::Elf(host) => format!("elf:{host}"),
            },
            entries: entries
                .iter()
                .map(|entry| ReportEntry { name: readable(&entry.name), path: readable(&entry.path) })
                .collect(),
            hosts: plan
                .hosts
                .iter()
                .map(|host| HostRow {
                    host: host.name(),
                    route: route(host),
                    stored: None,
                    also: also(plan, *host, *target),
                    view: by_mounts(*host, resolved, natives),
                    broker: None,
                })
                .collect(),
            skipped: plan
                .skipped
                .iter()
                .map(|(host, why)| Skipped { host: host.name(), why: why.clone() })
                .collect(),
            tree: inventory.clone(),
            length: None,
            app: None,
            fetched: None,
        }
    }

    /// Adds what is known after writing.
    pub(crate) fn written(&mut self, parts: &Parts, written: &Written, fetched: u64) {
        self.fetched = Some(fetched);
        self.length = Some(written.length);
        let apps = written.blobs.iter().filter(|blob| blob.kind == BlobKind::App).map(|blob| blob.stored);
        self.app = Some(apps.sum());
        for host in &mut self.hosts {
            // A bundle that is an emulator has each host's in place of an app.
            if self.emulator_only {
                let own = parts.variants.iter().find(|variant| variant.target.name() == host.host);
                host.stored = own.map(|variant| variant.app.stored.len());
            }
            let broker = parts.brokers.iter().find(|(of_host, _)| of_host.name() == host.host);
            host.broker = broker.map(|(_, frame)| frame.stored.len());
            let of_host = |packed: &&PackedEmulators| {
                packed.emulators.iter().any(|row| row.key.host.name() == host.host)
            };
            if let Some(PackedEmulators { emulators, frame, .. }) = parts.emulators.iter().find(of_host) {
                let name = |row: &PackedEmulator| {
                    format!("{} {}", readable(&row.translator), readable(&row.version))
                };
                let (own, others): (Vec<_>, Vec<_>) =
                    emulators.iter().partition(|row| row.key.target.name() == self.target);
                let target = &self.target;
                let mut variants = parts.variants.iter().filter(|variant| variant.target.name() == *target);
                let mounts = host.broker.is_some()
                    && variants.any(|variant| {
                        let is_root = |rule: &Rule| matches!(rule, Rule::View(which) if which == b"root");
                        let is_seen = |rule: &Rule| matches!(rule, Rule::Seen { .. });
                        variant.rules.iter().any(is_seen) && !variant.rules.iter().any(is_root)
                    });
                host.view = host.view.or_else(|| own.first().and_then(|row| view(&row.rules, mounts)));
                if !own.is_empty() {
                    let otherwise = if host.route == "native" { "native, else " } else { "" };
                    let own: Vec<_> = own.into_iter().map(name).collect();
                    host.route = otherwise.to_owned() + &own.join(", else ");
                }
                let also =
                    |row: &PackedEmulator| AlsoRow { target: row.key.target.name(), emulator: name(row) };
                host.also = others.into_iter().map(also).collect();
                host.stored = Some(frame.stored.len());
            }
        }
    }

    /// Which hosts show the app the union, and which do not.
    fn views(&self) -> String {
        let of = |view| {
            let hosts = self.hosts.iter().filter(move |host| host.view == Some(view));
            hosts.map(|host| host.host).collect::<Vec<_>>().join(" ")
        };
        let row = |view, more| {
            let hosts = of(view);
            if hosts.is_empty() { hosts } else { format!("  view  {view:<12} {:>9}  on {hosts}{more}\n", "") }
        };
        let mounts = " natively, where user namespaces are allowed, else the host's files: see docs/view.md";
        let emulated = ": the union where user namespaces are allowed, else QEMU's -L: see docs/view.md";
        row(UNION, "")
            + &row(EMULATED, emulated)
            + &row(PATHS, ": see docs/view.md")
            + &row(BY_MOUNTS, mounts)
            + &row(ROOT, mounts)
    }

    /// The report as text or JSON.
    pub(crate) fn text(&self, json: bool) -> String {
        if json {
            return json::text(self);
        }
        let of_app = if self.tree.machine.is_some() { "machine" } else { "program" };
        let kind = self.tree.root.as_ref().map_or(of_app, |root| root.kind);
        let mut text = match self.length {
            Some(length) => format!("{}: {} {kind}, {}\n", self.output, self.target, size(length)),
            None => format!("{}: {} {kind}, dry run: nothing was written\n", self.output, self.target),
        };
        for entry in &self.entries {
            let _ = writeln!(text, "  entry {:<12} {}", entry.name, entry.path);
        }
        text += &self.tree.text(self.dry_run);
        for native in &self.natives {
            let level = if native.level == 0 { String::new() } else { format!("-v{}", native.level) };
            let _ = writeln!(text, "  native {}{level}", native.target);
            text += &native.tree.text(self.dry_run);
        }
        for host in &self.hosts {
            let stored = host.stored.map(size).unwrap_or_default();
            let also = host
                .also
                .iter()
                .fold(String::new(), |also, row| also + "; for " + row.target + " " + &row.emulator);
            let _ = writeln!(text, "  host  {:<12} {:>9}  {}{also}", host.host, stored, host.route);
        }
        text += &self.views();
        let brokers: Vec<u64> = self.hosts.iter().filter_map(|host| host.broker).collect();
        if !brokers.is_empty() {
            let hosts = if brokers.len() == 1 { "host" } else { "hosts" };
            let all = size(brokers.iter().sum());
            let _ = writeln!(text, "  brokers {all:>20}  for {} {hosts}", brokers.len());
        }
        if let Some(fetched) = self.fetched.filter(|fetched| *fetched > 0) {
            let _ = writeln!(text, "  fetched {:>20}", size(fetched));
        }
        if let Some(app) = self.app {
            let _ = writeln!(text, "  app   {:<12} {:>9}", "", size(app));
        }
        text
    }
}

/// What an emulator that is called so shows of files.
/// `mounts`: where it does not show the union itself, these do.
fn view(rules: &[Rule], mounts: bool) -> Option<&'static str> {
    if rules.iter().any(Rule::is_view) {
        return Some(UNION);
    }
    let look_in_tree = rules.iter().any(|rule| matches!(rule, Rule::Tree { .. }));
    look_in_tree.then_some(if mounts { EMULATED } else { PATHS })
}

/// What a variant that runs natively on a host has mounts for.
fn by_mounts(host: Arch, first: &ResolvedApp, natives: &[ResolvedVariant]) -> Option<&'static str> {
    let mut all = natives.iter().map(|native| &native.resolved).chain([first]);
    let rules = &all.find(|resolved| resolved.target == host)?.rules;
    let view = rules.iter().find(|rule| rule.is_view())?;
    Some(if *view == Rule::View(b"root".to_vec()) { ROOT } else { BY_MOUNTS })
}

/// The emulators for programs of other architectures on a host.
fn also(plan: &Plan, host: Arch, target: Arch) -> Vec<AlsoRow> {
    let pairs = plan.pairs.iter().filter(|pair| pair.key.host == host && pair.key.target != target);
    pairs.map(|pair| AlsoRow { target: pair.key.target.name(), emulator: pair.emulator.clone() }).collect()
}
