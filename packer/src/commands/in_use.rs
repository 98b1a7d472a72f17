//! Finds the cache entries that running processes use: through their program, mapped files, mounts, working
//! directory or arguments. The program file of an emulated process is among the arguments of its emulator.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::Error;

/// Length of an entry's name: SHA-256 in hexadecimal digits.
const NAME: usize = 64;

fn proc_error(error: io::Error) -> Error {
    // Without it nobody knows what is in use.
    Error::io("read", Path::new("/proc"), error)
}

/// This user's ID.
pub(crate) fn own_uid() -> Result<u32, Error> {
    fs::metadata("/proc/self").map(|found| found.uid()).map_err(proc_error)
}

/// The names of cache entries in use, each with a process that uses it.
pub(crate) fn by_processes() -> Result<BTreeMap<String, u32>, Error> {
    let mut used = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir("/proc").map_err(proc_error)? {
        let entry = entry.map_err(proc_error)?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may have ended, or belong to somebody else, who never uses this user's cache.
        for told in ["maps", "cmdline"] {
            slots(&fs::read(entry.path().join(told)).unwrap_or_default(), pid, &mut used);
        }
        // A system's tree is mounted where a process lives in it, which may have closed what it was given.
        if let Some(mounts) = own_mounts(&entry.path())
            && seen.insert(mounts)
        {
            slots(&fs::read(entry.path().join("mountinfo")).unwrap_or_default(), pid, &mut used);
        }
        for link in ["exe", "cwd"] {
            let target = fs::read_link(entry.path().join(link)).unwrap_or_default();
            slots(target.as_os_str().as_bytes(), pid, &mut used);
        }
    }
    Ok(used)
}

/// What the mounts of a process are known by, if we may look at it and they are other ones than ours.
fn own_mounts(process: &Path) -> Option<(u64, u64)> {
    let mounts =
        |process: &Path| fs::metadata(process.join("ns/mnt")).map(|found| (found.dev(), found.ino())).ok();
    mounts(process).zip(mounts(Path::new("/proc/self"))).and_then(|(its, own)| (its != own).then_some(its))
}

/// Every component of a path in `text` that has the form of an entry's name.
fn slots(text: &[u8], pid: u32, used: &mut BTreeMap<String, u32>) {
    for part in text.split(|byte| matches!(byte, b'/' | b'\n' | 0 | b' ')) {
        if part.len() == NAME && part.iter().all(u8::is_ascii_hexdigit) {
            used.entry(String::from_utf8_lossy(part).into_owned()).or_insert(pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_in_maps_arguments_and_directories_and_nowhere_else() {
        let (one, other) = ("0123456789abcdef".repeat(4), "f".repeat(64));
        let text = format!(
            "r-xp 00:00 1 /h/.cache/unibin/x86_64/{one}/tree/a\n-0\0/c/{other}\0/x/{one}f/y {}",
            &one[1..]
        );
        let mut used = BTreeMap::new();
        slots(text.as_bytes(), 7, &mut used);
        assert_eq!(used, BTreeMap::from([(one, 7), (other, 7)]));
    }
}
