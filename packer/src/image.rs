//! Container images out of a bundle, one for each of its hosts: the app's tree lies at `/`, and the host's
//! emulator below `/.unibin`. So nothing has to be unpacked at a start, no map of a tree is needed, and
//! absolute paths are right on every host.

mod exec;
pub(crate) mod layers;
mod members;
pub(crate) mod route;
pub(crate) mod start;

/// The directory in an image for what is not the app's.
const OWN: &str = ".unibin";
