//! Where a loader looks for a library, in its order: ld.so(8) and `_dl_map_object` of glibc's `elf/dl-load.c`;
//! `load_library` of musl's `ldso/dynlink.c`.

use std::fmt;

use bundle::directory_of;

use crate::elf::Object;
use crate::loader::{Libc, Loader};
use crate::platform::platforms;
use crate::tokens::Tokens;

/// Why something is part of a closure: the rule by which the loader finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `PT_INTERP` of the program.
    Interpreter,
    /// The name has a slash: it is the path.
    Path,
    /// Nobody needs it by name: a plug-in.
    Plugin,
    /// `DT_RPATH` of the object that needs it, or of one that led to it.
    Rpath,
    /// A directory that was asked for: `--library-path`.
    LibraryPath,
    /// `DT_RUNPATH` of the object that needs it.
    Runpath,
    /// `/etc/ld.so.conf` and what it includes.
    Conf,
    /// musl's `/etc/ld-musl-ARCH.path`.
    PathFile,
    /// A directory that is built into the loader.
    BuiltIn,
    /// A form of a library for newer CPUs, in `glibc-hwcaps` beside it.
    Hwcaps,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interpreter => "PT_INTERP",
            Self::Path => "path",
            Self::Plugin => "plug-in",
            Self::Rpath => "RPATH",
            Self::LibraryPath => "library path",
            Self::Runpath => "RUNPATH",
            Self::Conf => "ld.so.conf",
            Self::PathFile => "ld-musl path file",
            Self::BuiltIn => "built-in directory",
            Self::Hwcaps => "glibc-hwcaps",
        })
    }
}

/// An object in the order of loading.
pub(crate) struct Loaded {
    /// As the loader names it: the directory that it was found in, and its name there.
    pub(crate) path: Vec<u8>,
    pub(crate) object: Object,
    /// Who needed it first.
    pub(crate) by: Option<usize>,
}

/// What all searches of one program share.
pub(crate) struct Search<'a> {
    pub(crate) loader: &'a Loader,
    /// Directories that were asked for.
    pub(crate) library_path: &'a [Vec<u8>],
    /// Directories that the tree's own files name.
    pub(crate) conf: &'a [Vec<u8>],
}

impl Search<'_> {
    /// The directories to search for what `loaded[by]` needs, each with its rule, in order.
    pub(crate) fn directories(&self, loaded: &[Loaded], by: usize) -> Vec<(Vec<u8>, Rule)> {
        match self.loader.libc {
            Libc::Glibc => self.glibc(loaded, by),
            Libc::Musl => self.musl(loaded, by),
        }
    }

    fn glibc(&self, loaded: &[Loaded], by: usize) -> Vec<(Vec<u8>, Rule)> {
        let mut found = Vec::new();
        let Some(asking) = loaded.get(by) else { return found };
        // RPATH counts only while there is no RUNPATH: in the object itself it ends the matter, on the way to the program
        // it takes out the one object.
        if asking.object.runpath.is_none() {
            let mut at = Some(by);
            let mut saw_program = false;
            while let Some(object) = at.and_then(|number| loaded.get(number)) {
                saw_program |= at == Some(0);
                if object.object.runpath.is_none() {
                    self.add(&mut found, object, object.object.rpath.as_deref(), Rule::Rpath);
                }
                at = object.by;
            }
            if let Some(program) = loaded.first().filter(|_| !saw_program)
                && program.object.runpath.is_none()
            {
                self.add(&mut found, program, program.object.rpath.as_deref(), Rule::Rpath);
            }
        }
        found.extend(self.library_path.iter().map(|directory| (directory.clone(), Rule::LibraryPath)));
        self.add(&mut found, asking, asking.object.runpath.as_deref(), Rule::Runpath);
        let nodeflib = asking.object.nodeflib;
        let built_in = |directory: &Vec<u8>| self.loader.directories.contains(directory);
        let conf = self.conf.iter().filter(|directory| !nodeflib || !built_in(directory));
        found.extend(conf.map(|directory| (directory.clone(), Rule::Conf)));
        if !nodeflib {
            found.extend(self.loader.directories.iter().map(|directory| (directory.clone(), Rule::BuiltIn)));
        }
        found
    }

    /// musl makes no difference between RPATH and RUNPATH, takes RUNPATH where there are both, and asks every object on
    /// the way to the program.
    fn musl(&self, loaded: &[Loaded], by: usize) -> Vec<(Vec<u8>, Rule)> {
        let library_path = self.library_path.iter().map(|directory| (directory.clone(), Rule::LibraryPath));
        let mut found: Vec<_> = library_path.collect();
        let mut at = Some(by);
        while let Some(object) = at.and_then(|number| loaded.get(number)) {
            match (&object.object.runpath, &object.object.rpath) {
                (Some(runpath), _) => self.add(&mut found, object, Some(runpath), Rule::Runpath),
                (None, rpath) => self.add(&mut found, object, rpath.as_deref(), Rule::Rpath),
            }
            at = object.by;
        }
        if self.conf.is_empty() {
            found.extend(self.loader.directories.iter().map(|directory| (directory.clone(), Rule::BuiltIn)));
        } else {
            found.extend(self.conf.iter().map(|directory| (directory.clone(), Rule::PathFile)));
        }
        found
    }

    fn add(&self, found: &mut Vec<(Vec<u8>, Rule)>, object: &Loaded, text: Option<&[u8]>, rule: Rule) {
        let tokens = self.tokens(object);
        // glibc takes an empty part for the working directory, which no tree has.
        let parts = text.unwrap_or_default().split(|byte| *byte == b':').filter(|part| !part.is_empty());
        for part in parts {
            // A relative part is relative to wherever the program is started: nothing of the tree.
            let directories = tokens.expand(part).into_iter().filter(|directory| directory.starts_with(b"/"));
            found.extend(directories.map(|directory| (directory, rule)));
        }
    }

    /// The paths that a needed name with a slash may mean; none for names without one.
    pub(crate) fn direct(&self, asking: &Loaded, name: &[u8]) -> Option<Vec<Vec<u8>>> {
        name.contains(&b'/').then(|| self.tokens(asking).expand(name))
    }

    fn tokens<'t>(&'t self, object: &'t Loaded) -> Tokens<'t> {
        let platforms = platforms(object.object.arch);
        Tokens { origin: directory_of(&object.path), loader: self.loader, platforms }
    }
}
