//! What runs a machine on a host: qemu-system from Debian's packages, with only the libraries that it needs,
//! a busybox for the script, and a client for `ssh`.

use bundle::{Arch, OwnedRule as Rule};

use crate::cli::values::View;
use crate::components::Facts;
use crate::error::Error;
use crate::machine::boards::{Board, PLACE};
use crate::packages::deb::Suite;
use crate::progress::Bars;
use crate::request::machine::MachineRequest;
use crate::request::{AppRequest, AppSource, Entry, TreeRequest};
use crate::resolve::gather::gather;
use crate::resolve::inventory::Inventory;
use crate::resolve::resolved_app::ResolvedApp;
use crate::say;
use crate::tree::app_tree::App;

/// What starts the script, and the packages of what it starts besides qemu-system.
const SHELL: &[u8] = b"usr/bin/busybox";
const PACKAGES: [&str; 2] = ["busybox-static", "dropbear-bin"];
const PROGRAMS: [&str; 2] = ["dbclient", "dropbearkey"];

/// What qemu-system loads without naming it in its header: a thread that ends needs it.
const LOADED: &str = "usr/lib/*/libgcc_s.so.1";

/// The emulator of `board` for `host`; `None` if Debian has none there and `skips`. If it `is_dry`, there is
/// nothing in it.
pub(super) fn emulator(
    host: Arch,
    board: &Board,
    machine: &MachineRequest,
    skips: bool,
    is_dry: bool,
) -> Result<Option<ResolvedApp>, Error> {
    let emulator = if is_dry { planned } else { packed };
    match emulator(host, board, machine) {
        Ok(found) => Ok(Some(found)),
        Err(error @ (Error::NoPackage { .. } | Error::NotInDebian { .. })) if skips => {
            say::warning(&format!("{host}: {error}: skipped"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What starts the script.
fn script() -> Entry {
    let mut script = Entry::new(b"machine", SHELL);
    let run = format!("/{PLACE}/run").into_bytes();
    script.rules = vec![Rule::Argument(b"sh".to_vec()), Rule::Tree { before: Vec::new(), after: run }];
    script
}

/// What the index alone says.
fn planned(host: Arch, board: &Board, machine: &MachineRequest) -> Result<ResolvedApp, Error> {
    let bars = Bars::default();
    let bar = bars.bar(board.package);
    let suite = Suite::open(&machine.archive, host, &bar)?;
    let names: Vec<&str> = [board.package].into_iter().chain(PACKAGES).collect();
    let packages = suite.closure(&names)?;
    let note = format!("{} for {host} out of {}", board.program, suite.lengths(&packages));
    let mut inventory = Inventory::default();
    inventory.machine.get_or_insert_default().notes.push(note);
    Ok(ResolvedApp {
        app: App::default(),
        root: None,
        entries: vec![script()],
        target: host,
        loader: Vec::new(),
        rules: Vec::new(),
        owed: None,
        facts: Facts::default(),
        inventory,
    })
}

fn packed(host: Arch, board: &Board, machine: &MachineRequest) -> Result<ResolvedApp, Error> {
    let packages = [board.package].into_iter().chain(PACKAGES).map(str::to_owned).collect();
    let program = |name: &str| Entry::new(name.as_bytes(), format!("usr/bin/{name}").as_bytes());
    let programs = [board.program].into_iter().chain(PROGRAMS).map(program);
    let only = board.files.iter().copied().chain([LOADED]).map(|pattern| pattern.as_bytes().to_vec());
    let request = AppRequest {
        source: AppSource::packages(packages, Vec::new(), host)?,
        entries: [script()].into_iter().chain(programs).collect(),
        target: Some(host),
        hosts: vec![host],
        output: machine.output.clone(),
        archive: machine.archive.clone(),
        tree: TreeRequest { only: Some(only.collect()), ..TreeRequest::default() },
        argv0: None,
        view: Some(View::Host),
        rules: Vec::new(),
    };
    gather(&request, |_| Ok(()))
}
