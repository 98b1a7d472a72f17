//! When a slot is on the disk. A start doesn't wait for that: its marker says until then in which boot of the
//! machine the slot was written, and a process beside the app syncs and gives the marker its last name. Where
//! the machine lost its power before, the next boot finds a marker of another one, and unpacks again.
//!
//! The marker stays one file: its lock says who uses the slot.

use core::ffi::CStr;

use crate::absolute;
use crate::bytes::{c_string, zeroed};
use crate::left_over;
use crate::proc;
use crate::sys::{self, Argv, At, Errno, Fd, Follow, OFlags, Process, Rename};
use crate::tracer::is_proot;

/// Says that a slot is whole and on the disk.
pub const MARKER: &CStr = c"complete";

/// How a marker's name begins until the slot is on the disk; the boot follows.
const WRITTEN: &[u8] = b"written-";

/// If a marker still has that name after so many seconds, who was to sync was ended.
const SYNCED_AFTER: i64 = 120;

/// File systems of this machine alone (statfs(2)): ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, overlayfs. What
/// other machines see too can be in use there, where it is of another boot: that is synced at once.
const OWN: [u32; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0xCA45_1A4E, 0x794C_7630];

/// The first of all namespaces of process numbers (`PROC_PID_INIT_INO` of the kernel). In another one a
/// container ends with its first process and takes the one beside it along.
const FIRST_NAMESPACE: &[u8] = b"pid:[4026531836]";

/// The marker's name in this boot, until the slot is on the disk.
pub fn written() -> Option<&'static CStr> {
    left_over::boot().map(|boot| c_string(&[WRITTEN, boot]))
}

/// The marker of a slot that is about to be published: under its last name only if the slot is on the disk.
/// Below proot nothing may end after the app.
pub fn marker(cache: &[u8]) -> Option<&'static CStr> {
    let namespace = sys::readlinkat(At::CWD, c"/proc/self/ns/pid");
    let stays =
        namespace.is_ok_and(|namespace| namespace.to_bytes() == FIRST_NAMESPACE) && sys::getpid() != 1;
    written().filter(|_| is_own(cache) && stays && !is_in_chroot() && !is_proot())
}

/// Whether no other machine sees a cache's file system.
pub fn is_own(cache: &[u8]) -> bool {
    sys::file_system(c_string(&[cache, b"/"])).is_ok_and(|kind| OWN.contains(&kind))
}

/// Whether this process is known to have another root than the machine: whoever makes an image there packs
/// or unmounts it as soon as the app has ended. It is known where the root is no mount, or where a process
/// that we come from, and may look at, has another one.
fn is_in_chroot() -> bool {
    let root = |path| sys::statat(At::CWD, path, Follow::Yes);
    let Ok(own) = root(c"/") else { return true };
    let mut process: &[u8] = b"self";
    let mut found = own.is_within_mount;
    while !found {
        // Its parent is among the first lines.
        let status = proc::read(c_string(&[b"/proc/", process, b"/status"]), zeroed(512));
        match status.and_then(|status| proc::line(status, b"PPid:")) {
            None | Some(b"0") => break,
            Some(parent) => process = parent,
        }
        found = root(c_string(&[b"/proc/", process, b"/root"])).is_ok_and(|root| !root.same_file(&own));
    }
    found
}

/// Has a slot synced that is published with this marker: by a process beside the app, or, where there can be
/// none (an emulator of the host's CPU copies no process without a signal), before the app starts.
pub fn sync_later(slot: &Fd, marker: &CStr) {
    // A slot that is only looked at is open by its path alone (O_PATH), which cannot be synced.
    let open = || slot.reopened();
    // A broker never is what the bundle begins with.
    let leaves_bundle = !cfg!(feature = "children") && sys::starts_as_elf();
    let work = |slot: Fd| {
        if leaves_bundle {
            become_copy(&slot, marker);
        }
        i32::from(sync(&slot, marker).is_err())
    };
    if open().and_then(|slot| sys::beside(slot, leaves_bundle, work)).is_err() {
        let _ = open().and_then(|slot| sync(&slot, marker));
    }
}

/// The one variable of a process that syncs as a program of its own: the marker.
const SYNC: &[u8] = b"UNIBIN_SYNC=";

/// No launcher is longer (CONTRIBUTING.md); what the bundle has behind it does not matter.
const LAUNCHER_MAX: usize = 128 * 1024;

/// Becomes a copy of this launcher in memory, where the bundle itself begins with it: nobody can write to a
/// file that a process executes, and neither a fork nor an unmapping changes what that is. So the bundle
/// can be replaced in place as soon as the app has ended. Returns where programs in memory are not allowed.
fn become_copy(slot: &Fd, marker: &CStr) {
    let copy = || -> Result<Fd, Errno> {
        let own = sys::openat(At::CWD, absolute::OWN, OFlags::READ, 0)?;
        let bytes = zeroed(LAUNCHER_MAX);
        let length = own.pread(bytes, 0)?;
        let copy = sys::memfd_create(c"unibin-sync")?;
        copy.pwrite_all(bytes.get(..length).unwrap_or_default(), 0)?;
        slot.keep_for_program()?;
        Ok(copy)
    };
    if let Ok(copy) = copy() {
        let (mut arguments, mut environment) = (Argv::new(), Argv::new());
        arguments.push(c"unibin-sync");
        environment.push(c_string(&[SYNC, marker.to_bytes()]));
        sys::execveat(&copy, &arguments, &environment);
    }
}

/// The exit code of a process that [`sync_later`] has made a program of its own; `None` in any other.
pub fn beside(process: &Process) -> Option<i32> {
    let [variable] = process.env() else { return None };
    let marker = c_string(&[variable.to_bytes().strip_prefix(SYNC)?]);
    // Of a marker of this boot only, whoever has started this.
    (sys::starts_as_elf() && !process.secure() && written() == Some(marker))
        .then(|| i32::from(sync(&sys::kept_for_program(), marker).is_err()))
}

/// Has a slot synced again whose marker still has its first name after that time, by the marker's time.
pub fn sync_again(slot: &Fd, marker: &Fd, time: i64, name: &CStr) {
    let now = sys::unix_seconds();
    // Those that start in the next minutes leave it to this one.
    if time.saturating_add(SYNCED_AFTER) < now && !is_proot() && marker.set_mtime(now).is_ok() {
        sync_later(slot, name);
    }
}

fn sync(slot: &Fd, marker: &CStr) -> Result<(), Errno> {
    match slot.syncfs() {
        // Its pages are lost, and the kernel says so only once (fsync(2)): nobody may believe it later.
        Err(Errno::EIO | Errno::ENOSPC | Errno::EDQUOT) => sys::unlinkat(slot.at(), marker),
        synced => synced.and_then(|()| rename(slot, marker)),
    }
}

/// Opens the marker of a slot, and says where it was found: under its last name or that of this boot. It may
/// get its last name in between, but never loses it.
pub fn open_marker(slot: &Fd, flags: OFlags) -> Result<(Fd, &'static CStr), Errno> {
    let names: [fn() -> Option<&'static CStr>; 3] = [|| Some(MARKER), written, || Some(MARKER)];
    for name in names.into_iter().filter_map(|name| name()) {
        match sys::openat(slot.at(), name, flags, 0) {
            Err(Errno::ENOENT) => {}
            opened => return opened.map(|marker| (marker, name)),
        }
    }
    Err(Errno::ENOENT)
}

/// The same under any name: it may also be of another boot, before this one or as another container sees
/// it, or another machine's.
pub fn open_any_marker(slot: &Fd, flags: OFlags) -> Result<(Fd, &'static CStr), Errno> {
    match open_marker(slot, flags) {
        Err(Errno::ENOENT) => {}
        opened => return opened,
    }
    let directory = slot.reopened()?;
    let mut names = directory.entries().map_while(Result::ok).map(|entry| entry.name);
    let named = names.find(|name| is_written(name)).ok_or(Errno::ENOENT);
    match named.and_then(|name| Ok((sys::openat(slot.at(), name, flags, 0)?, name))) {
        // It got its last name meanwhile.
        Err(Errno::ENOENT) => open_marker(slot, flags),
        opened => opened,
    }
}

/// Whether a marker's name is that of another boot.
pub fn is_of_other_boot(name: &CStr) -> bool {
    is_written(name) && Some(name) != written()
}

fn is_written(name: &CStr) -> bool {
    name.to_bytes().starts_with(WRITTEN)
}

fn rename(slot: &Fd, marker: &CStr) -> Result<(), Errno> {
    sys::renameat2(slot.at(), marker, slot.at(), MARKER, Rename::Replace)
}
