//! Finds the files that a dynamic program needs: the ones that its loader would open, for every CPU, with
//! glibc or musl. The modules follow the search: `tree` (several layers as one tree, links followed inside
//! it), `elf` (the headers of one file), `loader` (the loader's built-in directories), `search` (the
//! directories in the loader's order), `walk` (the closure). Executes nothing, and never reads outside the
//! given layers.

mod conf;
mod directory;
mod elf;
mod glob;
mod loader;
mod note;
mod platform;
mod plugin_sets;
mod search;
mod tokens;
mod tree;
mod walk;

pub use directory::Directory;
pub use elf::{NotAnObject, Object, Strings};
pub use glob::{expand, matches};
pub use loader::{Libc, Loader};
pub use note::{Dlopen, Priority};
pub use plugin_sets::{PLUGIN_SETS, PluginSet, plugin_sets};
pub use search::Rule;
pub use tree::{Fault, Kind, Layer, Open, Resolved, Tree};
pub use walk::{Closure, Demand, Library, Missing, Searched, Unusable, closure};
