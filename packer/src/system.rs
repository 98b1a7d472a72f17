//! Whole root file systems: where one comes from, and the tree that a system's variant holds.

pub(crate) mod archive;
pub(crate) mod directory;
pub(crate) mod dropped;
pub(crate) mod gathered;
pub(crate) mod image;
pub(crate) mod system_tree;
pub(crate) mod upper;
