//! The rights to files: which this process has, and giving some of them up.

use super::Errno;
use super::beside::{end_with, getppid};
use super::call::call;
use linux_raw_sys::{general as raw, prctl};

/// `_LINUX_CAPABILITY_VERSION_3` (include/uapi/linux/capability.h).
const VERSION: u32 = 0x2008_0522;

#[cfg(target_pointer_width = "64")]
const SET: [u32; 3] = [raw::__NR_setgroups, raw::__NR_setresgid, raw::__NR_setresuid];
#[cfg(target_pointer_width = "32")]
const SET: [u32; 3] = [raw::__NR_setgroups32, raw::__NR_setresgid32, raw::__NR_setresuid32];

/// Takes on the rights of a user, a group and groups, each `None` where they stay as they are (which needs no
/// capability), with no capabilities but these. There is no way back. The process must be allowed to do this.
/// It ends with its parent.
pub fn give_up(
    user: Option<u32>,
    group: Option<u32>,
    groups: Option<&[u32]>,
    capabilities: u64,
) -> Result<(), Errno> {
    let [set_groups, set_group, set_user] = SET;
    let parent = getppid();
    // Who has these rights too is not to look into a process that had more.
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_prctl, [prctl::PR_SET_DUMPABLE as usize, 0, 0, 0, 0]) }?;
    if let Some(groups) = groups {
        // SAFETY: `groups` is read, as many as it has.
        unsafe { call(set_groups, [groups.len(), groups.as_ptr() as usize]) }?;
    }
    if let Some(group) = group {
        // SAFETY: no pointers.
        unsafe { call(set_group, [group as usize; 3]) }?;
    }
    if let Some(user) = user {
        // SAFETY: no pointers.
        unsafe { call(set_user, [user as usize; 3]) }?;
    }
    let header = [VERSION, 0];
    let (low, high) = (capabilities as u32, (capabilities >> 32) as u32);
    // Effective, permitted, inheritable; the lower halves first. Who has become another user than root has
    // none by now.
    let keeps = user.is_none_or(|user| user == 0);
    let data = if keeps { [low, low, 0, high, high, 0] } else { [0; 6] };
    // SAFETY: both structures are of the size that the version says, and are read.
    unsafe { call(raw::__NR_capset, [header.as_ptr() as usize, data.as_ptr() as usize]) }?;
    end_with(parent);
    Ok(())
}
