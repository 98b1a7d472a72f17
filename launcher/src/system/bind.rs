//! What of the host a system sees: which directories and files are bound into its root, in which order.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Root, cut};

use crate::attempt::Run;
use crate::bytes::c_string;
use crate::error::Error;
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
    /// The user has asked for it: without it nothing starts.
    pub asked: bool,
}

impl Bind {
    fn own(path: &[u8], read_only: bool) -> Self {
        let path = c_string(&[path]);
        Self { source: path, target: path, read_only, asked: false }
    }
}

/// What the kernel shows of itself: every system has it.
const KERNEL: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];
/// How other machines are found.
const NAMES: [&[u8]; 2] = [b"/etc/resolv.conf", b"/etc/hosts"];

/// All that is bound, the user's own last. `tree` is the unpacked root, `directory` the caller's working
/// directory.
pub fn all(run: &Run<'_>, root: Root, tree: &Fd, directory: Option<&[u8]>) -> Result<Vec<Bind>, Error> {
    let mut binds: Vec<Bind> = KERNEL.iter().map(|path| Bind::own(path, false)).collect();
    if root == Root::System {
        binds.push(Bind::own(b"/tmp", false));
        let home = run.start.process.var(b"HOME").map(CStr::to_bytes).filter(|home| is_ours(home));
        for path in [home, directory].into_iter().flatten() {
            let seen = binds.iter().any(|bind| is_within(path, bind.target.to_bytes()));
            if !seen && !has_own(tree, path) {
                binds.push(Bind::own(path, false));
            }
        }
    }
    binds.extend(NAMES.iter().map(|path| Bind::own(path, true)));
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
    let valid = is_absolute(source) && is_absolute(target) && target.iter().any(|byte| *byte != b'/');
    valid.then(|| Bind { source: c_string(&[source]), target: c_string(&[target]), read_only, asked: true })
}

/// Whether an absolute path is `directory` or below it.
fn is_within(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A home that is our user's. After sudo it may still be another's.
fn is_ours(home: &[u8]) -> bool {
    let stat = sys::statat(At::CWD, c_string(&[home]), Follow::Yes);
    home.first() == Some(&b'/') && stat.is_ok_and(|stat| stat.is_dir() && stat.uid == sys::geteuid())
}

/// Whether the system has something of its own at this path, which the host's would hide: anything but an
/// empty directory.
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
        let bind = |source, target, read_only| Bind { source, target, read_only, asked: true };
        assert_eq!(
            parse(b"/data:/data,/x:/y/z:ro,/:/host:rw"),
            Some(vec![
                bind(c"/data", c"/data", false),
                bind(c"/x", c"/y/z", true),
                bind(c"/", c"/host", false)
            ])
        );
        for bad in
            ["", "/data", "data:/data", "/data:data", "/a:/b:rx", "/a:/b,", "/a:/", "/a://", "/a:/b:ro:ro"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_lies_below_a_bind_is_seen_already() {
        assert!(is_within(b"/home/a/b", b"/home/a") && is_within(b"/tmp", b"/tmp"));
        assert!(!is_within(b"/home/ab", b"/home/a") && !is_within(b"/home", b"/home/a"));
    }
}
