//! `unibin cache`: lists and removes what bundles have unpacked on this machine. Never removes what a running
//! process uses or is just unpacking. Looks only into directories of this user. With `--packed`, what
//! `unibin pack` has kept (`packed`).

mod packed;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fmt::Write as _};

use bundle::{Arch, Digest};
use serde::Serialize;

use crate::cli::cache::{CacheCommand, CacheDirectories};
use crate::commands::in_use;
use crate::error::{Error, shown};
use crate::json;
use crate::say;
use crate::units::size;

/// Directories that every user can write to; a user's own directories in them have the user ID in their name.
const SHARED: [&str; 3] = ["/var/tmp", "/tmp", "/dev/shm"];

/// How the launcher and the stub name what is not finished; also used for what is being removed.
const UNFINISHED: &str = ".new-";

/// The file in an entry that says that it is whole, and how its name begins until the entry is on the disk.
const MARKER: &str = "complete";
const WRITTEN: &[u8] = b"written-";

/// The directory of one host in one cache.
struct HostCache {
    host: Arch,
    path: PathBuf,
}

/// An entry of a cache.
#[derive(Serialize)]
struct Row {
    host: &'static str,
    what: &'static str,
    path: PathBuf,
    size: u64,
    /// Days since one of its files was last read, as far as the file system records that.
    days: u64,
    /// A running process that uses it.
    used_by: Option<u32>,
}

/// Runs the subcommand.
pub(crate) fn cache(command: &CacheCommand) -> Result<String, Error> {
    match command {
        CacheCommand::List { directories, list } if directories.packed => packed::list(list.json),
        CacheCommand::Gc { directories, days } if directories.packed => packed::remove(*days),
        CacheCommand::Clear { directories } if directories.packed => packed::remove(0),
        CacheCommand::List { directories, list } => list_rows(directories, list.json),
        CacheCommand::Gc { directories, days } => remove(directories, |row| row.days >= *days),
        CacheCommand::Clear { directories } => remove(directories, |_| true),
    }
}

fn list_rows(directories: &CacheDirectories, as_json: bool) -> Result<String, Error> {
    let used = in_use::by_processes()?;
    let mut rows = Vec::new();
    for host_cache in host_caches(directories)? {
        rows.extend(rows_of(&host_cache, &used)?);
    }
    if as_json {
        return Ok(json::text(&rows));
    }
    let mut text = String::new();
    for row in &rows {
        let user = row.used_by.map(|pid| format!("  in use by process {pid}")).unwrap_or_default();
        let (what, bytes) = (row.what, size(row.size));
        let _ = writeln!(text, "{what:<10} {bytes:>10} {:>4} days  {}{user}", row.days, shown(&row.path));
    }
    let all = rows.iter().map(|row| row.size).sum();
    let _ = writeln!(text, "{} in {} entries", size(all), rows.len());
    Ok(text)
}

fn remove(directories: &CacheDirectories, goes: impl Fn(&Row) -> bool) -> Result<String, Error> {
    let (mut text, mut bytes, mut count, mut kept) = (String::new(), 0, 0, 0);
    for host_cache in host_caches(directories)? {
        let lock =
            File::open(&host_cache.path).map_err(|error| Error::io("open", &host_cache.path, error))?;
        // A first run holds it while it unpacks. Where there are no locks, an unfinished directory is
        // recognised by its name.
        if matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            say::warning(&format!("`{}` skipped: a bundle is unpacking there now", shown(&host_cache.path)));
            continue;
        }
        // Asked again for each directory: the answer becomes outdated.
        let used = in_use::by_processes()?;
        for row in rows_of(&host_cache, &used)? {
            if row.used_by.is_some() || row.what == "unfinished" && !is_left_over(&row) {
                kept += 1;
            } else if row.what == "unfinished" || goes(&row) {
                // Held by what `/proc` does not show: an app in another container that shares the cache.
                let Ok(_alone) = alone(&row) else {
                    kept += 1;
                    continue;
                };
                remove_row(&host_cache, &row)?;
                let _ =
                    writeln!(text, "removed {:<10} {:>10}  {}", row.what, size(row.size), shown(&row.path));
                bytes += row.size;
                count += 1;
            }
        }
    }
    let _ = writeln!(text, "{} in {count} entries removed, {kept} in use", size(bytes));
    Ok(text)
}

/// Locks the marker of an entry exclusively, and removes it: whoever looks for the entry later finds none.
/// `Err` while an app holds it. Where there are no locks, `/proc` has to do.
fn alone(row: &Row) -> Result<Option<File>, ()> {
    // For writing: NFS wants that of whoever locks alone.
    let open = |marker: &Path| OpenOptions::new().read(true).write(true).open(marker);
    let mut marker = marker(&row.path);
    let mut opened = open(&marker);
    if opened.is_err() {
        // It may have got its last name since it was looked for.
        marker = row.path.join(MARKER);
        opened = open(&marker);
    }
    let Ok(file) = opened else { return Ok(None) };
    if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
        return Err(());
    }
    let _ = fs::remove_file(marker);
    Ok(Some(file))
}

/// Where the marker of an entry is.
fn marker(entry: &Path) -> PathBuf {
    let names = fs::read_dir(entry).into_iter().flatten().flatten().map(|file| file.file_name());
    let mut written = names.filter(|name| name.as_bytes().starts_with(WRITTEN));
    let last = entry.join(MARKER);
    if last.exists() { last } else { written.next().map_or(last, |name| entry.join(name)) }
}

/// Removes an entry. It is renamed first, so that nobody ever starts from half of it.
fn remove_row(host_cache: &HostCache, row: &Row) -> Result<(), Error> {
    let failed = |error| Error::io("remove", &row.path, error);
    if row.what == "launcher" {
        return fs::remove_file(&row.path).map_err(failed);
    }
    let aside = host_cache.path.join(format!("{UNFINISHED}removed-{}", std::process::id()));
    fs::rename(&row.path, &aside).map_err(failed)?;
    fs::remove_dir_all(&aside).map_err(failed)
}

/// Whether nobody is working on an unfinished directory any more. We hold the lock, so only a stub could be:
/// stubs take none.
fn is_left_over(row: &Row) -> bool {
    let name = row.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let Some(of_stub) = name.strip_prefix(".new-launcher-") else { return true };
    let pid = of_stub.split('-').next().unwrap_or_default();
    !Path::new("/proc").join(pid).exists()
}

/// Where caches may be, as in the launcher, except for directories beside bundles, which only `--directory`
/// can name.
fn host_caches(directories: &CacheDirectories) -> Result<Vec<HostCache>, Error> {
    let uid = in_use::own_uid()?;
    let absolute =
        |name| env::var_os(name).filter(|value: &OsString| Path::new(value).is_absolute()).map(PathBuf::from);
    let mut candidates = directories.directory.clone();
    if candidates.is_empty() {
        candidates.extend(absolute("UNIBIN_CACHE"));
        candidates.extend(absolute("SLURM_TMPDIR").map(|directory| directory.join("unibin")));
        candidates.extend(absolute("XDG_CACHE_HOME").map(|directory| directory.join("unibin")));
        candidates.extend(absolute("HOME").map(|directory| directory.join(".cache/unibin")));
        candidates.extend(absolute("XDG_RUNTIME_DIR").map(|directory| directory.join("unibin")));
        for directory in SHARED.map(Path::new) {
            candidates.push(directory.join(format!("unibin-{uid}")));
            // Where others had taken that name, one that cannot be guessed (`unibin-UID.XXXXXX`).
            let name = format!("unibin-{uid}.");
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let random = entries.map(|entry| entry.path()).filter(|path| {
                path.file_name().is_some_and(|found| found.as_bytes().starts_with(name.as_bytes()))
            });
            candidates.extend(random);
        }
    } else if let Some(missing) = candidates.iter().find(|directory| !directory.is_dir()) {
        return Err(Error::io("open", missing, std::io::ErrorKind::NotFound.into()));
    }
    candidates.dedup();
    let ours =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid);
    let mut host_caches: Vec<HostCache> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| ours(candidate)) {
        for host in Arch::HOSTS {
            let path = candidate.join(host.name());
            if ours(&path) && host_caches.iter().all(|other| other.path != path) {
                host_caches.push(HostCache { host, path });
            }
        }
    }
    Ok(host_caches)
}

fn rows_of(host_cache: &HostCache, used: &BTreeMap<String, u32>) -> Result<Vec<Row>, Error> {
    let unreadable = |error| Error::io("read", &host_cache.path, error);
    let mut rows = Vec::new();
    for entry in fs::read_dir(&host_cache.path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().as_bytes();
        let name = String::from_utf8_lossy(name).into_owned();
        let what = if name.starts_with(UNFINISHED) {
            "unfinished"
        } else if name.starts_with("launcher-") {
            "launcher"
        } else if Digest::from_hex(&name).is_none() {
            // Not made by a bundle.
            continue;
        } else if path.join("emulator").exists() {
            "emulator"
        } else {
            "tree"
        };
        let (size, read) = measure(&path);
        let days = SystemTime::now().duration_since(read).unwrap_or_default().as_secs() / 86_400;
        rows.push(Row {
            host: host_cache.host.name(),
            what,
            path,
            size,
            days,
            used_by: used.get(&name).copied(),
        });
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rows)
}

/// The size of all files at `path`, and when one was last read or created. Whatever disappears meanwhile
/// counts as nothing.
fn measure(path: &Path) -> (u64, SystemTime) {
    let Ok(found) = fs::symlink_metadata(path) else { return (0, SystemTime::UNIX_EPOCH) };
    let (mut size, mut last) = (if found.is_file() { found.len() } else { 0 }, last_use(&found));
    if found.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let (more, read) = measure(&entry.path());
            (size, last) = (size + more, last.max(read));
        }
    }
    (size, last)
}

/// Anyone who looks into a directory reads it, so only its creation counts; a file is read when it is
/// started.
fn last_use(found: &Metadata) -> SystemTime {
    let seconds = |time: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time).unwrap_or(0));
    if found.is_file() { seconds(found.atime().max(found.ctime())) } else { seconds(found.ctime()) }
}
