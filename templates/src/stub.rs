//! Renders `stub.sh`, the POSIX sh text at the start of every bundle, for the launchers of that bundle. The
//! text determines the architecture and starts its launcher; this file only fills in the table, and refuses a
//! table that the text could not use.

use bundle::{Arch, Digest, LAUNCHER_ALIGN};

/// Size of the stub region in every bundle, in bytes: the text, padded with newlines.
pub const STUB_LEN: usize = 8192;

const TEMPLATE: &str = include_str!("../stub.sh");

/// Number of digits of the SHA-256 digest that name a launcher in the cache and check its bytes: 128 bits.
const DIGEST_DIGITS: usize = 32;

/// Whose launcher runs on an architecture if that architecture's own is not in the bundle. A kernel may have
/// been built without `CONFIG_IA32_EMULATION` or `CONFIG_COMPAT`; then the launcher does not start, and the
/// stub says so.
const FALLBACKS: [(Arch, Arch); 2] = [(Arch::X86_64, Arch::I686), (Arch::Aarch64, Arch::Armv7)];

/// Where one host's launcher lies in the bundle. The bytes from `offset + length` up to the next multiple of
/// [`LAUNCHER_ALIGN`] must be in the file; they are copied out too and should be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StubLauncher {
    /// The architecture it runs on.
    pub host: Arch,
    /// SHA-256 of its `length` bytes.
    pub digest: Digest,
    /// Where it begins, in bytes from the start of the file; a multiple of [`LAUNCHER_ALIGN`].
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Why there is no stub for these launchers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StubError {
    /// The list is empty.
    #[error("a bundle needs a launcher for at least one host")]
    NoLauncher,
    /// The architecture is a target only.
    #[error("`{}` is not a host: it has no launcher", .host.name())]
    NotAHost {
        /// The architecture.
        host: Arch,
    },
    /// Two launchers for one architecture.
    #[error("two launchers for `{}`", .host.name())]
    Twice {
        /// The architecture.
        host: Arch,
    },
    /// The text can only copy out whole blocks after its own region.
    #[error("the launcher for `{}` cannot lie at offset {offset}", .host.name())]
    Misplaced {
        /// The architecture.
        host: Arch,
        /// Where it would begin, in bytes.
        offset: u64,
    },
    /// An empty launcher.
    #[error("the launcher for `{}` is empty", .host.name())]
    Empty {
        /// The architecture.
        host: Arch,
    },
    /// The text does not fit into its region.
    #[error("the stub would be {length} bytes long, more than {STUB_LEN}")]
    TooLong {
        /// Length of the text in bytes.
        length: usize,
    },
}

impl StubError {
    /// What would have worked, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoLauncher | Self::NotAHost { .. } => {
                let hosts: Vec<&str> = Arch::HOSTS.iter().map(|host| host.name()).collect();
                Some(format!("hosts are {}", hosts.join(", ")))
            }
            Self::Twice { .. } => Some("name each host once".to_owned()),
            Self::Misplaced { .. } => Some(format!("a multiple of {LAUNCHER_ALIGN}, not below {STUB_LEN}")),
            Self::TooLong { .. } => Some("fewer hosts make it shorter".to_owned()),
            Self::Empty { .. } => None,
        }
    }
}

/// The stub for a bundle with these `launchers`: exactly [`STUB_LEN`] bytes of text without NUL. The order of
/// `launchers` does not matter.
pub fn stub(launchers: &[StubLauncher]) -> Result<Vec<u8>, StubError> {
    let mut launchers = launchers.to_vec();
    launchers.sort_by_key(|launcher| launcher.host);
    check(&launchers)?;

    let hosts: Vec<&str> = launchers.iter().map(|launcher| launcher.host.name()).collect();
    let cases: Vec<String> = launchers.iter().map(|launcher| case(launcher, &launchers)).collect();
    let mut text = String::with_capacity(STUB_LEN);
    for line in TEMPLATE.lines().map(str::trim_start).filter(|line| !line.starts_with("##")) {
        text.push_str(&line.replace("@CASES@", &cases.join("\n")).replace("@HAS@", &hosts.join(" ")));
        text.push('\n');
    }

    let mut bytes = text.into_bytes();
    if bytes.len() > STUB_LEN {
        return Err(StubError::TooLong { length: bytes.len() });
    }
    bytes.resize(STUB_LEN, b'\n');
    Ok(bytes)
}

/// Refuses what the text could not copy out. `launchers` is sorted by host.
fn check(launchers: &[StubLauncher]) -> Result<(), StubError> {
    if launchers.is_empty() {
        return Err(StubError::NoLauncher);
    }
    for pair in launchers.windows(2) {
        if pair[0].host == pair[1].host {
            return Err(StubError::Twice { host: pair[0].host });
        }
    }
    for &StubLauncher { host, offset, length, .. } in launchers {
        if !host.is_host() {
            return Err(StubError::NotAHost { host });
        }
        if offset % LAUNCHER_ALIGN != 0 || offset < STUB_LEN as u64 {
            return Err(StubError::Misplaced { host, offset });
        }
        if length == 0 {
            return Err(StubError::Empty { host });
        }
    }
    Ok(())
}

/// The line of the text's `case` for one launcher: every uname name of the architectures it serves, and where
/// it is.
fn case(launcher: &StubLauncher, all: &[StubLauncher]) -> String {
    let host = launcher.host;
    let inside = |cpu: Arch| all.iter().any(|other| other.host == cpu);
    let served =
        FALLBACKS.iter().filter(|(cpu, stand_in)| *stand_in == host && !inside(*cpu)).map(|(cpu, _)| *cpu);
    let names: Vec<&str> =
        std::iter::once(host).chain(served).flat_map(|cpu| cpu.uname_names().iter().copied()).collect();
    let digest = launcher.digest.to_string();
    format!(
        "{}) ub_m={} ub_d={} ub_o={} ub_n={} ;;",
        names.join("|"),
        host.name(),
        &digest[..DIGEST_DIGITS],
        launcher.offset / LAUNCHER_ALIGN,
        launcher.length,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: Arch, offset: u64) -> StubLauncher {
        StubLauncher { host, digest: Digest([0xab; 32]), offset, length: 99_999 }
    }

    fn all_hosts() -> Vec<StubLauncher> {
        Arch::HOSTS.iter().zip(1..).map(|(&host, n)| at(host, n * 102_400)).collect()
    }

    fn line(launchers: &[StubLauncher], name: &str) -> String {
        let text = String::from_utf8(stub(launchers).expect("renders")).expect("text");
        let named = |line: &&str| {
            line.split_once(") ub_m=").is_some_and(|(names, _)| names.split('|').any(|n| n == name))
        };
        let lines: Vec<&str> = text.lines().filter(named).collect();
        assert_eq!(lines.len(), 1, "`{name}` is in one case");
        lines[0].to_owned()
    }

    #[test]
    fn the_text_for_all_hosts_at_large_offsets_fits() {
        let far: Vec<_> =
            all_hosts().iter().map(|l| StubLauncher { offset: l.offset + (1 << 36), ..*l }).collect();
        let text = stub(&far).expect("fits");
        assert_eq!(text.len(), STUB_LEN);
        assert!(!text.contains(&0));
        assert!(text.is_ascii());
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("@CASES@") && !text.contains("@HAS@"));
    }

    #[test]
    fn the_order_of_launchers_changes_nothing() {
        let mut turned = all_hosts();
        turned.reverse();
        assert_eq!(stub(&turned), stub(&all_hosts()));
    }

    #[test]
    fn every_uname_name_leads_to_the_numbers_that_were_rendered() {
        let all = all_hosts();
        for launcher in &all {
            for name in launcher.host.uname_names() {
                let line = line(&all, name);
                let tail = format!("ub_o={} ub_n={} ;;", launcher.offset / 4096, launcher.length);
                assert!(line.ends_with(&tail), "{line}");
                assert!(
                    line.contains(&format!(" ub_m={} ub_d={} ", launcher.host.name(), "ab".repeat(16))),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn a_64_bit_cpu_takes_the_32_bit_launcher_only_when_its_own_is_not_inside() {
        let small = [at(Arch::I686, 8192), at(Arch::Armv7, 12_288)];
        assert!(line(&small, "x86_64").contains("ub_m=i686 "));
        assert!(line(&small, "aarch64").contains("ub_m=armv7 "));
        assert!(line(&all_hosts(), "x86_64").contains("ub_m=x86_64 "));
        assert!(line(&all_hosts(), "aarch64").contains("ub_m=aarch64 "));
    }

    #[test]
    fn a_table_that_the_text_cannot_use_is_refused() {
        let x86 = Arch::X86_64;
        assert_eq!(stub(&[]), Err(StubError::NoLauncher));
        assert_eq!(stub(&[at(Arch::Alpha, 8192)]), Err(StubError::NotAHost { host: Arch::Alpha }));
        assert_eq!(stub(&[at(x86, 8192), at(x86, 12_288)]), Err(StubError::Twice { host: x86 }));
        assert_eq!(stub(&[at(x86, 4097)]), Err(StubError::Misplaced { host: x86, offset: 4097 }));
        assert_eq!(stub(&[at(x86, 0)]), Err(StubError::Misplaced { host: x86, offset: 0 }));
        assert_eq!(stub(&[StubLauncher { length: 0, ..at(x86, 8192) }]), Err(StubError::Empty { host: x86 }));
    }
}
