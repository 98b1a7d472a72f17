//! The rights of the thread whose call is looked at. A broker of root's would see files that a program which
//! has given rights up does not, so that it gives up the same ones first.

use alloc::vec::Vec;

use super::scratch::Scratch;
use crate::proc;
use crate::sys::{self, Errno};

/// More than `/proc/NUMBER/status` has, up to what is read of it, with the most groups that are usual.
const STATUS: usize = 16 * 1024;

/// The ID that the kernel reports for a user who has none in this namespace (`user_namespaces(7)`).
const NOBODY: u32 = 65534;

/// What counts when a file is opened (credentials(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    user: u32,
    group: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

impl Rights {
    /// From the text of a `status` (`proc_pid_status(5)`): the last number of a line of four is the file
    /// system's.
    fn parse(status: &[u8]) -> Option<Self> {
        let line = |name: &[u8]| proc::line(status, name);
        let numbers = |text: &[u8]| -> Vec<u32> {
            let words = text.split(|byte| matches!(byte, b' ' | b'\t'));
            words.filter_map(|word| u32::try_from(proc::number(word)?).ok()).collect()
        };
        let capabilities = core::str::from_utf8(line(b"CapEff:")?).ok()?;
        Some(Self {
            user: numbers(line(b"Uid:")?).last().copied()?,
            group: numbers(line(b"Gid:")?).last().copied()?,
            groups: numbers(line(b"Groups:")?),
            capabilities: u64::from_str_radix(capabilities, 16).ok()?,
        })
    }

    /// Those of nobody.
    fn none() -> Self {
        Self { user: NOBODY, group: NOBODY, groups: Vec::new(), capabilities: 0 }
    }

    fn of(process: &[u8]) -> Option<Self> {
        let mut path = Scratch::default();
        path.join(&[process, b"/status"]);
        Self::parse(proc::read(path.c_str(), &mut alloc::vec![0; STATUS])?)
    }
}

/// This process's rights, where others below it may have fewer. A process without capabilities sees what
/// every process of its user sees, and has nothing to give up.
pub struct Own(Option<Rights>);

impl Own {
    /// Those of now.
    pub fn of_now() -> Self {
        Self(Rights::of(b"/proc/self").filter(|rights| rights.capabilities != 0))
    }

    /// Lets this process see files with other rights, for ever.
    pub fn give_up_for(&self, rights: &Rights) -> Result<(), Errno> {
        let ours = self.0.as_ref().ok_or(Errno::EPERM)?;
        sys::give_up(
            (rights.user != ours.user).then_some(rights.user),
            (rights.group != ours.group).then_some(rights.group),
            (rights.groups != ours.groups).then_some(&rights.groups),
            rights.capabilities,
        )
    }

    /// The rights of the process below `process`, `/proc/NUMBER`, where they are others.
    pub fn others(&self, process: &[u8]) -> Option<Rights> {
        let ours = self.0.as_ref()?;
        let mut theirs = Rights::of(process).unwrap_or_else(Rights::none);
        if !same_namespace(process) {
            // What they may there counts for little here.
            theirs.capabilities = 0;
        }
        theirs.capabilities &= ours.capabilities;
        (theirs != *ours).then_some(theirs)
    }
}

fn same_namespace(process: &[u8]) -> bool {
    let mut path = Scratch::default();
    let mut read = |process: &[u8]| -> Result<([u8; 64], usize), Errno> {
        path.join(&[process, b"/ns/user"]);
        let mut buffer = [0; 64];
        let length = sys::readlink_into(path.c_str(), &mut buffer)?;
        Ok((buffer, length))
    };
    // A kernel without user namespaces has no such files.
    match (read(b"/proc/self"), read(process)) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_what_the_status_says_of_files() {
        let status =
            b"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \nCapEff:\t00000000a80425fb\n";
        let wanted = Rights { user: 4, group: 8, groups: vec![10, 20], capabilities: 0xa804_25fb };
        assert_eq!(Rights::parse(status), Some(wanted));
        assert_eq!(Rights::parse(b"Name:\tx\n"), None);
    }
}
