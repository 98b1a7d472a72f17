//! The files that the user has named to be read: none of them may be what is written.

use std::path::{Path, PathBuf};

use crate::request::given::AppSource;
use crate::request::machine::{FirmwareSource, GivenFile, MachineRequest};
use crate::request::system::{SystemRequest, SystemSource};
use crate::request::{AppRequest, Contents, Request};

impl Request {
    /// By the paths that the user gave. What lies in a directory that is packed is not among them: the output
    /// is left out of it.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let mut all = match &self.contents {
            Contents::App(app) => app.inputs(),
            Contents::System(system) => system.input().into_iter().collect(),
            Contents::Machine(machine) => machine.inputs(),
            Contents::Emulator { .. } => Vec::new(),
        };
        all.extend(self.natives.iter().flat_map(|native| native.app.inputs()));
        all.extend(self.emulators.iter().map(|(_, path)| path.as_path()));
        let supply = &self.archive.supply;
        all.extend([&supply.translators, &supply.lock].into_iter().flatten().map(PathBuf::as_path));
        all
    }
}

impl AppRequest {
    fn inputs(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = match &self.source {
            AppSource::Program { path, .. } | AppSource::Tree { path, .. } => vec![path],
            AppSource::Packages { local, .. } => local.iter().map(|deb| deb.path.as_path()).collect(),
            AppSource::Sysroot => Vec::new(),
        };
        all.extend(self.tree.adds.iter().map(|(path, _)| path.as_path()));
        all
    }
}

impl SystemRequest {
    fn input(&self) -> Option<&Path> {
        match &self.source {
            SystemSource::Archive { path, .. } => Some(path),
            SystemSource::Image { reference, .. } => Some(Path::new(reference)),
            SystemSource::Directory(_) | SystemSource::Debian(_) => None,
        }
    }
}

impl MachineRequest {
    fn inputs(&self) -> Vec<&Path> {
        let firmware = match &self.firmware {
            FirmwareSource::File(given) => Some(given),
            FirmwareSource::Usual | FirmwareSource::Uefi => None,
        };
        let files = [self.kernel.as_ref(), self.initrd.as_ref(), self.disk.as_ref(), firmware];
        let paths = files.into_iter().flatten().map(|GivenFile { path, .. }| path);
        paths.chain(&self.seed).map(PathBuf::as_path).collect()
    }
}
