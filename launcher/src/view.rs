//! The union by mounts: the tree laid over the host's root for what no emulator of ours runs (FORMAT.md,
//! section 5.6.2). A copy of this process makes it in namespaces of its own, without a file on any disk, and
//! this process enters those when all of it is there. So it stays who it is, and nothing has to be cleaned.
//! Which side's file is seen where is the packer's decision: there is no list of paths here.
//!
//! What the app changes is kept where the user gives it a name (`UNIBIN_KEEP`): in uppers of their own, one
//! for each overlay, beside those of systems. A second start with that name enters the mounts of the first.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Rule, directory_of, file_name_of};

use crate::absolute::of_descriptor;
use crate::attempt::Run;
use crate::bytes::{c_string, join, list, zeroed};
use crate::cache::Cache;
use crate::controls::{Children, View};
use crate::error::Error;
use crate::launch::Translation;
use crate::private;
use crate::proc;
use crate::route::{HOST, Route};
use crate::sys::{self, At, Buffers, Errno, Fd, OFlags};
use crate::system::bind::is_within;
use crate::system::upper::{self, Kept};
use crate::system::{self, mounts, namespace, place};
use crate::tracer::tracer;
use crate::unpack::slot_of;

/// What begins like this at the top of a tree is ours.
const OURS: &[u8] = b".unibin-";

/// What is kept of a directory lies at this name in a directory of the same path: so one does not lie in the
/// other where one overlay is below another one.
const KEPT_AT: &[u8] = b"/.unibin";

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
pub fn enter(run: &Run<'_>, cache: &Cache, tree: &CStr, translation: Translation<'_>) -> Result<bool, Error> {
    // Natively without a view the variable is for what the app starts.
    if matches!(translation, Translation::Native) && !run.has_mounts() {
        return Ok(false);
    }
    let name = named(run)?;
    let entered = enter_with(run, cache, tree, translation, name)?;
    // It may be meant for what the app starts.
    if let (false, Some(name)) = (entered, name) {
        // If standard error is closed, it runs all the same.
        let _ = sys::stderr(Error::keeps_nothing(name).lines());
    }
    Ok(entered)
}

/// The name under which changes are kept.
fn named<'a>(run: &Run<'a>) -> Result<Option<&'a [u8]>, Error> {
    Ok(upper::named(run.controls)?.filter(|name| *name != upper::NONE))
}

/// Whether the app is to keep what it changes, which memory would lose.
pub fn keeps(run: &Run<'_>) -> bool {
    let has_rules = || {
        let mut rules = run.manifest.rules(run.route.variant().rules);
        rules.any(|rule| matches!(rule, Rule::Seen { .. }))
    };
    let may_have = matches!(run.route, Route::Native(_)) || run.is_attended();
    may_have && run.controls.view != View::Host && matches!(named(run), Ok(Some(_))) && has_rules()
}

/// Whether nobody may attend to what the app starts, where the kernel has no private `binfmt_misc`: a process
/// has one tracer, and Yama (admin-guide/LSM/Yama.rst of the kernel) can allow root alone to be one.
fn may_be_alone() -> bool {
    let scope = proc::read(c"/proc/sys/kernel/yama/ptrace_scope", zeroed(16)).and_then(proc::number);
    tracer().is_some() || scope.is_some_and(|scope| scope > 1)
}

fn enter_with(
    run: &Run<'_>,
    cache: &Cache,
    tree: &CStr,
    translation: Translation<'_>,
    name: Option<&[u8]>,
) -> Result<bool, Error> {
    let wanted = match run.controls.view {
        View::Mounts | View::Emulator => View::Packed,
        view => view,
    };
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
            // Such an emulator keeps nothing, and runs the app as others do where that is to be kept.
            let by_itself = translation.has_view(run.manifest) && name.is_none();
            // In the tree are libraries of the host's own CPU, which programs of the host would find.
            let is_foreign = run.route.variant().target != HOST;
            !is_root && !by_itself && (!is_unasked || is_foreign)
        }
    };
    if seen.is_empty() || !counts || wanted == View::Host {
        return Ok(false);
    }
    if is_unasked && wanted == View::Packed && name.is_none() {
        let root_writes = sys::geteuid() == 0;
        // Then the paths of the tree's programs lead to the host's.
        let is_alone = matches!(run.controls.children, Children::None | Children::Emulator);
        if root_writes || is_alone || may_be_alone() {
            run.log.step("view: not by mounts, for root or without children", &[]);
            return Ok(false);
        }
    }
    let directory = sys::getcwd();
    let mut keep = None;
    if let Some(name) = name {
        match kept(run, cache, name)? {
            (_, Kept::Running(inside, entering)) => {
                run.log.step("view: entering the mounts of the app that runs on `{}`", &[name]);
                inside.join().and_then(|_| sys::chdir(directory?)).map_err(Error::cannot_join)?;
                // Until a program is executed.
                let _ = entering.map(Fd::leak);
                return Ok(true);
            }
            (_, Kept::Whole) => return Err(Error::kept_whole(name)),
            (path, Kept::Free(upper)) => {
                run.log.step("view: changes are kept in {}", &[path]);
                keep = Some((path, upper));
            }
        }
    }
    let upper = keep.as_ref().map(|(path, upper)| (*path, upper.mark));
    let entered = directory.map_err(|errno| (MOUNTS, errno)).and_then(|directory| {
        let prepare = || {
            private::own_mounts().map_err(|errno| (NAMESPACES, errno))?;
            lay(tree, &seen, is_root, upper)
                .and_then(|()| sys::chdir(directory))
                .map_err(|errno| (MOUNTS, errno))
        };
        sys::enter_those_of(&prepare, directory)
    });
    let Err((step, errno)) = entered else {
        if let Some((_, upper)) = &keep {
            upper.hold();
        }
        run.log.step("view: the tree is laid over the root", &[]);
        return Ok(true);
    };
    let must = wanted == View::Union || name.is_some();
    let refused = Error::no_view(step == NAMESPACES, errno, must);
    if must {
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

/// What is kept under a name for this app's tree, and where.
fn kept(run: &Run<'_>, cache: &Cache, name: &[u8]) -> Result<(&'static [u8], Kept), Error> {
    let slot = join(&[&slot_of(cache, run.route.variant()).to_hex()]);
    let path = join(&[cache.path(), b"/", upper::SYSTEMS.to_bytes(), b"/", slot]);
    // The name of a tree that knows its place is another one elsewhere.
    let elsewhere = |other: &Cache| join(&[&slot_of(other, run.route.variant()).to_hex()]);
    system::look_elsewhere(run, cache, &elsewhere, name)?;
    let kept = upper::kept(&upper::of_tree(cache, slot)?, path, name)?;
    Ok((join(&[path, b"/", name]), kept))
}

/// Lays the tree over the root of this process's own mounts, which leave the old root. `upper`: the directory
/// where changes are kept, and the name of the mount by which the next start finds these.
fn lay(path: &CStr, seen: &[Seen<'_>], is_root: bool, upper: Option<(&[u8], &CStr)>) -> Result<(), Errno> {
    let [tree, host, own] = [open(At::CWD, path)?, open(At::CWD, c"/")?, open(At::CWD, c"/proc/self")?];
    let room = zeroed(namespace::PIECE);
    let mounts = namespace::mounts_of(&own, room).ok_or(Errno::EIO)?;
    let opened = |(path, _)| {
        let inside = |name: &CStr| open(At::CWD, c_string(&[path, b"/", name.to_bytes()]));
        Ok([inside(upper::UPPER)?, inside(upper::WORK)?])
    };
    let upper_directories = upper.map(opened).transpose()?;
    let mark = upper.map_or(c"unibin", |(_, mark)| mark);
    // The new root needs a place where it hides nothing for long; what is open already is below it.
    sys::mount(c"tmpfs", mark, of_descriptor(tree.raw()), c"mode=755")?;
    let root = open(At::CWD, path)?;
    // Copies of the host's mounts are made without it.
    root.change_mount(false, sys::Copied::Never)?;
    let slot = c_string(&[file_name_of(directory_of(path.to_bytes()))]);
    let mut view = Laid { seen, is_root, mounts, upper: upper_directories, slot, overlays: Vec::new() };
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
    /// Where changes are kept, and the kernel's own directory beside it.
    upper: Option<[Fd; 2]>,
    /// The name of the tree's slot: overlays are called so, which tells gc that it is in use.
    slot: &'u CStr,
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
            // Libraries that programs of the host find are no configuration.
            return if under {
                overlay(self.slot, &[host, tree], None, to)
            } else {
                self.over(path, &[tree, host], to)
            };
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
        let is_trees = core::ptr::eq(at, tree);
        if is_trees && stat.is_dir() {
            return self.trees(path, &from, &place);
        }
        mounts::attach(of_descriptor(from.raw()), is_trees, &place)
    }

    /// Shows a directory of the tree alone.
    fn trees(&self, path: &[u8], tree: &Fd, to: &Fd) -> Result<(), Errno> {
        match self.upper {
            None => mounts::attach(of_descriptor(tree.raw()), true, to),
            Some(_) => self.over(path, &[tree], to),
        }
    }

    /// An overlay with the tree on top, or with what is kept of this path.
    fn over(&self, path: &[u8], layers: &[&Fd], to: &Fd) -> Result<(), Errno> {
        let own = |directory: &Fd| place::make(directory, join(&[path, KEPT_AT]), true);
        let kept = match &self.upper {
            Some([upper, work]) => Some([own(upper)?, own(work)?]),
            None => None,
        };
        overlay(self.slot, layers, kept.as_ref(), to)
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
                b"tree" => self.trees(path, &open(tree.at(), inside)?, &place)?,
                b"under" => overlay(self.slot, &[&hosts, &open(tree.at(), inside)?], None, &place)?,
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

/// An overlay of directories at `to`, the first on top; `kept`: where changes are kept, and the kernel's own
/// directory beside it. By descriptors, since whatever characters a path has would mean something in options.
fn overlay(slot: &CStr, layers: &[&Fd], kept: Option<&[Fd; 2]>, to: &Fd) -> Result<(), Errno> {
    let path = |directory: &Fd| of_descriptor(directory.raw()).to_bytes();
    let lower = list(layers.iter().map(|directory| path(directory)), b":");
    let options = match kept {
        None => c_string(&[b"lowerdir=", lower]),
        Some([upper, work]) => c_string(&[
            b"lowerdir=",
            lower,
            b",upperdir=",
            path(upper),
            b",workdir=",
            path(work),
            b",userxattr",
        ]),
    };
    sys::mount(c"overlay", slot, of_descriptor(to.raw()), options)
}
