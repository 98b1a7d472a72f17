//! The state that the searches for one app's libraries share, and one such search.

use bundle::Arch;
use closure::{Closure, Demand, Missing};

use crate::error::Error;
use crate::packages::deb::Suite;
use crate::request::AppRequest;
use crate::resolve::layers::Layers;

/// What the searches of one app share.
pub(crate) struct Search<'a> {
    pub(crate) request: &'a AppRequest,
    /// Dynamic programs, by their paths in the tree.
    pub(crate) programs: &'a [Vec<u8>],
    /// How many of them, the first, must have all that they need; the others are of a given tree.
    pub(crate) own: usize,
    /// The names for `LD_PRELOAD`.
    pub(crate) preload: Vec<Vec<u8>>,
    /// A built-in directory of the loader, for libraries without a place of their own.
    pub(crate) directory: Vec<u8>,
    /// Where packages are fetched from, if that was requested.
    pub(crate) suite: Option<&'a Suite<'a>>,
    pub(crate) target: Arch,
}

impl Search<'_> {
    /// The closure of each program, with `plugins` in addition to what its headers name.
    pub(crate) fn closures(&self, layers: &Layers, plugins: &[Vec<u8>]) -> Result<Vec<Closure>, Error> {
        let library_path = if layers.first.is_empty() { Vec::new() } else { vec![self.directory.clone()] };
        let library_layers: Vec<usize> = (0..layers.first.len()).collect();
        let mut all = Vec::new();
        for (number, program) in self.programs.iter().enumerate() {
            let plugins = if number < self.own.max(1) { plugins } else { &[] };
            let demand = Demand {
                program,
                preload: &self.preload,
                library_path: &library_path,
                library_layers: &library_layers,
                plugins,
                loader: None,
            };
            all.extend(closure::closure(&layers.tree(), &demand)?);
        }
        Ok(all)
    }
}

/// What is missing, each name once, with everything that needs it.
pub(crate) fn all_missing(found: &[Closure]) -> Vec<Missing> {
    let mut all: Vec<Missing> = Vec::new();
    for missing in found.iter().flat_map(|one| &one.missing) {
        match all.iter_mut().find(|other| other.name == missing.name) {
            Some(other) => {
                let more = missing.by.iter().filter(|by| !other.by.contains(by)).cloned().collect::<Vec<_>>();
                other.by.extend(more);
            }
            None => all.push(missing.clone()),
        }
    }
    all
}
