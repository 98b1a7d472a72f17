//! The cargo that runs the tests or a task, for what these build.

use std::env;
use std::path::Path;
use std::process::Command;

/// A call of cargo in the workspace, without the variables by which it has told us of the package that runs:
/// crates whose build scripts look at them (`ring`) would count as changed and be built once more, with all
/// that depends on them.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_the_package) {
            command.env_remove(name);
        }
    }
    command
}

/// What cargo sets for a program that it runs (The Cargo Book, Environment Variables), and is no one's
/// setting.
fn is_of_the_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(name, "CARGO" | "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_variables_are_taken_out_and_settings_stay() {
        for name in ["CARGO", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR"] {
            assert!(is_of_the_package(name), "{name}");
        }
        for name in
            ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "CARGO_NET_OFFLINE", "CARGO_INCREMENTAL"]
        {
            assert!(!is_of_the_package(name), "{name}");
        }
    }
}
