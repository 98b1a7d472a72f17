//! Machines: qemu-system for every host, which emulates a computer; what that computer boots, given or made
//! from packages; and the script that runs it. Nothing that is given is executed here; a machine made
//! from packages runs their scripts (`debootstrap`) and `mke2fs` (`debian::ext4`).

pub(crate) mod boards;
mod debian;
mod firmware;
mod hosts;
mod iso;
mod qcow2;
mod seed;

use std::path::Path;

use crate::components::{Facts, packages};
use crate::debootstrap::PackStage;
use crate::error::{Error, MachineError};
use crate::hash;
use crate::machine::boards::{Board, PLACE};
use crate::machine::debian::{Boots, Made};
use crate::machine::firmware::Loaded;
use crate::machine::qcow2::Disk;
use crate::machine::seed::Seed;
use crate::notices::{Owed, together};
use crate::request::Request;
use crate::request::machine::{GivenFile, MachineRequest};
use crate::resolve::inventory::MachineRow;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant};
use crate::tree::app_tree::Node;
use crate::tree::content::Content;

/// The script that runs a machine.
const RUN: &[u8] = include_bytes!("machine/run.sh");
/// How much memory a machine has.
const MEMORY: &str = "1024M";
/// The user as whom `ssh` logs in.
const USER: &str = "root";

/// The machine on the first of its hosts, and on the others.
pub(crate) type Machines = (ResolvedApp, Vec<ResolvedVariant>);

/// The parts of a machine that are the same on all hosts.
#[derive(Default)]
struct Parts {
    /// Names and contents.
    files: Vec<(&'static str, Content)>,
    settings: String,
    firmware: Option<Loaded>,
    row: MachineRow,
    /// What is in a disk that was made.
    facts: Facts,
    /// The notices for what is the same on all hosts.
    owed: Option<Owed>,
}

/// The requested machine, for each host that has a qemu-system for it.
pub(crate) fn gathered(
    request: &Request,
    machine: &MachineRequest,
    pack: &PackStage<'_>,
) -> Result<Machines, Error> {
    let board = boards::of(machine.cpu).ok_or(MachineError::NoBoard { cpu: machine.cpu })?;
    let parts = Parts::of(board, machine, pack)?;
    let mut all = Vec::new();
    for host in &request.hosts {
        if let Some(emulator) = hosts::emulator(*host, board, machine, request.skip_hosts, request.dry_run)? {
            all.push(parts.on(emulator)?);
        }
    }
    if all.is_empty() {
        return Err(MachineError::NoHost.into());
    }
    let first = all.remove(0);
    Ok((first, all.into_iter().map(ResolvedApp::baseline).collect()))
}

impl Parts {
    fn of(board: &'static Board, machine: &MachineRequest, pack: &PackStage<'_>) -> Result<Self, Error> {
        let mut append = format!("console={}", board.console).into_bytes();
        let (mut made, mut server) = (Self::default(), "");
        made.row.cpu = board.cpu.name();
        if let Some(debian) = &machine.debian {
            let from_packages = debian::made(board, machine, debian, pack)?;
            server = if from_packages.has_server { "" } else { "no" };
            append.extend(made.take(from_packages));
        }
        if !machine.append.is_empty() {
            append.extend([b" ", machine.append.as_slice()].concat());
        }
        let Self { mut files, mut row, facts, owed, .. } = made;
        let given = [("kernel", &machine.kernel), ("initrd", &machine.initrd)];
        for (name, given) in given {
            if let Some(given) = given {
                let content = given.content()?;
                row.add(name, &given.path, content.len());
                files.push((name, content));
            }
        }
        if machine.is_direct() {
            files.push(("append", append.into()));
        }
        if let Some(GivenFile { file, path }) = &machine.disk {
            let Disk { image, size } = qcow2::open(file, path)?;
            let wanted = grown(path, size, machine.disk_size)?;
            row.add("disk", path, image.len());
            files.push(("disk.qcow2", image));
            files.push(("changes.qcow2", qcow2::empty(wanted).into()));
        }
        let firmware = firmware::of(board, machine)?;
        if let Some(Loaded { content, from, .. }) = &firmware {
            row.add("firmware", from, content.len());
            files.push(("firmware.fd", content.clone()));
        }
        // The same machine keeps its changes in the same place, whatever it is called.
        let mut identity = board.cpu.name().to_owned();
        for (name, content) in &files {
            identity.extend(["\n", name, " ", &content.digest().map_err(Error::Temporary)?.to_string()]);
        }
        let id = hash::of(identity.as_bytes()).to_string();
        let id = id.get(..16).unwrap_or(&id);
        let instance = format!("unibin-{id}");
        let seed = match &machine.seed {
            Some(path) => Some((seed::open(path, &instance)?, path.as_path())),
            None if machine.disk.is_some() || machine.debian.is_some() => {
                Some((seed::of_nobody(&instance)?, "a key for `ssh`".as_ref()))
            }
            None => None,
        };
        let mut key_place = String::new();
        if let Some((Seed { image, key_place: place }, from)) = seed {
            row.add("seed", from, image.len());
            files.push(("seed.iso", image));
            key_place = place.map_or_else(String::new, |place| place.to_string());
        }
        let Board { cpu, program, machine: computer, model, bus, graphics, .. } = board;
        let settings = [
            ("id", id),
            ("cpu", cpu.name()),
            ("program", program),
            ("machine", computer),
            ("model", model),
            ("bus", bus),
            ("graphics", graphics),
            ("memory", MEMORY),
            ("user", USER),
            ("key_place", &key_place),
            ("server", server),
        ];
        let settings = settings.iter().flat_map(|(name, value)| [*name, "='", *value, "'\n"]).collect();
        Ok(Self { files, settings, firmware, row, facts, owed })
    }

    /// Adds what was made from packages; gives its words for the kernel.
    fn take(&mut self, made: Made) -> Vec<u8> {
        let Made { boots, from, notes, facts, owed, .. } = made;
        (self.row.notes, self.facts, self.owed) = (notes, facts, owed);
        let Some(Boots { kernel, version, initrd, words, disk: Disk { image, size } }) = boots else {
            return Vec::new();
        };
        self.row.add("kernel", version.as_ref(), kernel.len());
        self.row.add("initrd", from.as_ref(), initrd.len());
        self.row.add("disk", from.as_ref(), image.len());
        self.files = vec![("kernel", kernel), ("initrd", initrd), ("disk.qcow2", image)];
        self.files.push(("changes.qcow2", qcow2::empty(size).into()));
        [" ", &words].concat().into_bytes()
    }

    /// The machine for the host of `emulator`.
    fn on(&self, mut emulator: ResolvedApp) -> Result<ResolvedApp, Error> {
        let mut add = |name: &str, content: Content| {
            let node = Node::File { executable: false, content };
            emulator.app.add(format!("{PLACE}/{name}").as_bytes(), node)
        };
        add("run", RUN.to_vec().into())?;
        add("settings", self.settings.clone().into_bytes().into())?;
        for (name, content) in &self.files {
            add(name, content.clone())?;
        }
        if let Some(loaded) = &self.firmware {
            emulator.owed = together(emulator.owed, loaded.owed.clone());
        }
        emulator.owed = together(emulator.owed, self.owed.clone());
        emulator.inventory.packages.extend(packages::rows(&self.facts));
        emulator.facts.enclose(self.facts.clone());
        emulator.inventory.count(&emulator.app);
        let notes = emulator.inventory.machine.take().map(|row| row.notes).unwrap_or_default();
        let mut row = self.row.clone();
        row.notes.extend(notes);
        emulator.inventory.machine = Some(row);
        Ok(emulator)
    }
}

/// The size that the machine sees of a disk of `size` bytes.
fn grown(path: &Path, size: u64, wanted: Option<u64>) -> Result<u64, MachineError> {
    let wanted = wanted.unwrap_or(size);
    if wanted < size {
        return Err(MachineError::DiskSize { path: path.to_owned(), size });
    }
    if wanted > qcow2::SIZE_MAX {
        return Err(MachineError::DiskSizeMax { wanted, most: qcow2::SIZE_MAX });
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_neither_shrinks_nor_grows_beyond_what_an_image_holds() {
        let path = Path::new("disk");
        assert_eq!(grown(path, 512, None).ok(), Some(512));
        assert_eq!(grown(path, 512, Some(qcow2::SIZE_MAX)).ok(), Some(qcow2::SIZE_MAX));
        assert!(matches!(grown(path, 1024, Some(512)), Err(MachineError::DiskSize { .. })));
        for wanted in [qcow2::SIZE_MAX + 512, 16_777_215 << 40] {
            assert!(matches!(grown(path, 512, Some(wanted)), Err(MachineError::DiskSizeMax { .. })));
        }
    }
}
