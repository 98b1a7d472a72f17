//! A program of Debian's packages for this machine, which `pack` itself executes: fetched, checked and
//! resolved like an app, unpacked, and started by its own loader with its own libraries. So every machine has
//! the same one, whatever is installed there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use bundle::{Arch, directory_of};

use crate::atomic_file::TemporaryDirectory;
use crate::cli::ArchiveArgs;
use crate::cli::values::View;
use crate::error::{Error, HostProgramError, shown};
use crate::packages::suites;
use crate::request::{AppRequest, AppSource, Entry, TreeRequest};
use crate::resolve::gather::gather;
use crate::tree::on_disk;

/// A directory for what is executed, and for what it makes.
pub(crate) fn temporary() -> Result<TemporaryDirectory, Error> {
    let store = suites::store_root()?;
    let place = fs::create_dir_all(&store).and_then(|()| TemporaryDirectory::inside(&store));
    place.map_err(|source| Error::io("write", &store, source))
}

/// What is fetched, and what of it is started.
pub(crate) struct HostProgram<'p> {
    pub(crate) packages: &'p [&'p str],
    /// Its path in the packages.
    pub(crate) path: &'p str,
    /// What it needs besides the libraries that it names: patterns of paths.
    pub(crate) files: &'p [&'p str],
}

impl HostProgram<'_> {
    /// The command that starts it, unpacked into the new directory `tree`: with no environment but the locale
    /// `C` and the time zone UTC, and in `/`.
    pub(crate) fn unpacked(&self, tree: &Path, archive: &ArchiveArgs) -> Result<Command, Error> {
        let host = Arch::HOST.ok_or(HostProgramError::NoArchitecture)?;
        let names = self.packages.iter().map(|name| (*name).to_owned()).collect();
        let files = self.files.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        let request = AppRequest {
            source: AppSource::packages(names, Vec::new(), host)?,
            entries: vec![Entry::new(name.as_bytes(), self.path.as_bytes())],
            target: Some(host),
            hosts: vec![host],
            output: tree.to_owned(),
            archive: archive.clone(),
            tree: TreeRequest { only: Some(files), ..TreeRequest::default() },
            argv0: None,
            view: Some(View::Host),
            rules: Vec::new(),
        };
        let mut app = gather(&request, |_| Ok(()))?;
        drop(app.app.settle()?);
        on_disk::write(&app.app, tree).map_err(Error::Temporary)?;
        let is_library = |path: &&[u8]| path.windows(3).any(|part| part == b".so");
        let directories: BTreeSet<&[u8]> =
            app.app.nodes().map(|(path, _)| path).filter(is_library).map(directory_of).collect();
        let at = |path: &[u8]| tree.join(OsStr::from_bytes(path));
        let libraries = directories.into_iter().map(at).collect::<Vec<_>>();
        let libraries = libraries.iter().map(|path| path.as_os_str()).collect::<Vec<_>>();
        // Its loader would look elsewhere (ld.so(8)).
        if tree.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b':' | b';')) {
            let why = format!("no library is found below `{}`, for its colon or semicolon", shown(tree));
            return Err(HostProgramError::Failed { program: self.path.to_owned(), why }.into());
        }
        let mut command = Command::new(at(&app.loader));
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        command.arg("--library-path").arg(libraries.join(OsStr::new(":"))).arg(tree.join(self.path));
        Ok(command)
    }
}
