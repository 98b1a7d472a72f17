//! The union by mounts: the tree laid over the host's root for what no emulator of ours runs (FORMAT.md,
//! section 5.6.2). A copy of this process makes it in namespaces of its own, without a file on any disk, and
//! this process enters those when all of it is there. So it stays who it is, and nothing has to be cleaned.
//! Which side's file is seen where is the packer's decision: there is no list of paths here.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::Rule;

use crate::absolute::of_descriptor;
use crate::attempt::Run;
use crate::bytes::{c_string, join, zeroed};
use crate::controls::View;
use crate::error::Error;
use crate::launch::Translation;
use crate::private;
use crate::route::HOST;
use crate::sys::{self, At, Buffers, Errno, Fd, OFlags};
use crate::system::bind::is_within;
use crate::system::{mounts, namespace, place};

/// What begins like this at the top of a tree is ours.
const OURS: &[u8] = b".unibin-";

/// Which step failed: to have namespaces at all, or what is done in them.
const NAMESPACES: u8 = 1;
const MOUNTS: u8 = 2;

/// What is seen at a path of the tree.
struct Seen<'a> {
    path: &'a [u8],
    what: &'a [u8],
}

/// Enters mounts of this process's own, in which the tree at `tree` lies over the root, where the app is to
/// have that. Whether it has; where it is refused, the app runs without, and that is said, unless nobody has
/// asked for it.
pub fn enter(run: &Run<'_>, tree: &CStr, translation: Translation<'_>) -> Result<bool, Error> {
    let wanted = run.controls.view;
    let mut seen = Vec::new();
    let mut which: &[u8] = b"";
    for rule in run.manifest.rules(run.route.variant().rules) {
        match rule {
            Rule::Seen { path, what } => seen.push(Seen { path, what }),
            Rule::View(value) => which = value,
            _ => {}
        }
    }
    let is_root = which == b"root";
    let is_unasked = which.is_empty();
    let counts = match translation {
        Translation::Native => !is_unasked,
        Translation::By(_) | Translation::UsersEmulator => {
            let by_itself = translation.has_view(run.manifest);
            // In the tree are libraries of the host's own CPU, which programs of the host would find.
            let is_foreign = run.route.variant().target != HOST;
            !is_root && !by_itself && (!is_unasked || is_foreign)
        }
    };
    if seen.is_empty() || !counts || wanted == View::Host {
        return Ok(false);
    }
    if is_unasked && wanted == View::Packed && sys::geteuid() == 0 {
        run.log.step("view: root may write to directories that mounts would close: not by mounts", &[]);
        return Ok(false);
    }
    let entered = sys::getcwd().map_err(|errno| (MOUNTS, errno)).and_then(|directory| {
        let prepare = || {
            private::own_mounts().map_err(|errno| (NAMESPACES, errno))?;
            lay(tree, &seen, is_root).and_then(|()| sys::chdir(directory)).map_err(|errno| (MOUNTS, errno))
        };
        sys::enter_those_of(&prepare, directory)
    });
    let Err((step, errno)) = entered else {
        run.log.step("view: the tree is laid over the root", &[]);
        return Ok(true);
    };
    let refused = Error::no_view(step == NAMESPACES, errno, wanted == View::Union);
    if wanted == View::Union {
        return Err(refused);
    }
    if is_unasked {
        run.log.step("view: not by mounts: {}", &[errno.text()]);
        return Ok(false);
    }
    // If standard error is closed, it runs all the same.
    let _ = sys::stderr(refused.lines());
    Ok(false)
}

/// Lays the tree over the root of this process's own mounts, which leave the old root.
fn lay(path: &CStr, seen: &[Seen<'_>], is_root: bool) -> Result<(), Errno> {
    let [tree, host, own] = [open(At::CWD, path)?, open(At::CWD, c"/")?, open(At::CWD, c"/proc/self")?];
    let room = zeroed(namespace::PIECE);
    let mounts = namespace::mounts_of(&own, room).ok_or(Errno::EIO)?;
    // The new root needs a place where it hides nothing for long; what is open already is below it.
    sys::mount(c"tmpfs", c"unibin", of_descriptor(tree.raw()), c"mode=755")?;
    let root = open(At::CWD, path)?;
    // Copies of the host's mounts are made without it.
    root.change_mount(false, sys::Copied::Never)?;
    let mut view = Laid { seen, is_root, mounts, overlays: Vec::new() };
    view.merge(b"", &tree, &host, &root)?;
    view.within_overlays(&tree, &host, &root)?;
    root.change_mount(true, sys::Copied::Always)?;
    root.become_root()
}

fn open(at: At<'_>, path: &CStr) -> Result<Fd, Errno> {
    sys::openat(at, path, OFlags::PATH | OFlags::DIRECTORY, 0)
}

/// What there is of a name; `None` where there is nothing.
fn find(at: &Fd, path: &CStr, flags: OFlags) -> Result<Option<Fd>, Errno> {
    match sys::openat(at.at(), path, OFlags::PATH | flags, 0) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// A view in the making.
struct Laid<'u> {
    seen: &'u [Seen<'u>],
    is_root: bool,
    /// The host's mounts (`proc_pid_mountinfo(5)`).
    mounts: &'u [u8],
    /// The directories that are overlays.
    overlays: Vec<&'u [u8]>,
}

impl Laid<'_> {
    /// What a rule says of this very path.
    fn of(&self, path: &[u8]) -> &[u8] {
        self.seen.iter().find(|seen| seen.path == path).map_or(&b""[..], |seen| seen.what)
    }

    /// Whether an overlay shows this directory, and then whether the host's files are on top.
    fn order(&self, path: &[u8]) -> Option<bool> {
        let above = |seen: &&Seen<'_>| matches!(seen.what, b"over" | b"under") && is_within(path, seen.path);
        // In ascending order, so that the last one is the nearest.
        self.seen.iter().rev().find(above).map(|seen| seen.what == b"under")
    }

    /// Lays a directory of the tree over the host's, at `to`. An overlay does not show what the host has
    /// mounted below, and the kernel refuses it to whoever did not mount that: such a directory is made anew,
    /// name by name, as all are that no rule makes an overlay.
    fn merge(&mut self, path: &'static [u8], tree: &Fd, host: &Fd, to: &Fd) -> Result<(), Errno> {
        let order = self.order(path);
        if let Some(under) = order
            && !self.has_mounts(host)
        {
            self.overlays.push(path);
            return overlay(under, tree, host, to);
        }
        let under = order == Some(true);
        let mut made = Ok(());
        for (directory, is_hosts) in [(host, true), (tree, false)] {
            Buffers::default().each_name(&directory.reopened()?, &mut |_, name, _| {
                made = match find(host, name, OFlags::NO_FOLLOW) {
                    Ok(Some(_)) if !is_hosts => Ok(()),
                    Ok(_) => self.put(path, c_string(&[name.to_bytes()]), under, [tree, host, to]),
                    Err(errno) => Err(errno),
                };
                made.is_err()
            })?;
            made?;
        }
        Ok(())
    }

    /// Makes one name of such a directory.
    fn put(
        &mut self,
        directory: &[u8],
        name: &'static CStr,
        under: bool,
        [tree, host, to]: [&Fd; 3],
    ) -> Result<(), Errno> {
        let path = match directory {
            b"" => name.to_bytes(),
            _ => join(&[directory, b"/", name.to_bytes()]),
        };
        let mut ours = find(tree, name, OFlags::NO_FOLLOW)?;
        let mut hosts = find(host, name, OFlags::NO_FOLLOW)?;
        match self.of(path) {
            b"tree" if ours.is_some() => hosts = None,
            b"host" if hosts.is_some() => ours = None,
            b"whole" => {
                let place = place::make(to, name.to_bytes(), true)?;
                return mounts::attach(of_descriptor(tree.raw()), true, &place);
            }
            b"" if path.starts_with(OURS) => ours = None,
            _ => {}
        }
        let counts = |seen: &Seen<'_>| seen.what == b"host" && is_within(seen.path, path);
        if self.is_root && !self.seen.iter().any(counts) {
            hosts = None;
        }
        if let (Some(ours), Some(hosts)) = (&ours, &hosts) {
            let links = ours.stat()?.is_symlink() && hosts.stat()?.is_symlink();
            if let (false, Ok(tree), Ok(host)) = (links, open(tree.at(), name), open(host.at(), name)) {
                let place = place::make(to, name.to_bytes(), true)?;
                return self.merge(path, &tree, &host, &place);
            }
        }
        let (at, from) = match (ours, hosts) {
            (Some(ours), None) => (tree, ours),
            (Some(ours), Some(_)) if !under => (tree, ours),
            (_, Some(hosts)) => (host, hosts),
            (None, None) => return Ok(()),
        };
        let stat = from.stat()?;
        if stat.is_symlink() {
            return sys::symlinkat(sys::readlinkat(at.at(), name)?, to.at(), name);
        }
        let place = place::make(to, name.to_bytes(), stat.is_dir())?;
        mounts::attach(of_descriptor(from.raw()), core::ptr::eq(at, tree), &place)
    }

    /// What is seen otherwise below an overlay.
    fn within_overlays(&self, tree: &Fd, host: &Fd, root: &Fd) -> Result<(), Errno> {
        for Seen { path, what } in self.seen {
            let is_within = |overlay: &&[u8]| overlay != path && is_within(path, overlay);
            let inside = c_string(&[path]);
            let hosts = find(host, inside, if *what == b"host" { OFlags::READ } else { OFlags::DIRECTORY })?;
            let Some(hosts) = hosts.filter(|_| self.overlays.iter().any(is_within)) else { continue };
            let place = root.open_inside(inside, OFlags::PATH | OFlags::NO_FOLLOW)?;
            match *what {
                b"host" => mounts::attach(of_descriptor(hosts.raw()), false, &place)?,
                b"tree" => mounts::attach(of_descriptor(open(tree.at(), inside)?.raw()), true, &place)?,
                b"under" => overlay(true, &open(tree.at(), inside)?, &hosts, &place)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the host has mounted anything below a directory.
    fn has_mounts(&self, directory: &Fd) -> bool {
        let path = sys::readlinkat(At::CWD, of_descriptor(directory.raw())).map_or(&b""[..], CStr::to_bytes);
        let mut places = self
            .mounts
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
        places.any(|place| place != path && is_within(place, path))
    }
}

/// An overlay at `to` that nobody writes to, of the tree's directory and the host's; `under`: the host's
/// files are on top. By descriptors, since whatever characters a path has would mean something in options.
fn overlay(under: bool, tree: &Fd, host: &Fd, to: &Fd) -> Result<(), Errno> {
    let (upper, lower) = if under { (host, tree) } else { (tree, host) };
    let [upper, lower] = [upper, lower].map(|directory| of_descriptor(directory.raw()).to_bytes());
    let options = c_string(&[b"lowerdir=", upper, b":", lower]);
    sys::mount(c"overlay", c"unibin", of_descriptor(to.raw()), options)
}
