//! Which way of attending to children works, found by trying at each start: a better way may fail for what
//! this start alone has, a tracer (`strace`, another bundle) or a cache that is being cleaned, and trying
//! takes less than a millisecond. A way that fails leaves no trace.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, Attends, Rule, has};

use super::emulators::Emulator;
use super::exec::Attendant;
use super::variables::Variables;
use super::{binfmt, broker};
use crate::attempt::Run;
use crate::bytes::{c_string, fill, join, list};
use crate::cache::Cache;
use crate::controls::Children;
use crate::error::Error;
use crate::launch::{Attended, Launch, Places, Translation, option_words};
use crate::left_over;
use crate::route::{HOST, base_name};
use crate::sys::{self, At, OFlags};
use crate::tracer::{is_proot, tracer};

/// A symbolic link in the cache's directory: in which boot it was said that none works.
const SAID: &[u8] = b"/unattended";

/// The directories of a tree that hold programs.
const PROGRAMS: [&[u8]; 5] = [b"/usr/local/bin", b"/usr/bin", b"/bin", b"/usr/sbin", b"/sbin"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Broker,
    Binfmt,
    Emulator,
}

impl Way {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Broker => b"a broker",
            Self::Binfmt => b"a private binfmt_misc",
            Self::Emulator => b"the emulator",
        }
    }
}

/// Attends to the programs that the app will start, unless `UNIBIN_CHILDREN` or this machine forbids it. The
/// app runs in any case. `union`: mounts lay its tree over the root.
pub fn attend<'a>(
    run: &Run<'a>,
    cache: &Cache,
    translation: Translation<'a>,
    places: &Places<'a>,
    union: bool,
) -> Attended {
    // A system's variables are all of this run.
    let keeps = union && run.controls.keep.is_some();
    let mut attended = Attended { keeps, ..Attended::default() };
    let native = matches!(translation, Translation::Native);
    if native && union {
        attended.programs = programs(run, places.tree.to_bytes(), true);
    }
    // It may have the broker for its view alone, or to be unpacked.
    let always = || run.manifest.broker(HOST).is_some_and(|broker| broker.attends == Attends::Always);
    if !run.is_attended() || native && !always() {
        return attended;
    }
    let ways: &[Way] = match run.controls.children {
        Children::None => {
            run.log.step("children: none, as UNIBIN_CHILDREN says", &[]);
            return attended;
        }
        Children::Broker => &[Way::Broker],
        Children::Binfmt => &[Way::Binfmt],
        Children::Emulator => &[Way::Emulator],
        // Process 1 would have the broker as its child.
        Children::Auto if sys::getpid() == 1 => &[Way::Binfmt, Way::Broker, Way::Emulator],
        Children::Auto => &[Way::Broker, Way::Binfmt, Way::Emulator],
    };
    let view = union || translation.has_view(run.manifest);
    if !native {
        attended.programs = programs(run, places.tree.to_bytes(), view);
    }
    let root = Places::over_the_root(run);
    let places = if union && !native { &root } else { places };
    let mut why: &[u8] = b"";
    for way in ways {
        let tried = match way {
            Way::Broker => by_broker(run, cache, translation, places, &attended),
            Way::Binfmt => by_binfmt(run, cache, translation, places),
            Way::Emulator => by_emulator(run, translation),
        };
        match tried {
            Ok(variables) => {
                run.log.step("children: attended to by {}", &[way.name()]);
                // An emulator that can does it itself, since it knows where its program's paths lead. The
                // others are for programs of the host in between.
                attended.by_emulator = by_emulator(run, translation).is_ok();
                attended.variables = variables;
                if way == &Way::Emulator && !view {
                    // What the app starts by name is the tree's all the same; a program of the host that it
                    // starts must not find the tree's.
                    attended.programs = b"";
                }
                return attended;
            }
            Err(error) => {
                run.log.step("children: not by {}: {}", &[way.name(), error.text()]);
                why = fill("{}\n  by {}: {}", &[why, way.name(), error.text()]);
            }
        }
    }
    run.log.step(
        "children: none: unless others attend to it, a program that the app starts gets `Exec format error`",
        &[],
    );
    // A bundle that brings other programs may well start them. It warns once per boot; where that cannot be
    // remembered, never.
    let may_matter = !attended.programs.is_empty() && run.controls.children == Children::Auto;
    if may_matter && !attended_already() && !has_said(cache) && say(cache) {
        let _ = sys::stderr(Error::no_children(run.route.variant().target.name().as_bytes(), why).lines());
    }
    Attended { keeps, ..Attended::default() }
}

fn by_broker<'a>(
    run: &Run<'a>,
    cache: &Cache,
    translation: Translation<'a>,
    places: &Places<'a>,
    attended: &Attended,
) -> Result<Vec<&'static CStr>, Error> {
    let emulators = Emulator::all(run, cache, translation)?;
    let environment_by = |emulator: &Emulator<'_>| {
        Launch::build(run, emulator.translation(), places, attended).environment_strings()
    };
    let environments: Vec<_> = emulators.iter().map(environment_by).collect();
    let variables = Variables::compare(run.start.process.env(), &environments, attended.programs);
    // Natively nothing lies over the host's files, and by mounts nothing is left to do.
    let overlay = if matches!(translation, Translation::Native) { b"" } else { places.tree.to_bytes() };
    let tree = places.tree_of_translators();
    broker::start(Attendant::new(emulators, tree, overlay, options(run), variables))?;
    Ok(Vec::new())
}

fn by_binfmt<'a>(
    run: &Run<'a>,
    cache: &Cache,
    translation: Translation<'a>,
    places: &Places<'a>,
) -> Result<Vec<&'static CStr>, Error> {
    // It executes programs in its own way, and the kernel never sees those of other CPUs.
    if is_proot() {
        return Err(Error::of_candidate("proot starts programs without it", &[]));
    }
    let emulators = Emulator::all(run, cache, translation)?;
    let handlers: Vec<(Arch, &CStr)> =
        emulators.iter().map(|emulator| (emulator.target, emulator.path)).collect();
    binfmt::enter(&handlers, run.log)?;
    // All emulators get the same variables: what one of them would not be called with, none is.
    let tree = places.tree_of_translators();
    let mut all = emulators.iter().map(|emulator| binfmt::variables(emulator.rules.iter().copied(), tree));
    let mut variables = all.next().unwrap_or_default();
    for others in all {
        variables.retain(|variable| others.contains(variable));
    }
    Ok(variables)
}

fn by_emulator(run: &Run<'_>, translation: Translation<'_>) -> Result<Vec<&'static CStr>, Error> {
    let Translation::By(translator) = translation else {
        return Err(Error::of_candidate("no emulator of the bundle runs it", &[]));
    };
    let mut rules = run.manifest.rules(translator.rules);
    if rules.any(|rule| matches!(rule, Rule::Children(_))) {
        return Ok(Vec::new());
    }
    Err(Error::of_candidate("{} cannot do it", &[translator.name]))
}

/// The tree's directories that hold more programs than the one that is being started, so that what is started
/// by its name alone is the tree's before it is the host's: also where the host's is in a directory that
/// comes earlier in the caller's `PATH`. No symbolic links: what they lead to is among them, or not the
/// tree's.
/// `view`: the app sees them in their places.
fn programs(run: &Run<'_>, tree: &[u8], view: bool) -> &'static [u8] {
    // In `PATH` no colon can be part of a directory's name.
    if has(tree, b':') && !view {
        return b"";
    }
    let started = base_name(run.entry.path);
    let more = |directory: &&&[u8]| {
        let path = c_string(&[tree, directory]);
        let opened = sys::openat(At::CWD, path, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0);
        opened.is_ok_and(|directory| {
            directory.entries().any(|name| name.is_ok_and(|name| name.name.to_bytes() != started))
        })
    };
    let before: &[u8] = if view { b"" } else { tree };
    list(PROGRAMS.iter().filter(more).map(|directory| join(&[before, directory])), b":")
}

/// The user's options for every emulator; a debugger's port is for the first one alone.
fn options<'a>(run: &Run<'a>) -> Vec<&'a [u8]> {
    let mut words = option_words(run.controls);
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == b"-g" {
            let _ = words.next();
        } else {
            kept.push(word);
        }
    }
    kept
}

fn boot() -> &'static [u8] {
    left_over::boot_id().unwrap_or(b"unknown")
}

/// Whether it was said since this boot.
fn has_said(cache: &Cache) -> bool {
    let target = sys::readlinkat(At::CWD, c_string(&[cache.path(), SAID]));
    target.is_ok_and(|target| target.to_bytes() == boot())
}

/// Whether it can be recorded that it is said: in a cache that can only be read it cannot.
fn say(cache: &Cache) -> bool {
    let path = c_string(&[cache.path(), SAID]);
    let _ = sys::unlinkat(At::CWD, path);
    sys::symlinkat(c_string(&[boot()]), At::CWD, path).is_ok()
}

/// Whether this is below an app of another bundle, whose broker goes on attending.
fn attended_already() -> bool {
    tracer().is_some_and(|name| name.starts_with(broker::NAME.to_bytes()))
}
