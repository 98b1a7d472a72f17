//! Programs for other architectures in an app: suggests `--also-target`, which adds the emulators that the
//! app needs to start them. Reads headers only, and decides nothing.

use std::collections::BTreeMap;
use std::io::Read;

use bundle::{Arch, EmulatorKey};

use crate::cli::values::Children;
use crate::emulators::builtin_catalogue;
use crate::emulators::plan::Plan;
use crate::error::readable;
use crate::request::Request;
use crate::resolve::resolved_app::ResolvedApp;
use crate::say;
use crate::tree::content::Content;
use inputs::elf::{self, Kind};

/// The part of an ELF file that identifies its architecture: `e_flags` of a 32-bit one ends here.
const HEAD: u64 = 40;

/// Warns about each architecture whose programs are in the app, and for which an emulator is known but was
/// not requested.
pub(crate) fn hint(request: &Request, resolved: &ResolvedApp, plan: &Plan) {
    if request.children == Children::None {
        return;
    }
    let mut found: BTreeMap<Arch, (String, usize)> = BTreeMap::new();
    for (path, is_executable, content) in resolved.files() {
        if is_executable
            && let Some(arch) = program(content)
            && arch != resolved.target
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

/// The architecture of a file that is a program; `None` for everything else, including libraries.
fn program(content: &Content) -> Option<Arch> {
    let mut head = Vec::new();
    content.reader().take(HEAD).read_to_end(&mut head).ok()?;
    let arch = Arch::ALL.iter().find(|arch| arch.binfmt().matches(&head))?;
    let elf = elf::read(&mut content.reader()).ok()?.ok()?;
    matches!(elf.kind, Kind::Static | Kind::Dynamic).then_some(*arch)
}
