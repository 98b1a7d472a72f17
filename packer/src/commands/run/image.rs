//! `unibin run --oci IMAGE`: the image as a bundle for this machine alone. It is kept in the store under what
//! it was made of, so that an image that is the same again is neither fetched nor packed again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use bundle::{Arch, Digest};
use emulator::Store;
use oci::{Found, Options, Platform, Silent};

use crate::atomic_file;
use crate::cli::RunArgs;
use crate::cli::values::Head;
use crate::error::{Error, SystemError};
use crate::hash;
use crate::pack;
use crate::packages::suites;
use crate::request::Request;
use crate::request::system::{SystemRequest, SystemSource};
use crate::write::header;

/// The bundle of an image, made if it is not here yet.
pub(super) fn bundle(args: &RunArgs, reference: &OsStr) -> Result<PathBuf, Error> {
    let wanted: Vec<Platform> = args.platform.iter().cloned().collect();
    let host = Arch::HOST.ok_or(SystemError::NoImageHost)?;
    atomic_file::clean_up_on_signals().map_err(Error::Temporary)?;
    let store = Store::open(suites::store_root()?)?;
    let name = [reference.as_bytes(), b"\0", format!("{wanted:?}").as_bytes()].concat();
    let find = || -> Result<Vec<Found>, Error> {
        let options = Options { offline: args.archive.offline, progress: &Silent };
        Ok(oci::find(reference, &wanted, &options).map_err(SystemError::from)?)
    };
    let found = match find() {
        // What the name meant when a registry was last asked.
        Err(error) if args.archive.offline => {
            let last = store.last_image(&name).map(|key| store.image(key)).transpose()?.flatten();
            return last.ok_or(error);
        }
        found => found?,
    };
    let key = key(host, &found)?;
    let bundle = store.place_of_image(key)?;
    if store.image(key)?.is_none() {
        // Nobody else finds it there before it is known to be right.
        let new = bundle.with_file_name(format!(".{key}.{}.image", std::process::id()));
        let source = SystemSource::Image { reference: reference.to_owned(), platforms: wanted.clone() };
        let system = SystemRequest::whole(source, None, new.clone(), args.archive.clone());
        pack::packed(Request::for_one_host(host, Head::Elf(host), system), false)?;
        // What was fetched is what was found, unless the name has another meaning by now.
        if find()? != found {
            fs::remove_file(&new).map_err(|source| Error::io("remove", &new, source))?;
            let name = reference.to_string_lossy().into_owned();
            return Err(SystemError::ImageChanged { name }.into());
        }
        fs::rename(&new, &bundle).map_err(|source| Error::io("write", &bundle, source))?;
        store.prune()?;
    }
    store.put_last_image(&name, key)?;
    Ok(bundle)
}

/// Everything that decides about what the bundle does: what starts it, and the image.
fn key(host: Arch, found: &[Found]) -> Result<Digest, Error> {
    let launchers = header::launchers(&[host])?.into_iter().map(|(_, program)| program);
    let programs = launchers.chain(header::broker(host)?);
    let programs = programs.map(|program| hash::of(&program).to_string());
    let images = found.iter().map(|image| format!("{} {}", image.platform, image.digest));
    let first = [env!("CARGO_PKG_VERSION").to_owned(), host.name().to_owned()];
    let all: Vec<String> = first.into_iter().chain(programs).chain(images).collect();
    Ok(hash::of(all.join("\n").as_bytes()))
}
