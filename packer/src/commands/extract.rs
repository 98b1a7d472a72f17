//! `unibin extract`: takes an app, or all that a bundle holds, out into a new directory. The directory
//! appears by rename once every digest has been compared; its trees are read by the launcher's own reader,
//! and links are made last, so that nothing is ever written through one. Refuses to begin without enough
//! space, and where more is claimed than what is stored plausibly unpacks to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bundle::{Arch, Blob, Manifest, Owner, Variant};

use crate::atomic_file::NewDirectory;
use crate::bounds::check_free;
use crate::cli::ExtractArgs;
use crate::commands::owners::Owners;
use crate::error::{Error, shown};
use crate::tree::sparse;
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;
use crate::write::read_back;
use crate::write::tarball::TarEntry;

/// Extracts what was asked for.
pub(crate) fn extract(args: &ExtractArgs) -> Result<String, Error> {
    let bundle = BundleFile::open(&args.file)?;
    let manifest = bundle.manifest()?;
    check_bundle::plausible(&bundle)?;
    // Before the first byte is written: what is damaged is not taken out.
    check_bundle::whole(&bundle)?;
    let to = match &args.directory {
        Some(directory) => directory.clone(),
        None => default_directory(&args.file)?,
    };
    let apart = args.emulators || args.all;
    let wanted = |blob: &Blob<'_>| apart || manifest.variants().take(1).any(|first| holds(&first, blob));
    let lengths = manifest.blobs().filter(wanted).map(|blob| blob.length());
    check_free(&to, lengths.fold(0, u64::saturating_add))?;
    // Where the kernel will look for the loader.
    let place = match &args.at {
        Some(at) if !at.is_absolute() => return Err(Error::NotAbsolute { path: at.clone() }),
        Some(at) => at.clone(),
        None => std::path::absolute(&to).map_err(|source| Error::io("make", &to, source))?,
    };
    let new = NewDirectory::beside(&to).map_err(|source| Error::io("make", &to, source))?;

    for (number, variant) in manifest.variants().enumerate() {
        let directory = match (apart, number) {
            (false, 0) => new.path().to_owned(),
            (false, _) => break,
            (true, _) => new.path().join(match variant.level {
                0 => format!("app-{}", variant.target),
                level => format!("app-{}-v{level}", variant.target),
            }),
        };
        let destination = place.join(directory.strip_prefix(new.path()).unwrap_or(Path::new("")));
        let blobs: Vec<Blob<'_>> = [Some(variant.app), variant.shared].into_iter().flatten().collect();
        tree(&bundle, &blobs, &directory, &destination)?;
    }
    if apart {
        emulators(&bundle, &manifest, new.path())?;
    }
    if args.all {
        rest(&bundle, &manifest, new.path())?;
    }
    new.settle().map_err(|source| Error::io("make", &to, source))?;
    Ok(format!("{}\n", shown(&to)))
}

/// Whether `blob` is a part of the variant's tree.
fn holds(variant: &Variant<'_>, blob: &Blob<'_>) -> bool {
    variant.app == *blob || variant.shared == Some(*blob)
}

/// As a bundle's own `UNIBIN_DO=extract` has it.
fn default_directory(file: &Path) -> Result<PathBuf, Error> {
    let name = file.file_name().ok_or_else(|| Error::NoFileName { path: file.to_owned() })?;
    let mut directory = name.to_owned();
    directory.push(".extracted");
    Ok(directory.into())
}

fn emulators(bundle: &BundleFile, manifest: &Manifest<'_>, directory: &Path) -> Result<(), Error> {
    let directory = directory.join("emulators");
    make_directory(&directory)?;
    for row in manifest.translators() {
        let name =
            directory.join(format!("{}-{}", String::from_utf8_lossy(row.name).replace('/', "_"), row.key));
        if row.member.is_empty() {
            file(bundle, &row.blob, &name, 0o755)?;
        } else {
            // One tree for several emulators of a host; what was merged may have more of them.
            let host = row.key.host;
            let mut trees: Vec<u64> = Vec::new();
            let of_host = manifest.translators().filter(|other| other.key.host == host);
            for offset in of_host.filter(|other| !other.member.is_empty()).map(|other| other.blob.offset()) {
                if !trees.contains(&offset) {
                    trees.push(offset);
                }
            }
            let number = trees.iter().position(|offset| *offset == row.blob.offset()).unwrap_or(0);
            let name = if number == 0 { host.name().to_owned() } else { format!("{host}-{}", number + 1) };
            let place = directory.join(name);
            if !place.exists() {
                tree(bundle, &[row.blob], &place, &place)?;
            }
        }
    }
    Ok(())
}

fn rest(bundle: &BundleFile, manifest: &Manifest<'_>, directory: &Path) -> Result<(), Error> {
    let launchers = directory.join("launchers");
    make_directory(&launchers)?;
    for row in manifest.launchers() {
        file(bundle, &row.blob, &launchers.join(row.host.name()), 0o755)?;
    }
    for host in Arch::HOSTS {
        if let Some(broker) = manifest.broker(host) {
            let brokers = directory.join("brokers");
            if !brokers.exists() {
                make_directory(&brokers)?;
            }
            file(bundle, &broker.blob, &brokers.join(host.name()), 0o755)?;
        }
    }
    let mut notices = 0;
    for blob in manifest.blobs() {
        match blob.kind {
            bundle::BlobKind::Stub => file(bundle, &blob, &directory.join("stub.sh"), 0o644)?,
            bundle::BlobKind::Notices => {
                notices += 1;
                file(bundle, &blob, &directory.join(format!("notices-{notices}.txt")), 0o644)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir(path).map_err(|source| Error::io("make", path, source))
}

fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn file(bundle: &BundleFile, blob: &Blob<'_>, path: &Path, mode: u32) -> Result<(), Error> {
    let copied = new_file(path, mode).and_then(|mut to| {
        io::copy(&mut bundle.unpacked(blob)?.take(blob.length()), &mut to)?;
        to.flush()
    });
    copied.map_err(|source| Error::io("write", path, source))
}

/// Unpacks the blobs of a tree into `directory`, which may exist already when it is empty and will be at
/// `destination`.
fn tree(bundle: &BundleFile, blobs: &[Blob<'_>], directory: &Path, destination: &Path) -> Result<(), Error> {
    if !directory.is_dir() {
        make_directory(directory)?;
    }
    let mut symlinks = Vec::new();
    let owners = Owners::of_this_process();
    for blob in blobs {
        symlinks.extend(files(bundle, blob, directory, destination, &owners)?);
    }
    for Link { place, target, owner } in symlinks {
        symlink(std::ffi::OsStr::from_bytes(&target), &place)
            .and_then(|()| owner.map_or(Ok(()), |owner| owners.give_link(&place, owner)))
            .map_err(|source| Error::io("write", &place, source))?;
    }
    owners.tell(directory);
    fs::set_permissions(directory, Permissions::from_mode(0o755))
        .map_err(|source| Error::io("write", directory, source))
}

/// A symbolic link that is still to be made.
struct Link {
    place: PathBuf,
    target: Vec<u8>,
    owner: Option<Owner>,
}

/// Unpacks a blob of a tree, all but the symbolic links, which it returns.
fn files(
    bundle: &BundleFile,
    blob: &Blob<'_>,
    directory: &Path,
    destination: &Path,
    owners: &Owners,
) -> Result<Vec<Link>, Error> {
    let part = format!("{} tree", blob.kind.name());
    let mut symlinks = Vec::new();
    read_back::members(bundle.file(), bundle.path(), &part, blob, |path, owner, entry| {
        let to = directory.join(std::ffi::OsStr::from_bytes(path));
        let wrote = |done: io::Result<()>| done.map_err(|source| Error::io("write", &to, source));
        match entry {
            // The directories of a shared blob are those of the tree's own too; nothing here is a symbolic
            // link yet.
            TarEntry::Directory if to.is_dir() => Ok(()),
            TarEntry::Directory => wrote((|| {
                fs::create_dir(&to)?;
                owner.map_or(Ok(()), |owner| owners.give(&File::open(&to)?, owner, true))
            })()),
            TarEntry::File { executable, content, loader, .. } => wrote((|| {
                let mode = if executable { 0o755 } else { 0o644 };
                let file = new_file(&to, mode)?;
                let length = sparse::copy(content, &file)?;
                if let Some(owner) = owner {
                    owners.give(&file, owner, false)?;
                }
                // As a launcher does (FORMAT.md, section 6).
                if let Some(loader) = loader {
                    let path = destination.join(std::ffi::OsStr::from_bytes(&loader));
                    let mut field = [0; bundle::PATH_MAX];
                    let path = path.as_os_str().as_bytes();
                    let room = field.get_mut(..path.len()).filter(|room| room.len() < bundle::PATH_MAX);
                    room.ok_or(io::ErrorKind::InvalidFilename)?.copy_from_slice(path);
                    file.write_all_at(&field, length)?;
                }
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(bundle::MTIME.into()))
            })()),
            TarEntry::HardLink(target) => {
                // No symbolic link exists yet, so that this can only lead to a file of the tree.
                wrote(fs::hard_link(directory.join(std::ffi::OsStr::from_bytes(&target)), &to))
            }
            TarEntry::Symlink(target) => {
                symlinks.push(Link { place: to, target, owner });
                Ok(())
            }
        }
    })?;
    Ok(symlinks)
}
