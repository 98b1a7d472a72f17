//! What of the host a system sees: which directories and files are bound into its root, in which order.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Root, cut};

use crate::attempt::Run;
use crate::bytes::{c_string, name};
use crate::error::Error;
use crate::log::Log;
use crate::sys::{self, At, Errno, Fd, Follow, OFlags};

/// Something of the host's at a path of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its absolute path on the host.
    pub source: &'static CStr,
    /// Where it is seen: an absolute path in the root.
    pub target: &'static CStr,
    /// Nothing is written through it.
    pub read_only: bool,
    /// When it is left out.
    pub wanted: Wanted,
}

/// When something of the host's is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Never: the user has asked for it, and without it nothing starts.
    Asked,
    /// Where it cannot be bound.
    Found,
    /// Also where a bind of before shows it already, or where the system, with all that was changed in it,
    /// has something of its own.
    Empty,
}

impl Bind {
    fn own(path: &[u8], read_only: bool, wanted: Wanted) -> Self {
        let path = c_string(&[path]);
        Self { source: path, target: path, read_only, wanted }
    }
}

/// What the kernel shows of itself: every system has it.
const KERNEL: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];
/// How other machines are found.
const NAMES: [&[u8]; 2] = [b"/etc/resolv.conf", b"/etc/hosts"];

/// A root over which something of the host's is laid.
pub trait Shows {
    /// Whether there is anything at this path but directories: those may have been made for binds.
    fn has_files(&self, path: &CStr) -> bool;

    /// Shows it there.
    fn show(&mut self, bind: &Bind) -> Result<(), Errno>;
}

/// Shows in a root what a system sees of the host. What the user has not asked for, and is not there or
/// cannot be bound, is left out, and a log says so.
pub fn show(root: &mut dyn Shows, binds: &[Bind], log: Log) -> Result<(), Error> {
    // Before anything is bound, which a later one would meet below.
    let own: Vec<bool> =
        binds.iter().map(|each| each.wanted == Wanted::Empty && root.has_files(each.target)).collect();
    let mut bound: Vec<&[u8]> = Vec::with_capacity(binds.len());
    for (each, own) in binds.iter().zip(own) {
        let target = each.target.to_bytes();
        if each.wanted == Wanted::Empty {
            if bound.iter().any(|directory| is_within(target, directory)) {
                continue;
            }
            if own {
                log.step("system: {} is its own", &[target]);
                continue;
            }
        }
        match root.show(each) {
            Ok(()) => {
                log.step("system: {} is the host's {}", &[target, each.source.to_bytes()]);
                bound.push(target);
            }
            Err(errno) if each.wanted == Wanted::Asked => {
                return Err(Error::no_bind(
                    name(each.source.to_bytes()),
                    name(each.target.to_bytes()),
                    errno,
                ));
            }
            Err(errno) => {
                log.step("system: {} is not the host's: {}", &[target, errno.text()]);
            }
        }
    }
    Ok(())
}

/// All that is bound, the user's own last. `tree` is the unpacked root, where that stays as it was packed;
/// `directory` the caller's working directory.
pub fn all(
    run: &Run<'_>,
    root: Root,
    tree: Option<&Fd>,
    directory: Option<&[u8]>,
) -> Result<Vec<Bind>, Error> {
    let mut binds: Vec<Bind> = KERNEL.iter().map(|path| Bind::own(path, false, Wanted::Found)).collect();
    if root == Root::System {
        binds.push(Bind::own(b"/tmp", false, Wanted::Found));
        let home = run.start.process.var(b"HOME").map(CStr::to_bytes).filter(|home| is_ours(home));
        let is_own = |path: &&[u8]| tree.is_some_and(|tree| has_own(tree, path));
        let homes = [home, directory].into_iter().flatten().filter(|path| !is_own(path));
        binds.extend(homes.map(|path| Bind::own(path, false, Wanted::Empty)));
    }
    binds.extend(NAMES.iter().map(|path| Bind::own(path, true, Wanted::Found)));
    if let Some(list) = run.controls.bind {
        let refused = || {
            let takes =
                "it takes HOST-PATH:PATH or HOST-PATH:PATH:ro, absolute paths, with `,` between several";
            Error::bad_control(b"BIND", list.to_bytes(), takes)
        };
        binds.extend(parse(list.to_bytes()).ok_or_else(refused)?);
    }
    Ok(binds)
}

/// `SOURCE:TARGET[:ro|:rw],...`; `None` for anything else.
pub fn parse(list: &[u8]) -> Option<Vec<Bind>> {
    list.split(|byte| *byte == b',').map(parse_one).collect()
}

fn parse_one(text: &[u8]) -> Option<Bind> {
    let (source, rest) = cut(text, b':');
    let (target, mode) = cut(rest?, b':');
    let read_only = match mode {
        None | Some(b"rw") => false,
        Some(b"ro") => true,
        Some(_) => return None,
    };
    let is_absolute = |path: &[u8]| path.first() == Some(&b'/');
    // A link that leads to the root is refused where it is bound.
    let valid = is_absolute(source) && is_absolute(target) && !is_root(target);
    let wanted = Wanted::Asked;
    valid.then(|| Bind { source: c_string(&[source]), target: c_string(&[target]), read_only, wanted })
}

/// Whether an absolute path is the root by its text.
fn is_root(path: &[u8]) -> bool {
    let mut depth = 0usize;
    for level in path.split(|byte| *byte == b'/') {
        match level {
            b"" | b"." => {}
            b".." => depth = depth.saturating_sub(1),
            _ => depth = depth.saturating_add(1),
        }
    }
    depth == 0
}

/// Whether an absolute path is `directory` or below it.
pub fn is_within(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A home that is our user's. After sudo it may still be another's.
fn is_ours(home: &[u8]) -> bool {
    let stat = sys::statat(At::CWD, c_string(&[home]), Follow::Yes);
    home.first() == Some(&b'/') && stat.is_ok_and(|stat| stat.is_dir() && stat.uid == sys::geteuid())
}

/// Whether the packed system has something of its own at this path, which the host's would hide: anything but
/// an empty directory.
fn has_own(tree: &Fd, path: &[u8]) -> bool {
    match tree.open_inside(c_string(&[path]), OFlags::READ | OFlags::DIRECTORY) {
        Ok(directory) => directory.entries().next().is_some(),
        Err(errno) => errno != Errno::ENOENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_binds_is_read_and_nothing_is_guessed() {
        let bind = |source, target, read_only| Bind { source, target, read_only, wanted: Wanted::Asked };
        assert_eq!(
            parse(b"/data:/data,/x:/y/z:ro,/:/host:rw"),
            Some(vec![
                bind(c"/data", c"/data", false),
                bind(c"/x", c"/y/z", true),
                bind(c"/", c"/host", false)
            ])
        );
        let no_lists = ["", "/data", "data:/data", "/data:data", "/a:/b:rx", "/a:/b,", "/a:/b:ro:ro"];
        let roots = ["/a:/", "/a://", "/a:/.", "/a:/./", "/a:/..", "/a:/x/..", "/a:/x/./../..", "/a:/../:ro"];
        for bad in no_lists.into_iter().chain(roots) {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert!(parse(b"/a:/x/../y").is_some() && parse(b"/a:/.x").is_some() && parse(b"/a:/...").is_some());
    }

    #[test]
    fn what_lies_below_a_bind_is_seen_already() {
        assert!(is_within(b"/home/a/b", b"/home/a") && is_within(b"/tmp", b"/tmp"));
        assert!(!is_within(b"/home/ab", b"/home/a") && !is_within(b"/home", b"/home/a"));
    }
}
