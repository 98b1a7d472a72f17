//! Debian packages as a source of apps: suites, dependencies, unpacking. Maintainer scripts are never
//! executed.

pub(crate) mod deb;
pub(crate) mod maintainer_scripts;
pub(crate) mod suites;
