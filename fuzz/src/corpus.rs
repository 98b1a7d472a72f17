//! A target's corpus as one file: the inputs one after the other, each preceded by its length (u32,
//! little-endian), compressed with Zstandard. As single files they would be thousands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::reference;

/// Where the corpus of a target is kept.
pub fn path(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{target}.zst"))
}

/// The inputs that are kept for a target; empty if there are none.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let packed = match fs::read(path(target)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let bytes = reference::unpack(&packed)?;
    let (mut inputs, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let cut = io::Error::new(io::ErrorKind::InvalidData, "the corpus is cut off");
        let (input, behind) = behind.split_at_checked(length).ok_or(cut)?;
        inputs.push(input.to_vec());
        rest = behind;
    }
    Ok(inputs)
}

/// Replaces the inputs that are kept for a target.
pub fn write(target: &str, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let mut bytes = Vec::new();
    for input in inputs {
        let length = u32::try_from(input.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&input);
    }
    fs::create_dir_all(path(target).parent().unwrap_or(Path::new(".")))?;
    fs::write(path(target), reference::pack(&bytes)?)
}
