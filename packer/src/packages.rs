//! Debian packages as a source of apps: suites, dependencies, unpacking. Maintainer scripts are never
//! executed.

pub(crate) mod alternatives;
pub(crate) mod deb;
pub(crate) mod graphviz;
pub(crate) mod java;
pub(crate) mod maintainer_scripts;
pub(crate) mod php;
pub(crate) mod r;
pub(crate) mod script;
pub(crate) mod suites;
