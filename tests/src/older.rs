//! An emulator of another version than unibin's own: that of Debian 12, out of its package, fetched once.

use std::fs::{self, File};
use std::path::PathBuf;

use bundle::Arch;

use crate::fetched::deb;
use crate::unibin::kept;

/// The largest emulator of that package has 20 MB.
const MOST: u64 = 64 << 20;

/// QEMU 7.2 for programs of `target`, for `x86_64`. Who calls this has `needs!("older-qemu")`.
pub fn older_qemu(target: Arch) -> PathBuf {
    fetched(target).unwrap_or_else(|why| panic!("qemu-user-static of Debian 12: {why}"))
}

/// The same; `Err` where the mirror lacks it.
pub(crate) fn fetched(target: Arch) -> Result<PathBuf, String> {
    let directory = kept().join("older");
    fs::create_dir_all(&directory).expect("directory");
    let lock = File::create(directory.join("lock")).expect("lock");
    lock.lock().expect("locked");
    let name = format!("qemu-{}-static", target.qemu_name());
    let file = directory.join(&name);
    if !file.exists() {
        let package = deb(&directory, "bookworm", "amd64", "qemu-user-static")?;
        let program = package.read(&format!("usr/bin/{name}"), MOST);
        let unfinished = directory.join("new");
        fs::write(&unfinished, program.expect("readable").expect("a program")).expect("written");
        fs::rename(unfinished, &file).expect("renamed");
    }
    Ok(file)
}
