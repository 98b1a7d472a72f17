//! Parsers of untrusted input, one function per target. Each accepts any bytes and must end without a panic,
//! in little memory, and with the result that it promises. `cargo xtask fuzz` passes them to libFuzzer;
//! `tests/corpus.rs` replays what it found.
//!
//! Nothing here executes anything, and none of it becomes part of what users run.

mod archive;
pub mod corpus;
mod elf;
mod format;
mod image;
mod inputs;
mod launched;
mod reference;
mod scratch;
mod signatures;
mod stub;
mod unpack;

pub use launched::{ONCE, Once};

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// The longest input that is tried, in bytes.
    pub max: usize,
    /// What to do with each input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 15] = [
    Target { name: "footer", max: 256, run: format::footer },
    Target { name: "manifest", max: 4096, run: format::manifest },
    Target { name: "signatures", max: 4096, run: signatures::signatures },
    Target { name: "stub", max: 512, run: stub::stub },
    Target { name: "zstd", max: 4096, run: unpack::zstd },
    Target { name: "table", max: 1024, run: unpack::table },
    Target { name: "tar", max: 16_384, run: unpack::tar },
    Target { name: "elf", max: 8192, run: elf::elf },
    Target { name: "packages", max: 4096, run: archive::packages },
    Target { name: "release", max: 4096, run: archive::release },
    Target { name: "inrelease", max: 4096, run: archive::inrelease },
    Target { name: "deb", max: 8192, run: archive::deb },
    Target { name: "xz", max: 4096, run: archive::xz },
    Target { name: "inputs", max: 8192, run: inputs::inputs },
    Target { name: "image", max: 16_384, run: image::image },
];

/// The target with this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
