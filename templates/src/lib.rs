//! The prebuilt parts of a bundle: the stub's text, the launchers, and the brokers that these may unpack.
//! Knows nothing about manifests or blobs, and reads neither the environment nor any file at run time.

mod launchers;
mod stub;

pub use launchers::{broker, launcher};
pub use stub::{STUB_LEN, StubError, StubLauncher, stub};
