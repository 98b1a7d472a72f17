//! What would have worked, by the errors of the system and of other crates.

use std::io;

use debian::ArchiveError;
use debian::release::ReleaseError;

use inputs::elf::NotElf;

/// Whether a mirror's index is past its date.
pub(super) fn is_stale(error: &ArchiveError) -> bool {
    let stale = |error: &ArchiveError| {
        matches!(error, ArchiveError::Release { source: ReleaseError::StaleIndex { .. }, .. })
    };
    matches!(error, ArchiveError::AllMirrorsFailed { failures, .. }
        if failures.iter().any(|failure| stale(&failure.error)))
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(super) fn io_hint(error: &io::Error) -> Option<String> {
    let text = match error.kind() {
        _ if is_full(error) => "free some space, or choose another location",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a location that you can write to"
        }
        io::ErrorKind::AlreadyExists => "choose a path that does not exist yet",
        _ => return None,
    };
    Some(text.to_owned())
}

pub(super) fn not_a_program_hint(found: &NotElf) -> &'static str {
    match found {
        NotElf::Script(_) => {
            "fetch the interpreter with `--libs debian` and `--target ARCH`, or pack it with `--deb` and the script with `--add` and `--entry`"
        }
        NotElf::Text | NotElf::Unknown | NotElf::Empty => "programs must be ELF files",
        NotElf::MachO | NotElf::Windows | NotElf::System(_) => "build it for Linux",
        NotElf::Archive => "link it into a program first",
        NotElf::X32 => "no emulator supports x32: build it for x86_64 or i686",
        NotElf::Cpu { .. } => "`unibin targets` lists the supported architectures",
        NotElf::Damaged(_) => "copy or build it again",
    }
}

/// The first few of many names.
pub(super) fn few(names: &[String]) -> String {
    const FEW: usize = 12;
    let shown = names.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
