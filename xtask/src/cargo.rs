//! The cargo that runs a task, for what a task builds: in the workspace, and in the environment that the task was called with.

use std::process::Command;

/// What only a broker has. The feature is off elsewhere, so that the launcher is tested as it is built.
pub(crate) const BROKER: [&str; 2] = ["--package=unibin-launcher", "--features=children"];

/// A call of cargo, without the variables by which it has told us of this very package: with them it would take some crates
/// for changed and build them once more.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_the_package) {
            command.env_remove(name);
        }
    }
    command
}

/// What cargo sets for a program that it runs (The Cargo Book, Environment Variables), and is no one's setting.
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
