//! The directories in which a loader searches for a library, in order: ld.so(8) and `_dl_map_object` of
//! glibc's `elf/dl-load.c`; `load_library` of musl's `ldso/dynlink.c`.

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
    /// A plug-in: no object needs it by name.
    Plugin,
    /// `DT_RPATH` of the object that needs it, or of one that led to it.
    Rpath,
    /// A directory that the user named: `--library-path`.
    LibraryPath,
    /// `DT_RUNPATH` of the object that needs it.
    Runpath,
    /// `/etc/ld.so.conf` and what it includes.
    Conf,
    /// musl's `/etc/ld-musl-ARCH.path`.
    PathFile,
    /// A directory that is built into the loader.
    BuiltIn,
    /// A build of a library for newer CPUs, in the directory `glibc-hwcaps` beside it.
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
    /// Its path as the loader sees it: the directory in which it was found, and its name there.
    pub(crate) path: Vec<u8>,
    pub(crate) object: Object,
    /// The object that needs it first, by its number.
    pub(crate) by: Option<usize>,
}

/// What all searches of one program share.
pub(crate) struct Search<'a> {
    pub(crate) loader: &'a Loader,
    /// Directories that the user named.
    pub(crate) library_path: &'a [Vec<u8>],
    /// Directories that the tree's configuration files name.
    pub(crate) conf: &'a [Vec<u8>],
}

impl Search<'_> {
    /// The directories in which the libraries that `loaded[by]` needs are searched, in order, each with its
    /// rule.
    pub(crate) fn directories(&self, loaded: &[Loaded], by: usize) -> Vec<(Vec<u8>, Rule)> {
        match self.loader.libc {
            Libc::Glibc => self.glibc(loaded, by),
            Libc::Musl => self.musl(loaded, by),
        }
    }

    fn glibc(&self, loaded: &[Loaded], by: usize) -> Vec<(Vec<u8>, Rule)> {
        let mut found = Vec::new();
        let Some(asking) = loaded.get(by) else { return found };
        // A RUNPATH of the object itself disables every RPATH; a RUNPATH of an object on the way to the
        // program disables only that object's RPATH.
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

    /// musl treats RPATH and RUNPATH alike, prefers RUNPATH if an object has both, and uses those of every
    /// object on the way to the program.
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
        // An empty part means the working directory to glibc; a tree has none.
        let parts = text.unwrap_or_default().split(|byte| *byte == b':').filter(|part| !part.is_empty());
        for part in parts {
            // A relative part is relative to the working directory, which is not part of the tree.
            let directories = tokens.expand(part).into_iter().filter(|directory| directory.starts_with(b"/"));
            found.extend(directories.map(|directory| (directory, rule)));
        }
    }

    /// The paths that a needed name with a slash may mean; `None` for names without a slash.
    pub(crate) fn direct(&self, asking: &Loaded, name: &[u8]) -> Option<Vec<Vec<u8>>> {
        name.contains(&b'/').then(|| self.tokens(asking).expand(name))
    }

    fn tokens<'t>(&'t self, object: &'t Loaded) -> Tokens<'t> {
        let platforms = platforms(object.object.arch);
        Tokens { origin: directory_of(&object.path), loader: self.loader, platforms }
    }
}
