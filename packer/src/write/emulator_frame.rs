//! The emulators of one host, compressed together.

use std::fs::File;

use bundle::Encoding;

use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::compress::{self, Frame, How, Uncompressed};
use crate::write::similar::By;
use crate::write::tarball;

/// All emulators of one host in one frame.
#[derive(Debug)]
pub(crate) struct EmulatorFrame {
    pub(crate) frame: Frame,
    /// One file if there is one emulator, else a tree.
    pub(crate) encoding: Encoding,
    /// The path of each emulator in the tree, in their order; empty if the frame is one file.
    pub(crate) members: Vec<Vec<u8>>,
}

/// Compresses `of_host`, the emulators of one host, or takes the frame from the store if that was done
/// before.
pub(crate) fn compressed(
    emulators: &Emulators,
    of_host: &[Emulator],
    level: i32,
) -> Result<EmulatorFrame, Error> {
    let bar = emulators.bars.bar(&of_host.first().map_or_else(String::new, |one| one.key.to_string()));
    let how = How { level, store: Some(emulators.kept()), bar: Some(&bar) };
    if let [only] = of_host {
        let made = compress::blob(&Uncompressed::file(&content(only)?), how);
        let frame = made.map_err(|source| Error::io("read", &only.path, source))?;
        if frame.digest != only.digest {
            return Err(Error::digest(&only.path, "emulator", only.digest, frame.digest));
        }
        return Ok(EmulatorFrame { frame, encoding: Encoding::Zstd, members: vec![Vec::new()] });
    }
    let mut tree = App::default();
    let mut members = Vec::new();
    for emulator in of_host {
        let name = format!("{}-{}-{}-", emulator.translator, emulator.version, emulator.key.target);
        let mut name = name.replace('/', "_").into_bytes();
        // The same name for other bytes would be in the tree twice; the same bytes are stored once.
        name.extend(emulator.digest.to_hex().iter().take(8));
        if !members.contains(&name) {
            tree.add(&name, Node::File { executable: true, content: content(emulator)? })?;
        }
        members.push(name);
    }
    let tar = tarball::write(&tree, By::of_level(level)).map_err(Error::Temporary)?;
    let frame = compress::blob(&tar, how).map_err(Error::Temporary)?;
    Ok(EmulatorFrame { frame, encoding: Encoding::TarZstd, members })
}

fn content(emulator: &Emulator) -> Result<Content, Error> {
    let content = File::open(&emulator.path).and_then(Content::whole);
    content.map_err(|source| Error::io("read", &emulator.path, source))
}
