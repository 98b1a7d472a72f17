//! Which files an app consists of: the program, its libraries, plug-ins and packages, and what was added with
//! options.

pub(crate) mod base;
pub(crate) mod complete;
pub(crate) mod debian_libs;
pub(crate) mod entries;
pub(crate) mod extra_files;
pub(crate) mod gather;
pub(crate) mod interpreters;
pub(crate) mod inventory;
pub(crate) mod layers;
pub(crate) mod libraries;
pub(crate) mod missing;
pub(crate) mod only;
pub(crate) mod own_libraries;
pub(crate) mod plugins;
pub(crate) mod resolved_app;
pub(crate) mod search;
pub(crate) mod trace;
