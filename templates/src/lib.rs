//! What every bundle begins with, made ahead of time: the stub's text and the prebuilt launchers, and the brokers that they may unpack.
//! Knows nothing of manifests or blobs, and reads neither the environment nor any file when it runs.

mod launchers;
mod stub;

pub use launchers::{broker, launcher};
pub use stub::{STUB_LEN, StubError, StubLauncher, stub};
