//! An app's file tree in memory, and the bytes of its files, wherever they are stored.

pub(crate) mod app_tree;
pub(crate) mod content;
pub(crate) mod on_disk;
pub(crate) mod sparse;
pub(crate) mod spool;
pub(crate) mod view;
pub(crate) mod view_map;
pub(crate) mod view_rules;
