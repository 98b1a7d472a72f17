//! What `pack` was asked for where it is a machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::cli::ArchiveArgs;
use crate::cli::machine::MachineArgs;
use crate::error::{Error, MachineError, kind_of};
use crate::request::given;
use crate::request::system::DebianRequest;
use crate::tree::content::Content;

/// A file of the user's, opened once.
#[derive(Debug)]
pub(crate) struct GivenFile {
    pub(crate) file: File,
    /// The path as the user gave it.
    pub(crate) path: PathBuf,
}

/// A machine to pack.
#[derive(Debug)]
pub(crate) struct MachineRequest {
    pub(crate) cpu: Arch,
    pub(crate) kernel: Option<GivenFile>,
    pub(crate) initrd: Option<GivenFile>,
    /// Words for the kernel.
    pub(crate) append: Vec<u8>,
    pub(crate) disk: Option<GivenFile>,
    /// What its kernel, first root and disk are made from, if they are not given.
    pub(crate) debian: Option<DebianRequest>,
    /// What the machine sees of it, in bytes.
    pub(crate) disk_size: Option<u64>,
    /// A directory or an image.
    pub(crate) seed: Option<PathBuf>,
    pub(crate) firmware: FirmwareSource,
    /// The bundle's path.
    pub(crate) output: PathBuf,
    pub(crate) archive: ArchiveArgs,
}

/// Where firmware comes from.
#[derive(Debug)]
pub(crate) enum FirmwareSource {
    /// What the computer boots such a machine with.
    Usual,
    /// UEFI, from Debian.
    Uefi,
    /// A file.
    File(GivenFile),
}

impl MachineRequest {
    /// Opens what `args` names.
    pub(crate) fn new(
        args: MachineArgs,
        debian: Option<DebianRequest>,
        cpu: Arch,
        output: Option<PathBuf>,
        archive: ArchiveArgs,
    ) -> Result<Self, Error> {
        let open = |path: Option<PathBuf>| path.map(GivenFile::open).transpose();
        let given = [("--kernel", &args.kernel), ("--initrd", &args.initrd), ("--disk", &args.disk)];
        match &debian {
            None if args.disk.is_none() && args.kernel.is_none() => return Err(MachineError::NoBoot.into()),
            None => {}
            Some(debian) => {
                if let Some((option, _)) = given.into_iter().find(|(_, path)| path.is_some()) {
                    return Err(MachineError::Twice { option }.into());
                }
                if !debian.is_configured {
                    return Err(MachineError::NoScripts.into());
                }
            }
        }
        let append = args.append.map(OsString::into_vec).unwrap_or_default();
        if append.contains(&b'\n') || append.contains(&0) {
            return Err(MachineError::Append.into());
        }
        let output = output.unwrap_or_else(|| {
            let named = args.disk.as_deref().filter(|disk| disk.file_name().is_some());
            let usual = || match &debian {
                Some(debian) => format!("{}-{cpu}-machine.bundle", debian.suite).into(),
                None => format!("{cpu}-machine.bundle").into(),
            };
            named.map_or_else(usual, default_output)
        });
        Ok(Self {
            cpu,
            kernel: open(args.kernel)?,
            initrd: open(args.initrd)?,
            append,
            disk: open(args.disk)?,
            debian,
            disk_size: args.disk_size,
            seed: args.seed,
            firmware: match args.firmware {
                None => FirmwareSource::Usual,
                Some(word) if word.as_os_str() == "uefi" => FirmwareSource::Uefi,
                Some(path) => FirmwareSource::File(GivenFile::open(path)?),
            },
            output,
            archive,
        })
    }
}

impl MachineRequest {
    /// Whether its kernel is booted without firmware.
    pub(crate) fn is_direct(&self) -> bool {
        self.kernel.is_some() || self.debian.is_some()
    }
}

/// Beside the working directory's other bundles, not beside the disk.
fn default_output(disk: &Path) -> PathBuf {
    let name = disk.file_name().unwrap_or_default().as_bytes();
    let ends = [&b".qcow2"[..], b".img", b".raw"];
    let name = ends.iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(name);
    OsString::from_vec([given::without_ending(name), b".bundle"].concat()).into()
}

impl GivenFile {
    /// What it holds.
    pub(crate) fn content(&self) -> Result<Content, Error> {
        self.file.try_clone().and_then(Content::whole).map_err(|source| Error::io("read", &self.path, source))
    }

    /// Refuses what is no file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let failed = |source| Error::io("open", &path, source);
        // Checked before it is opened: opening a FIFO would wait for its other end.
        let found = fs::metadata(&path).map_err(failed)?.file_type();
        if !found.is_file() {
            return Err(Error::NotAFile { path, found: kind_of(found) });
        }
        Ok(Self { file: File::open(&path).map_err(failed)?, path })
    }
}
