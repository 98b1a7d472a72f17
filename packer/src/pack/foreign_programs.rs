//! Programs of other CPUs in an app: a hint at `--also-target`, which brings the emulators that the app needs to start them.
//! Looks at headers only, and decides nothing.

use std::collections::BTreeMap;
use std::io::Read;

use bundle::{Arch, EmulatorKey};

use crate::cli::values::Children;
use crate::elf::{self, Kind};
use crate::emulators::Plan;
use crate::emulators::builtin_catalogue;
use crate::error::readable;
use crate::request::Request;
use crate::resolve::gather::Checked;
use crate::say;
use crate::tree::app_tree::Node;
use crate::tree::content::Content;

/// What of an ELF file tells its CPU: `e_flags` of a 32-bit one ends here.
const HEAD: u64 = 40;

/// Names each CPU whose programs are in the app, and for which an emulator is known but was not asked for.
pub(crate) fn hint(request: &Request, checked: &Checked, plan: &Plan) {
    if request.children == Children::None {
        return;
    }
    let mut found: BTreeMap<Arch, (String, usize)> = BTreeMap::new();
    for (path, node) in checked.app.nodes() {
        if let Node::File { executable: true, content } = node
            && let Some(arch) = program(content)
            && arch != checked.target
        {
            found.entry(arch).or_insert_with(|| (readable(path), 0)).1 += 1;
        }
    }
    for (arch, (path, count)) in found.into_iter().filter(|(arch, _)| !request.also_targets.contains(arch)) {
        let emulated = |host: &Arch| {
            *host != arch && builtin_catalogue::emulator(EmulatorKey { host: *host, target: arch }).is_some()
        };
        if plan.hosts.iter().any(emulated) {
            let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
            say::warning(&format!(
                "`{path}` is a program for {arch}{more}: `--also-target {arch}` adds the emulators needed to start it"
            ));
        }
    }
}

/// The CPU of a file that is a program; `None` for all else, libraries too.
fn program(content: &Content) -> Option<Arch> {
    let mut head = Vec::new();
    content.reader().take(HEAD).read_to_end(&mut head).ok()?;
    let arch = Arch::ALL.iter().find(|arch| arch.binfmt().matches(&head))?;
    let elf = elf::read(&mut content.reader()).ok()?.ok()?;
    matches!(elf.kind, Kind::Static | Kind::Dynamic).then_some(*arch)
}
