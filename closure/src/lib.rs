//! Which files a dynamic program needs: what its loader would open, found by reading alone, for every CPU, glibc and musl.
//! The files follow the search: a tree of several layers with links followed inside it, what one ELF file says, what its
//! loader has built in, the directories in the loader's order, and the closure of all of it.
//! Executes nothing, and never looks outside the layers that it was given.

mod conf;
mod directory;
mod elf;
mod families;
mod glob;
mod loader;
mod note;
mod platform;
mod search;
mod tokens;
mod tree;
mod walk;

pub use directory::Directory;
pub use elf::{NotAnObject, Object, Strings};
pub use families::{FAMILIES, Family, families};
pub use glob::{expand, matches};
pub use loader::{Libc, Loader};
pub use note::{Dlopen, Priority};
pub use search::Rule;
pub use tree::{Fault, Layer, Node, Open, Place, Tree};
pub use walk::{Closure, Demand, Library, Missing, Searched, Unusable, closure};
