//! Machines that are made from Debian's packages. The files in the order in which they run:
//!
//! ```text
//! packages    what a machine has besides a system: a kernel, a service manager
//! (debootstrap: the system, as `--debootstrap` makes one)
//! settings    the network, the console, who reads the seed
//! kernel      which of its files is the kernel
//! modules     what that needs for its disk, in order
//! initrd      a first root with those (cpio)
//! ext4        the disk
//! ```

mod cpio;
mod ext4;
mod initrd;
mod kernel;
mod modules;
mod packages;
mod settings;

use crate::cli::ArchiveArgs;
use crate::components::{Facts, owners};
use crate::debootstrap::{self, PackStage, Planned};
use crate::error::{Error, MachineError};
use crate::machine::boards::Board;
use crate::machine::qcow2::{self, Disk};
use crate::machine::seed;
use crate::notices::{Owed, together};
use crate::packages::deb::Suite;
use crate::progress::Bars;
use crate::request::machine::MachineRequest;
use crate::request::system::DebianRequest;
use crate::say;
use crate::system::gathered::Gathered;
use crate::tree::content::Content;
use crate::units;

/// The program of the first root, by its package and the places where suites have it.
const BUSYBOX: &str = "busybox-static";
const BUSYBOX_PATHS: [&str; 2] = ["usr/bin/busybox", "bin/busybox"];
const BUSYBOX_MAX: u64 = 64 << 20;

/// What is inside decides what can be asked of the machine.
const SERVER: &str = "openssh-server";
const CLOUD_INIT: &str = "cloud-init";

/// What was made.
pub(super) struct Made {
    /// What it boots; `None` for a dry run.
    pub(super) boots: Option<Boots>,
    /// Where it comes from, for reports, and more about it.
    pub(super) from: String,
    pub(super) notes: Vec<String>,
    /// Whether something answers to `ssh`.
    pub(super) has_server: bool,
    pub(super) facts: Facts,
    pub(super) owed: Option<Owed>,
}

/// A kernel, its first root, its words, and a disk.
pub(super) struct Boots {
    pub(super) kernel: Content,
    /// Its version.
    pub(super) version: String,
    pub(super) initrd: Content,
    pub(super) words: String,
    pub(super) disk: Disk,
}

/// Makes the machine.
pub(super) fn made(
    board: &Board,
    machine: &MachineRequest,
    debian: &DebianRequest,
    pack: &PackStage<'_>,
) -> Result<Made, Error> {
    // What is wrong with the user's own is found before anything is fetched.
    if let Some(path) = &machine.seed {
        let knows_all = debian.included.iter().any(|name| name == CLOUD_INIT);
        seed::check_for(path, knows_all)?;
    }
    let size = machine.disk_size.unwrap_or(ext4::SIZE);
    if size > qcow2::SIZE_MAX {
        return Err(MachineError::DiskSizeMax { wanted: size, most: qcow2::SIZE_MAX }.into());
    }
    if size < ext4::ROOM {
        return Err(MachineError::DiskTooSmall { wanted: size, needed: ext4::ROOM }.into());
    }
    let included = packages::of(board.cpu, &debian.included);
    let wanted = DebianRequest { included, ..debian.clone() };
    if debian.is_dry {
        return planned(&wanted, &machine.archive, size);
    }
    let Gathered { mut tree, from, notes, dropped, owed, epoch, .. } =
        debootstrap::take(&wanted, &machine.archive, pack)?;
    let has_server = settings::has(&tree, SERVER);
    let facts = owners::of_system(&tree)?;
    let mut made = Made { boots: None, from, notes, has_server, facts, owed };
    let dropped = dropped.to_string();
    if !dropped.is_empty() {
        made.notes.push(format!("left out: {dropped}"));
    }
    let kernel = kernel::of(&tree)?;
    let modules = modules::of(&tree, &kernel.version, board.transport())?;
    let (busybox, owed) = busybox(board, debian, &machine.archive)?;
    let initrd = initrd::archive(&busybox, &modules)?;
    made.owed = together(made.owed, Some(owed));
    let names = ext4::names(&tree)?;
    settings::add(&mut tree, &names.uuid, epoch)?;
    let disk = ext4::disk(&tree, &names, size, epoch, &machine.archive)?;
    made.boots = Some(Boots {
        kernel: kernel.content,
        version: kernel.version,
        initrd: initrd.into(),
        words: format!("root=UUID={} rw", names.uuid),
        disk: qcow2::open(&disk, "disk".as_ref())?,
    });
    Ok(made)
}

/// What a machine with a disk of `size` bytes would be made of: nothing is fetched but the index.
fn planned(wanted: &DebianRequest, archive: &ArchiveArgs, size: u64) -> Result<Made, Error> {
    let Planned { facts, lengths } = debootstrap::planned(wanted, archive)?;
    let needed = lengths.installed.saturating_add(ext4::ROOM);
    if size < needed {
        // An estimate: that of the packages, of which some replace files of others.
        say::warning(&format!("the disk may be too small: it needs about {}", units::size(needed)));
    }
    let installed = units::size(lengths.installed);
    let note = format!("{lengths}; installed they take about {installed}");
    let has_server = facts.components.iter().any(|component| component.name == SERVER);
    let from = format!("Debian {}", wanted.suite);
    Ok(Made { boots: None, from, notes: vec![note], has_server, facts, owed: None })
}

/// The target's busybox, of the machine's own suite.
fn busybox(board: &Board, debian: &DebianRequest, archive: &ArchiveArgs) -> Result<(Vec<u8>, Owed), Error> {
    let archive = ArchiveArgs { suite: Some(debian.suite.clone()), ..archive.clone() };
    let bars = Bars::default();
    let bar = bars.bar(BUSYBOX);
    let suite = Suite::open(&archive, board.cpu, &bar)?;
    for path in BUSYBOX_PATHS {
        if let (Some(bytes), owed) = suite.file(BUSYBOX, path, BUSYBOX_MAX)? {
            return Ok((bytes, owed));
        }
    }
    let (package, path) = (BUSYBOX.to_owned(), BUSYBOX_PATHS[0].to_owned());
    Err(MachineError::NoFirmware { package, path }.into())
}
