//! `--debootstrap SUITE`: a Debian of any CPU as a tree. The files in the order in which they run:
//!
//! ```text
//! select      which packages, out of a signed index, and their files
//! unpack      the packages' archives, several at once
//! lay         all of them in one tree, as dpkg would unpack them
//! database    what dpkg knows of them: unpacked, not yet configured
//! settings    apt's sources, the host's name and what else a system starts with
//! script      what is left to do inside: preinst, dpkg --configure -a
//! clean       what a finished system does not keep
//! ```
//!
//! Nothing here executes anything: whoever starts the script in the tree puts its changes over the tree.

pub(crate) mod clean;
pub(crate) mod database;
pub(crate) mod lay;
pub(crate) mod script;
pub(crate) mod select;
pub(crate) mod settings;
pub(crate) mod unpack;

use std::time::Instant;

use crate::cli::ArchiveArgs;
use crate::debootstrap::script::Left;
use crate::debootstrap::select::Wanted;
use crate::error::Error;
use crate::notices::Owed;
use crate::progress::Bars;
use crate::system::system_tree::SystemTree;

/// An unpacked system: all files are in their places, and dpkg knows that nothing is configured.
pub(crate) struct Unpacked {
    /// The tree.
    pub(crate) tree: SystemTree,
    /// What is left to do in it.
    pub(crate) left: Left,
    /// Names and versions, by name.
    pub(crate) packages: Vec<String>,
    /// The notices for all packages.
    pub(crate) owed: Owed,
    /// The steps so far and how long each took, in seconds.
    pub(crate) steps: Vec<(&'static str, f64)>,
}

/// Fetches and unpacks the system.
pub(crate) fn unpacked(wanted: &Wanted, archive: &ArchiveArgs, bars: &Bars) -> Result<Unpacked, Error> {
    let mut clock = Clock { last: Instant::now(), steps: Vec::new() };
    let bar = bars.bar("system");
    let source = select::Source::open(wanted, archive, &bar)?;
    let installation = source.installation()?;
    clock.step("index");
    let files = source.fetched(&installation, bars)?;
    clock.step("packages");
    let debs = unpack::all(&files)?;
    clock.step("unpacking");
    let mut tree = lay::tree(&debs, wanted.target)?;
    database::add(&mut tree, &debs, source.debian_name())?;
    settings::add(&mut tree, &source, archive, &debs)?;
    let left = script::left(&debs, source.debian_name(), source.epoch());
    clock.step("laying");
    let packages = debs.iter().map(|deb| format!("{} {}", deb.package.name, deb.package.version));
    let mut packages: Vec<String> = packages.collect();
    packages.sort_unstable();
    let owed = unpack::owed(&debs, source.suite());
    Ok(Unpacked { left, packages, owed, steps: clock.steps, tree })
}

/// Times steps.
struct Clock {
    last: Instant,
    steps: Vec<(&'static str, f64)>,
}

impl Clock {
    fn step(&mut self, name: &'static str) {
        let now = Instant::now();
        self.steps.push((name, now.duration_since(self.last).as_secs_f64()));
        self.last = now;
    }
}
