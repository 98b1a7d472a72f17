//! Which packages the system has, and their files, all fetched before anything is unpacked. Suites, mirrors
//! and signatures are those of `--deb`.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use debian::{Archive, Installation, Package, PackageIndex, Selected};

use crate::cli::ArchiveArgs;
use crate::components::Facts;
use crate::components::packages::{self, Known};
use crate::error::{DebianError, Error, SystemError};
use crate::packages::suites::{self, Lengths};
use crate::request::system::DebianRequest;
use crate::say;
use crate::write::turns;

/// An open suite.
pub(crate) struct Source<'w> {
    wanted: &'w DebianRequest,
    archive: Archive<'w>,
    index: PackageIndex,
    debian_name: &'static str,
}

/// A package of the system and its file.
pub(crate) struct Fetched<'i> {
    pub(crate) selected: Selected<'i>,
    pub(crate) file: PathBuf,
}

impl<'w> Source<'w> {
    /// Opens the archive and reads its list of packages.
    pub(crate) fn open(
        wanted: &'w DebianRequest,
        args: &ArchiveArgs,
        progress: &'w dyn debian::Progress,
    ) -> Result<Self, Error> {
        let target = wanted.target;
        let debian_name = target.debian_name().ok_or(Error::NotInDebian { target })?;
        let archive = suites::open_suite(args, &wanted.suite, progress)?;
        let index = archive.packages(debian_name)?;
        if let Some(note) = archive.note() {
            say::warning(&note);
        }
        Ok(Self { wanted, archive, index, debian_name })
    }

    /// Debian's name of the target.
    pub(crate) fn debian_name(&self) -> &'static str {
        self.debian_name
    }

    /// The suite, as it was asked for.
    pub(crate) fn suite(&self) -> &str {
        &self.wanted.suite
    }

    /// Whether the suite has been released, so that there are updates for it.
    pub(crate) fn is_released(&self) -> bool {
        self.archive.release().suite.ends_with("stable") && self.archive.release().suite != "unstable"
    }

    /// The time of the signed index, in seconds since 1970: programs that write a time use it as the current
    /// one.
    pub(crate) fn epoch(&self) -> u64 {
        let time = self.archive.release().time().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        time.unwrap_or_default().as_secs()
    }

    /// The packages, each after those that it depends on.
    pub(crate) fn installation(&self) -> Result<Installation<'_>, Error> {
        let included: Vec<&str> = self.wanted.included.iter().map(String::as_str).collect();
        for name in &included {
            let is_there = self.index.find(name).is_some() || self.index.providers(name).next().is_some();
            if !is_there {
                let near = self.index.did_you_mean(name).into_iter().map(str::to_owned).collect();
                let (name, suite) = ((*name).to_owned(), self.wanted.suite.clone());
                return Err(Error::NoPackage { name, target: self.wanted.target, suite, near });
            }
        }
        let installation = debian::installed::select(&self.index, self.wanted.variant, &included)
            .map_err(|error| SystemError::from(DebianError::from(error)))?;
        if installation.packages.is_empty() {
            let nothing = DebianError::NothingEssential { suite: self.wanted.suite.clone() };
            return Err(SystemError::from(nothing).into());
        }
        Ok(installation)
    }

    /// How long the packages are, and how much of them is to be fetched.
    pub(crate) fn lengths(&self, installation: &Installation<'_>) -> Lengths {
        let packages: Vec<&Package> = installation.packages.iter().map(|one| one.package).collect();
        Lengths::of(&self.archive, &packages)
    }

    /// What the index alone says of the packages.
    pub(crate) fn facts(&self, installation: &Installation<'_>) -> Facts {
        let distribution = suites::distribution(&self.archive);
        let known = installation.packages.iter();
        let known = known.map(|one| Known::of(one.package, Some(&distribution), Vec::new()));
        packages::facts(known.collect())
    }

    /// Fetches all packages, several at once, each checked.
    pub(crate) fn fetched<'i>(&self, installation: &Installation<'i>) -> Result<Vec<Fetched<'i>>, Error> {
        let fetch = |selected: Selected<'i>| -> Result<Fetched<'i>, Error> {
            let file = self.archive.download(selected.package)?;
            Ok(Fetched { selected, file })
        };
        turns::each(installation.packages.clone(), fetch).into_iter().collect()
    }
}
