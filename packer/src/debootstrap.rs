//! `--debootstrap SUITE`: a Debian of any CPU as a tree. The files in the order in which they run:
//!
//! ```text
//! select      which packages, out of a signed index, and their files
//! unpack      the packages' archives, several at once
//! lay         all of them in one tree, as dpkg would unpack them
//! database    what dpkg knows of them: unpacked, not yet configured
//! settings    apt's sources, the host's name and what else a system starts with
//! script      what is left to do inside: preinst, dpkg --configure -a
//! configure   that, as a bundle of its own; what comes of it over the tree
//! clean       what a finished system does not keep
//! ```
//!
//! `configure` is, besides `--trace`, the packer's only exception to executing nothing of what it packs: it
//! runs packages' scripts, in the namespaces in which the finished system will run, as the user who packs.

mod clean;
mod configure;
mod database;
mod lay;
mod left_over;
mod script;
mod select;
mod settings;
mod unpack;

use std::time::Instant;

use crate::cli::ArchiveArgs;
use crate::components::Facts;
pub(crate) use crate::debootstrap::configure::PackStage;
use crate::error::Error;
use crate::notices::Owed;
use crate::packages::suites::Lengths;
use crate::progress::Bars;
use crate::request::system::DebianRequest;
use crate::system::gathered::{Gathered, OF_SYSTEMS};
use crate::system::system_tree::{Inode, Kind, SystemTree};

/// An unpacked system: all files are in their places, and dpkg knows that nothing is configured.
struct Unpacked {
    tree: SystemTree,
    /// What is left to do in it.
    left: script::Left,
    /// How many packages it has.
    count: usize,
    /// The time of the archive's index.
    epoch: u64,
    owed: Owed,
}

/// What a system would be made of, as the index alone says.
pub(crate) struct Planned {
    pub(crate) facts: Facts,
    pub(crate) lengths: Lengths,
}

/// The packages of the system that is asked for. None is fetched.
pub(crate) fn planned(debian: &DebianRequest, archive: &ArchiveArgs) -> Result<Planned, Error> {
    let bars = Bars::default();
    let bar = bars.bar(&format!("Debian {}", debian.suite));
    let source = select::Source::open(debian, archive, &bar)?;
    let installation = source.installation()?;
    Ok(Planned { facts: source.facts(&installation), lengths: source.lengths(&installation) })
}

/// The system that is asked for.
pub(crate) fn take(
    debian: &DebianRequest,
    archive: &ArchiveArgs,
    pack: &PackStage<'_>,
) -> Result<Gathered, Error> {
    let bars = Bars::default();
    let mut clock = Clock { last: Instant::now(), steps: Vec::new() };
    let Unpacked { mut tree, left, count, epoch, owed } = unpacked(debian, archive, &bars, &mut clock)?;
    let mut gathered = Gathered {
        from: format!("Debian {}", debian.suite),
        target: Some(debian.target),
        owed: Some(owed),
        epoch,
        ..Gathered::default()
    };
    if debian.is_dry {
        gathered.notes.push(format!("{count} packages"));
    } else if debian.is_configured {
        let done = configure::configured(tree, &left, pack, &bars)?;
        (tree, gathered.dropped) = (done.tree, done.dropped);
        clock.step("configuring");
        configure::check(&tree)?;
        gathered.notes.push(format!("{count} packages, all installed and configured"));
        gathered.notes.push(format!("scripts took {:.1} s of CPU time", done.cpu_seconds));
    } else {
        script::postpone(&mut tree, &left)?;
        gathered.notes.push(format!(
            "{count} packages, unpacked and not configured; what is left: `./BUNDLE {}`",
            left.command()
        ));
    }
    clean::clean(&mut tree);
    for directory in OF_SYSTEMS {
        tree.clear(directory);
        if tree.get(directory).is_none() {
            tree.add(directory, Inode::of_root(Kind::Directory, 0o755))?;
        }
    }
    let steps: Vec<String> =
        clock.steps.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect();
    gathered.notes.push(steps.join(", "));
    Ok(Gathered { tree, ..gathered })
}

/// Fetches and unpacks.
fn unpacked(
    debian: &DebianRequest,
    archive: &ArchiveArgs,
    bars: &Bars,
    clock: &mut Clock,
) -> Result<Unpacked, Error> {
    let bar = bars.bar(&format!("Debian {}", debian.suite));
    let source = select::Source::open(debian, archive, &bar)?;
    let installation = source.installation()?;
    clock.step("index");
    let files = source.fetched(&installation)?;
    clock.step("packages");
    let debs = unpack::all(&files)?;
    let mut tree = lay::tree(&debs)?;
    database::add(&mut tree, &debs, source.debian_name())?;
    settings::add(&mut tree, &source, archive, &debs)?;
    let epoch = source.epoch();
    let left = script::left(&debs, source.debian_name(), epoch, debian.is_machine);
    let owed = unpack::owed(&debs, source.suite());
    clock.step("unpacking");
    Ok(Unpacked { tree, left, count: debs.len(), epoch, owed })
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
