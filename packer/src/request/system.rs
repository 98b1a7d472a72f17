//! What `pack` was asked for where it is a whole system.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use bundle::{Arch, OwnedRule as Rule, file_name_of};
use debian::SystemVariant;
use inputs::{Compression, Form};
use oci::{Found, Platform};

use crate::cli::{ArchiveArgs, PackArgs};
use crate::error::{Error, SystemError, kind_of};
use crate::request::entry::Entry;
use crate::request::given;

/// A system to pack.
#[derive(Debug)]
pub(crate) struct SystemRequest {
    pub(crate) source: SystemSource,
    /// Requested entries; none means the default one.
    pub(crate) entries: Vec<Entry>,
    /// The architecture that its programs must have.
    pub(crate) target: Option<Arch>,
    /// What `--env`, `--unset` and `--arg` ask for.
    pub(crate) rules: Vec<Rule>,
    /// Patterns of paths that are left out.
    pub(crate) excludes: Vec<Vec<u8>>,
    /// The bundle's path: it is no part of a directory that it is written into.
    pub(crate) output: PathBuf,
    pub(crate) archive: ArchiveArgs,
}

impl SystemRequest {
    /// The whole system in `source`, with the entry that it names itself.
    pub(crate) fn whole(
        source: SystemSource,
        target: Option<Arch>,
        output: PathBuf,
        archive: ArchiveArgs,
    ) -> Self {
        let (entries, rules, excludes) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, entries, target, rules, excludes, output, archive }
    }
}

/// Where a root comes from.
#[derive(Debug)]
pub(crate) enum SystemSource {
    /// A directory.
    Directory(PathBuf),
    /// A tar archive.
    Archive {
        /// The open file.
        file: File,
        /// The path as the user gave it.
        path: PathBuf,
        compression: Compression,
    },
    /// A Debian, out of packages.
    Debian(DebianRequest),
    /// A container image.
    Image {
        /// As the user gave it.
        reference: OsString,
        /// The wanted platforms; none means this machine's.
        platforms: Vec<Platform>,
        /// What was found before under that name: nothing else is accepted. Empty if nobody has looked.
        expected: Vec<Found>,
    },
}

/// A Debian for an architecture.
#[derive(Clone, Debug)]
pub(crate) struct DebianRequest {
    pub(crate) suite: String,
    pub(crate) target: Arch,
    pub(crate) variant: SystemVariant,
    /// Packages by name.
    pub(crate) included: Vec<String>,
    /// Whether its packages are configured, which executes their scripts inside.
    pub(crate) is_configured: bool,
    /// Whether only a report is wanted.
    pub(crate) is_dry: bool,
    /// Whether a machine boots it.
    pub(crate) is_machine: bool,
}

/// The Debian that `--debootstrap` asks for.
pub(super) fn debian(args: &PackArgs) -> Result<Option<DebianRequest>, Error> {
    let PackArgs { target, dry_run, system, machine, .. } = args;
    let Some(suite) = &system.debootstrap else { return Ok(None) };
    Ok(Some(DebianRequest {
        suite: suite.clone(),
        target: target.ok_or(Error::NoTarget)?,
        variant: system.variant,
        included: system.include.iter().filter(|name| !name.is_empty()).cloned().collect(),
        is_configured: !system.no_scripts,
        is_dry: *dry_run,
        is_machine: machine.machine,
    }))
}

/// What the options for systems ask for, if they ask for one.
pub(crate) fn source(args: &PackArgs) -> Result<Option<SystemSource>, Error> {
    if let Some(debian) = debian(args)? {
        return Ok(Some(SystemSource::Debian(debian)));
    }
    let PackArgs { system: args, .. } = args;
    if let Some(reference) = &args.oci {
        let platforms = args.platform.clone();
        return Ok(Some(SystemSource::Image {
            reference: reference.clone(),
            platforms,
            expected: Vec::new(),
        }));
    }
    let Some(path) = args.system.clone() else { return Ok(None) };
    let failed = |source| Error::io("open", &path, source);
    // Checked before it is opened: opening a FIFO would wait for its other end.
    let found = fs::metadata(&path).map_err(failed)?.file_type();
    if found.is_dir() {
        return Ok(Some(SystemSource::Directory(path)));
    }
    if !found.is_file() {
        return Err(Error::NotAFile { path, found: kind_of(found) });
    }
    let mut file = File::open(&path).map_err(failed)?;
    match Form::of(&mut file).map_err(|source| Error::io("read", &path, source))? {
        Some(Form::Tar(compression)) => Ok(Some(SystemSource::Archive { file, path, compression })),
        _ => Err(SystemError::NotARoot { path }.into()),
    }
}

impl SystemSource {
    /// The bundle's name, if none was given.
    pub(crate) fn default_output(&self) -> PathBuf {
        let name = match self {
            Self::Directory(path) => match path.file_name() {
                Some(name) => name.as_bytes().to_vec(),
                None => path
                    .canonicalize()
                    .ok()
                    .and_then(|path| Some(path.file_name()?.as_bytes().to_vec()))
                    .unwrap_or_default(),
            },
            Self::Archive { path, .. } => {
                given::without_ending(path.file_name().unwrap_or_default().as_bytes()).to_vec()
            }
            Self::Debian(debian) => debian.suite.as_bytes().to_vec(),
            Self::Image { reference, .. } => image_name(reference.as_bytes()).to_vec(),
        };
        let name = if name.is_empty() { b"system".to_vec() } else { name };
        OsString::from_vec([&name, &b".bundle"[..]].concat()).into()
    }
}

/// The last part of an image's name, without tag, digest and ending.
fn image_name(reference: &[u8]) -> &[u8] {
    let name = file_name_of(reference.strip_suffix(b"/").unwrap_or(reference));
    let name = name.split(|byte| matches!(byte, b':' | b'@')).next().unwrap_or_default();
    given::without_ending(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_after_what_is_in_it() {
        for (reference, name) in [
            ("docker://localhost:5000/library/nginx:1.27@sha256:00", "nginx"),
            ("docker://alpine", "alpine"),
            ("/tmp/layout/", "layout"),
            ("layout:latest", "layout"),
            ("image.tar", "image"),
        ] {
            assert_eq!(image_name(reference.as_bytes()), name.as_bytes(), "{reference}");
        }
    }
}
