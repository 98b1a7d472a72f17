//! Changes to the programs and libraries of a tree that let them run natively from any directory.

pub(crate) mod gconv;
pub(crate) mod native;
pub(crate) mod patch_paths;
pub(crate) mod rpath;
