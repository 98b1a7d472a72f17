//! `unibin run --oci IMAGE`: the image as a bundle for this machine alone. It is kept in the store under what
//! it was made of, so that an image that is the same again is neither fetched nor packed again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey};
use emulator::Store;
use oci::{Found, OciError, Options, Platform, Silent};

use crate::atomic_file;
use crate::cli::RunArgs;
use crate::cli::values::Head;
use crate::emulators::{Emulator, Emulators};
use crate::error::{Error, SystemError};
use crate::hash;
use crate::pack;
use crate::packages::suites;
use crate::request::Request;
use crate::request::system::{SystemRequest, SystemSource};
use crate::say;
use crate::write::bundle_file::BundleFile;
use crate::write::header;

/// The bundle of an image, made if it is not here yet.
pub(super) fn bundle(args: &RunArgs, reference: &OsStr) -> Result<PathBuf, Error> {
    atomic_file::clean_up_on_signals().map_err(Error::Temporary)?;
    let host = Arch::HOST.ok_or(SystemError::NoImageHost)?;
    let store = Store::open(suites::store_root()?)?;
    let wanted: Vec<Platform> = args.platform.iter().cloned().collect();
    // The store may be another machine's, too.
    let name = [reference.as_bytes(), format!("\0{} {wanted:?}", host.name()).as_bytes()].concat();
    let options = Options { offline: args.archive.offline, progress: &Silent };
    let found = match oci::find(reference, &wanted, &options) {
        // What the name meant when its registry was last asked.
        Err(offline @ OciError::Offline { .. }) => {
            let last = store.last_image(&name).map(|key| store.image(key)).transpose()?.flatten();
            return last.ok_or_else(|| SystemError::from(offline).into());
        }
        found => found.map_err(SystemError::from)?,
    };
    let key = key(host, &found, &emulators(args, host, &found)?)?;
    let bundle = match store.image(key)? {
        Some(bundle) if is_bundle(&bundle) => bundle,
        _ => {
            let bundle = store.place_of_image(key)?;
            let source =
                SystemSource::Image { reference: reference.to_owned(), platforms: wanted, expected: found };
            let system = SystemRequest::whole(source, None, bundle.clone(), args.archive.clone());
            pack::packed(Request::for_one_host(host, Head::Elf(host), system), false)?;
            // Whatever cannot be removed now can be next time.
            let _ = store.prune();
            bundle
        }
    };
    if store.last_image(&name) != Some(key)
        && let Err(error) = store.put_last_image(&name, key)
    {
        say::warning(&format!("`--offline` will not find it: {error}"));
    }
    Ok(bundle)
}

/// Those that the bundle may have inside.
fn emulators(args: &RunArgs, host: Arch, found: &[Found]) -> Result<Vec<Emulator>, Error> {
    let mut targets = found.iter().filter_map(|image| image.platform.target());
    let Some(target) = targets.find(|target| *target != host) else { return Ok(Vec::new()) };
    Emulators::open(&args.archive)?.of(EmulatorKey { host, target })
}

/// A power cut may leave something else.
fn is_bundle(path: &Path) -> bool {
    BundleFile::open(path).is_ok_and(|file| file.manifest().is_ok())
}

/// Everything that decides about what the bundle does: what starts it, its emulators, and the image.
fn key(host: Arch, found: &[Found], emulators: &[Emulator]) -> Result<Digest, Error> {
    let launchers = header::launchers(&[host])?.into_iter().map(|(_, program)| program);
    let programs = launchers.chain([header::broker(host)?]);
    let programs = programs.map(|program| hash::of(&program).to_string());
    let emulators = emulators.iter().map(|emulator| format!("{} {:?}", emulator.digest, emulator.rules));
    let images = found.iter().map(|image| format!("{} {}", image.platform, image.digest));
    let first = [env!("CARGO_PKG_VERSION").to_owned(), host.name().to_owned()];
    let all: Vec<String> = first.into_iter().chain(programs).chain(emulators).chain(images).collect();
    Ok(hash::of(all.join("\n").as_bytes()))
}
