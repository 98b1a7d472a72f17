//! The closure: the objects that the loader would load for a program, in its breadth-first order, and all
//! that are missing.

use std::collections::{HashMap, VecDeque};

use bundle::{directory_of, file_name_of, join, plain};

use crate::conf;
use crate::elf::{self, NotAnObject, Object};
use crate::loader::{Libc, Loader};
use crate::note::Priority;
use crate::search::{Loaded, Rule, Search};
use crate::tree::{Fault, Resolved, Tree};

/// The directory beside libraries with builds of them for newer CPUs (ld.so(8), "Hardware capabilities").
const HWCAPS: &[u8] = b"glibc-hwcaps";

/// Names that mean musl's loader itself (`reserved` of `ldso/dynlink.c`).
const MUSL_OWN: [&[u8]; 7] = [b"c", b"pthread", b"rt", b"m", b"dl", b"util", b"xnet"];

/// What to find the closure of.
#[derive(Clone, Debug, Default)]
pub struct Demand<'a> {
    /// The program's path in the tree.
    pub program: &'a [u8],
    /// Loaded before what the program needs: names or paths (`LD_PRELOAD`).
    pub preload: &'a [Vec<u8>],
    /// Directories to search, as if in `LD_LIBRARY_PATH`.
    pub library_path: &'a [Vec<u8>],
    /// The layers in which `library_path` is searched; all of them if this is empty.
    pub library_layers: &'a [usize],
    /// Objects that the program loads at run time: paths in the tree.
    pub plugins: &'a [Vec<u8>],
    /// The loader to assume if the tree has none.
    pub loader: Option<&'a Loader>,
}

/// One file that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The name that was asked for.
    pub name: Vec<u8>,
    /// The path by which the loader finds it: the directory that was searched, and the name.
    pub path: Vec<u8>,
    /// The file that it leads to.
    pub resolved: Resolved,
    /// The rule that finds it.
    pub rule: Rule,
    /// The object that needs it first; a path like [`Self::path`].
    pub by: Vec<u8>,
    /// Its ELF headers.
    pub object: Object,
}

/// A path that was searched without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The directory, or the whole path for names with a slash.
    pub path: Vec<u8>,
    /// The rule by which it was searched.
    pub rule: Rule,
    /// The file of that name, if there is one and it is unusable.
    pub found: Option<Unusable>,
}

/// Why a file of the right name is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Built for another CPU.
    OtherCpu(Option<bundle::Arch>),
    /// Not an ELF object.
    NotAnObject,
}

/// A library that the loader would not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name that was asked for.
    pub name: Vec<u8>,
    /// The objects that need it, in the order of loading.
    pub by: Vec<Vec<u8>>,
    /// Where it was searched for, for the first of them.
    pub searched: Vec<Searched>,
}

/// Everything that a program needs.
#[derive(Clone, Debug)]
pub struct Closure {
    /// What the loader has built in.
    pub loader: Loader,
    /// The program as the loader sees it.
    pub program: Object,
    /// The loader first, then in the order of loading.
    pub libraries: Vec<Library>,
    /// Everything that was not found.
    pub missing: Vec<Missing>,
    /// Names in `.note.dlopen` that were not found, with the features that are unavailable without them.
    pub absent: Vec<(String, String)>,
}

/// Finds what `demand` needs. `None` if the program is not an ELF object.
pub fn closure(tree: &Tree<'_>, demand: &Demand<'_>) -> Result<Option<Closure>, Fault> {
    let Some(resolved) = tree.resolve_file(demand.program)? else { return Ok(None) };
    let Ok(program) = elf::read(&mut *tree.open(&resolved)?) else { return Ok(None) };
    let mut missing = Vec::new();
    let mut libraries = Vec::new();
    let loader = loader(tree, demand, &program, &mut libraries, &mut missing)?;
    let conf = conf::directories(tree, &loader)?;
    let search = Search { loader: &loader, library_path: demand.library_path, conf: &conf };
    let mut walk = Walk {
        tree,
        demand,
        search,
        names: HashMap::new(),
        // `$ORIGIN` of a program is its real directory, links followed: the kernel gives the loader no other.
        loaded: vec![Loaded { path: resolved.path.clone(), object: program.clone(), by: None }],
        libraries,
        missing,
        absent: Vec::new(),
    };
    walk.run()?;
    let Walk { libraries, missing, absent, .. } = walk;
    Ok(Some(Closure { loader, program, libraries, missing, absent }))
}

/// Finds and reads the program's loader.
fn loader(
    tree: &Tree<'_>,
    demand: &Demand<'_>,
    program: &Object,
    libraries: &mut Vec<Library>,
    missing: &mut Vec<Missing>,
) -> Result<Loader, Fault> {
    let given = || demand.loader.cloned().unwrap_or_else(Loader::unknown);
    let Some(interpreter) = &program.interpreter else { return Ok(given()) };
    let path = plain(interpreter);
    let found = tree.resolve_file(&path)?;
    let unusable = match &found {
        None => None,
        Some(resolved) => match elf::read(&mut *tree.open(resolved)?) {
            Ok(object) if object.arch == program.arch => {
                let loader = Loader::read(&tree.read(resolved)?, interpreter);
                libraries.push(Library {
                    name: interpreter.clone(),
                    path,
                    resolved: resolved.clone(),
                    rule: Rule::Interpreter,
                    by: demand.program.to_vec(),
                    object,
                });
                return Ok(loader);
            }
            Ok(object) => Some(Unusable::OtherCpu(Some(object.arch))),
            Err(NotAnObject::UnknownCpu) => Some(Unusable::OtherCpu(None)),
            Err(NotAnObject::Other) => Some(Unusable::NotAnObject),
        },
    };
    missing.push(Missing {
        name: interpreter.clone(),
        by: vec![demand.program.to_vec()],
        searched: vec![Searched { path, rule: Rule::Interpreter, found: unusable }],
    });
    Ok(given())
}

struct Walk<'a> {
    tree: &'a Tree<'a>,
    demand: &'a Demand<'a>,
    search: Search<'a>,
    /// Names that need no further search: those of loaded objects and of missing ones.
    names: HashMap<Vec<u8>, Name>,
    loaded: Vec<Loaded>,
    libraries: Vec<Library>,
    missing: Vec<Missing>,
    absent: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
enum Name {
    Loaded,
    Missing(usize),
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let own: Vec<_> =
            self.libraries.iter().map(|loader| (loader.name.clone(), loader.object.soname.clone())).collect();
        for (interpreter, soname) in own {
            self.names.insert(file_name_of(&interpreter).to_vec(), Name::Loaded);
            self.names.extend(soname.map(|name| (name, Name::Loaded)));
        }
        for name in self.demand.preload {
            self.need(name, 0, true)?;
        }
        let mut queue: VecDeque<usize> = (0..self.loaded.len()).collect();
        // Preloaded objects come right after the program, and the program's needs before theirs.
        self.drain(&mut queue)?;
        for plugin in self.demand.plugins {
            let before = self.loaded.len();
            let arch = self.loaded.first().map(|program| program.object.arch);
            if let Some(arch) = arch.filter(|_| !self.libraries.iter().any(|library| library.path == *plugin))
            {
                let _ = self.candidate(plugin, plugin, Rule::Plugin, 0, arch)?;
            }
            queue.extend(before..self.loaded.len());
            self.drain(&mut queue)?;
        }
        Ok(())
    }

    fn drain(&mut self, queue: &mut VecDeque<usize>) -> Result<(), Fault> {
        while let Some(number) = queue.pop_front() {
            let before = self.loaded.len();
            let Some(Loaded { object, .. }) = self.loaded.get(number) else { continue };
            let (needed, notes) = (object.needed.clone(), object.dlopen.clone());
            for name in &needed {
                self.need(name, number, true)?;
            }
            for note in notes.iter().filter(|note| note.priority != Priority::Suggested) {
                let mut found = false;
                for name in &note.soname {
                    found = found || self.need(name.as_bytes(), number, false)?;
                }
                if !found {
                    self.absent.push((note.soname.join(" or "), note.feature.clone()));
                }
            }
            queue.extend(before..self.loaded.len());
        }
        Ok(())
    }

    /// Loads `name` for `loaded[by]`; returns whether it could. Records a missing library if it `must` be
    /// there.
    fn need(&mut self, name: &[u8], by: usize, must: bool) -> Result<bool, Fault> {
        match self.names.get(name) {
            Some(Name::Loaded) => return Ok(true),
            Some(Name::Missing(number)) => {
                let asking = self.loaded.get(by).map(|asking| asking.path.clone());
                if let Some(missing) = self.missing.get_mut(*number) {
                    missing.by.extend(asking.filter(|asking| !missing.by.contains(asking)));
                }
                return Ok(false);
            }
            None => {}
        }
        if self.search.loader.libc == Libc::Musl && is_musl_own(name) {
            return Ok(true);
        }
        let Some(asking) = self.loaded.get(by) else { return Ok(false) };
        let (asking_path, arch) = (asking.path.clone(), asking.object.arch);
        let mut searched = Vec::new();
        let direct = self.search.direct(asking, name);
        let candidates: Vec<(Vec<u8>, Vec<u8>, Rule)> = if let Some(paths) = direct {
            paths.into_iter().map(|path| (path.clone(), path, Rule::Path)).collect()
        } else {
            let directories = self.search.directories(&self.loaded, by).into_iter();
            directories.map(|(directory, rule)| (join(&directory, name), directory, rule)).collect()
        };
        for (path, shown, rule) in candidates {
            let path: Vec<u8> = path.strip_prefix(b"/").unwrap_or(&path).to_vec();
            let found = self.candidate(name, &path, rule, by, arch)?;
            match found {
                Ok(true) => return Ok(true),
                Ok(false) => searched.push(Searched { path: shown, rule, found: None }),
                Err(unusable) => searched.push(Searched { path: shown, rule, found: Some(unusable) }),
            }
        }
        if must {
            self.names.insert(name.to_vec(), Name::Missing(self.missing.len()));
            self.missing.push(Missing { name: name.to_vec(), by: vec![asking_path], searched });
        }
        Ok(false)
    }

    /// Loads the file at `path`, and its builds for newer CPUs.
    fn candidate(
        &mut self,
        name: &[u8],
        path: &[u8],
        rule: Rule,
        by: usize,
        arch: bundle::Arch,
    ) -> Result<Result<bool, Unusable>, Fault> {
        let mut paths = vec![(path.to_vec(), rule)];
        if self.search.loader.libc == Libc::Glibc && !matches!(rule, Rule::Path | Rule::Plugin) {
            let directory = join(directory_of(path), HWCAPS);
            let levels = self.tree.names(&directory)?;
            let form = |level: &Vec<u8>| (join(&join(&directory, level), name), Rule::Hwcaps);
            paths.extend(levels.iter().map(form));
        }
        let mut taken = Ok(false);
        for (path, rule) in paths {
            let Some(resolved) = self.tree.resolve_file(&path)? else { continue };
            let layers = self.demand.library_layers;
            if rule == Rule::LibraryPath && !layers.is_empty() && !layers.contains(&resolved.layer) {
                continue;
            }
            let object = match elf::read(&mut *self.tree.open(&resolved)?) {
                Ok(object) if object.arch == arch => object,
                other => {
                    let why = match other {
                        Ok(object) => Unusable::OtherCpu(Some(object.arch)),
                        Err(NotAnObject::UnknownCpu) => Unusable::OtherCpu(None),
                        Err(NotAnObject::Other) => Unusable::NotAnObject,
                    };
                    if taken == Ok(false) {
                        taken = Err(why);
                    }
                    continue;
                }
            };
            taken = Ok(true);
            self.take(name, path, resolved, rule, by, object);
        }
        Ok(taken)
    }

    fn take(
        &mut self,
        name: &[u8],
        path: Vec<u8>,
        resolved: Resolved,
        rule: Rule,
        by: usize,
        object: Object,
    ) {
        self.names.insert(name.to_vec(), Name::Loaded);
        self.names.extend(object.soname.clone().map(|soname| (soname, Name::Loaded)));
        if self.libraries.iter().any(|library| library.resolved.path == resolved.path && library.path == path)
        {
            return;
        }
        let asking = self.loaded.get(by).map(|asking| asking.path.clone()).unwrap_or_default();
        self.loaded.push(Loaded { path: path.clone(), object: object.clone(), by: Some(by) });
        self.libraries.push(Library { name: name.to_vec(), path, resolved, rule, by: asking, object });
    }
}

/// Whether a name means musl's loader itself: `libc.so`, `libpthread.so.0`…
fn is_musl_own(name: &[u8]) -> bool {
    let stem = name.strip_prefix(b"lib").and_then(|rest| rest.split(|byte| *byte == b'.').next());
    stem.is_some_and(|stem| MUSL_OWN.contains(&stem) && name.len() > stem.len() + 3)
}
