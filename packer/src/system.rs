//! Whole root file systems: the tree that a system's variant holds.

pub(crate) mod dropped;
pub(crate) mod system_tree;
pub(crate) mod upper;
