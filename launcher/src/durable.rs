//! When a slot is on the disk. A start doesn't wait for that: its marker says until then in which boot of the
//! machine the slot was written, and a process beside the app syncs and gives the marker its last name. Where
//! the machine lost its power before, the next boot finds a marker of another one, and unpacks again.
//!
//! The marker stays one file: its lock says who uses the slot.

use core::ffi::CStr;

use crate::bytes::c_string;
use crate::left_over;
use crate::sys::{self, At, Errno, Fd, OFlags, Rename};
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
    let is_own = sys::file_system(c_string(&[cache, b"/"])).is_ok_and(|kind| OWN.contains(&kind));
    let namespace = sys::readlinkat(At::CWD, c"/proc/self/ns/pid");
    let stays =
        namespace.is_ok_and(|namespace| namespace.to_bytes() == FIRST_NAMESPACE) && sys::getpid() != 1;
    written().filter(|_| is_own && stays && !is_proot())
}

/// Has a slot synced that is published with this marker: by a process beside the app, or, where there can be
/// none (an emulator of the host's CPU copies no process without a signal), before the app starts.
pub fn sync_later(slot: &Fd, marker: &CStr) {
    // A slot that is only looked at is open by its path alone (O_PATH), which cannot be synced.
    let open = || sys::openat(slot.at(), c".", OFlags::DIRECTORY, 0);
    if open().and_then(|slot| sys::beside(slot, |slot| i32::from(sync(&slot, marker).is_err()))).is_err() {
        let _ = open().and_then(|slot| sync(&slot, marker));
    }
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

/// Opens the marker of the slot that `place` ends before, and says where it was found: under its last name or
/// that of this boot. It may get its last name in between, but never loses it.
pub fn open_marker(at: At<'_>, place: &[u8], flags: OFlags) -> Result<(Fd, &'static CStr), Errno> {
    let names: [fn() -> Option<&'static CStr>; 3] = [|| Some(MARKER), written, || Some(MARKER)];
    for name in names.into_iter().filter_map(|name| name()) {
        let path = c_string(&[place, name.to_bytes()]);
        match sys::openat(at, path, flags, 0) {
            Err(Errno::ENOENT) => {}
            opened => return opened.map(|marker| (marker, path)),
        }
    }
    Err(Errno::ENOENT)
}

fn rename(slot: &Fd, marker: &CStr) -> Result<(), Errno> {
    sys::renameat2(slot.at(), marker, slot.at(), MARKER, Rename::Replace)
}
