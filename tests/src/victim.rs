//! A user who is attacked by another one.

use std::path::PathBuf;

use bundle::Arch;

use crate::needs::has;
use crate::sandbox::{Sandbox, settled};
use crate::tell::tell_bundle;

/// The one who plants has the next number; sandboxes take every other one.
pub fn neighbour(sandbox: &Sandbox) -> u32 {
    sandbox.uid() + 1
}

/// A user with a bundle of `target`, and a real cache of his own that shows what a cache looks like. `None`,
/// loudly, where there can be no second user.
pub fn victim(target: Arch) -> Option<(Sandbox, PathBuf)> {
    if !has("root") {
        return None;
    }
    let packed = tell_bundle(target)?;
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&packed, "tell");
    let model = [("UNIBIN_CACHE", sandbox.at("model"))];
    let mut command = sandbox.command(&bundle);
    assert_eq!(Sandbox::finish(command.args(["exit", "5"]).envs(model)).code(), Some(5));
    // It is copied, and a marker that goes away meanwhile would be missed.
    settled(&sandbox.at("model"));
    Some((sandbox, bundle))
}
