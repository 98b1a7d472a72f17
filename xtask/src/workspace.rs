//! Where the workspace lies.

use std::path::PathBuf;

/// The workspace's directory, which holds this crate's.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").components().fold(
        PathBuf::new(),
        |mut path, part| {
            if part == std::path::Component::ParentDir {
                path.pop();
            } else {
                path.push(part);
            }
            path
        },
    )
}
