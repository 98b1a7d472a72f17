//! Trees that are given whole: directories, archives, AppImages, packages of other package managers. All of
//! one is taken, below one directory of the app.

pub(crate) mod archive;
pub(crate) mod directory;
pub(crate) mod entry_points;
pub(crate) mod given_tree;
pub(crate) mod whole;
