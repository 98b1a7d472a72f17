//! The messages that docs/messages.md lists, and those that stand in the source of launcher and stub.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::handmade::Handmade;
use crate::outcome::Outcome;
use crate::pack::{busybox, pack_by_hand};
use crate::parts::Parts;
use crate::sandbox::Sandbox;
use crate::smallest::smallest;
use crate::tar::{file, raw_tar};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).expect("a file of the workspace")
}

/// The first column under this heading of docs/messages.md.
pub fn documented(heading: &str) -> Vec<String> {
    let text = source("docs/messages.md");
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split_once("` | ").expect("a second column").0.to_owned()).collect()
}

/// The first literal behind each `mark`, up to its first line feed, without backticks.
pub fn literals(path: &str, mark: &str) -> Vec<String> {
    let text = source(path);
    let behind = text.split(mark).skip(1).filter_map(|rest| {
        // Only white space, and a code or two, may stand before the literal.
        let (before, rest) = rest.split_once('"')?;
        let plain =
            |c: char| c.is_whitespace() || c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | '{' | '(');
        before.chars().all(plain).then_some(rest)
    });
    behind.map(|rest| rest.split(['"', '\\']).next().unwrap_or_default().replace('`', "")).collect()
}

/// What the stub dies with, its variables as `{}`.
pub fn of_the_stub() -> Vec<String> {
    let text = source("templates/stub.sh");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("ub_die "));
    let said = lines.filter_map(|line| line.split('"').nth(1));
    said.map(|said| {
        let mut plain = said.replace("@HAS@", "{}");
        while let Some(at) = plain.find("$ub_") {
            plain.replace_range(at..at + "$ub_x".len(), "{}");
        }
        plain
    })
    .collect()
}

/// What a bundle says whose native app is to have a view, where there are no user namespaces.
pub fn without_its_view(sandbox: &Sandbox) -> (&'static str, Outcome) {
    let program = sandbox.write("viewing", &smallest(Arch::X86_64).elf());
    let output = sandbox.at("with-a-view");
    let options = ["--hosts", "x86_64", "--view", "union"];
    pack_by_hand(&[&[program.to_str().expect("text")], &options[..]].concat(), &output).must_succeed();
    let bundle = sandbox.copy(&output, "viewing");
    let none = "echo 0 > /proc/sys/user/max_user_namespaces; exec ";
    let script = [none, "setpriv --bounding-set -all --inh-caps -all \"$0\""].concat();
    let ran = Sandbox::finish(sandbox.command("unshare").args(["-Ur", "sh", "-c", &script]).arg(&bundle));
    ("the app's view by mounts takes {}, refused here: {}: {}", ran)
}

/// What an app says that keeps nothing, since it is to have no mounts.
pub fn keeps_nothing(sandbox: &Sandbox, emulated: &Path) -> (&'static str, Outcome) {
    let variables = [("UNIBIN_KEEP", "it"), ("UNIBIN_VIEW", "host")];
    let ran = sandbox.run_with(&variables, emulated, &["true"]);
    ("nothing of the app is kept as {}: no mounts of its own give it its view here", ran)
}

/// Whether one of the lines of `ran` says this: the text with anything in place of each `{}`.
pub fn says(ran: &Outcome, message: &str) -> bool {
    let errors = ran.errors().replace('`', "");
    errors.lines().any(|line| {
        let mut parts = message.split("{}");
        let Some(mut rest) = parts.next().and_then(|first| Some(line.split_once(first)?.1)) else {
            return false;
        };
        let mut open = false;
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
            open = part.is_empty();
        }
        open || rest.is_empty() || rest.starts_with(':') || rest.starts_with(" (tried")
    })
}

/// A bundle that was packed where there is no broker.
pub fn without_broker(sandbox: &Sandbox) -> Outcome {
    let model = Parts::of(&busybox(Arch::X86_64));
    let made = Handmade { broker: false, ..Handmade::of(&raw_tar(&[file("app", 0o755, b"x")])) };
    let bundle = sandbox.write("without-broker", &made.bytes(&model));
    sandbox.run(&bundle, &[] as &[&str])
}
