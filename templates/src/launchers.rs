//! The launchers that `cargo xtask launchers` built and committed, embedded in debug builds too, so that a test and a
//! release pack the same bytes. The only file that touches `rust-embed`.

use std::borrow::Cow;

use bundle::Arch;
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "launchers"]
struct Launchers;

/// The prebuilt launcher for `host`; `None` for a CPU that is no host or whose launcher was not built.
pub fn launcher(host: Arch) -> Option<Cow<'static, [u8]>> {
    let file = Launchers::get(&format!("launcher-{}", host.name()))?;
    Some(file.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_no_host_has_no_launcher() {
        assert!(launcher(Arch::Alpha).is_none());
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a check that cannot run says so")]
    fn every_embedded_launcher_is_an_elf_file_of_its_host() {
        for host in Arch::HOSTS {
            let Some(file) = launcher(host) else {
                eprintln!("NOT CHECKED: no launcher for {} is built yet", host.name());
                continue;
            };
            assert_eq!(&file[..4], b"\x7fELF", "{}", host.name());
            assert_eq!(file[4], host.class() as u8, "EI_CLASS of {}", host.name());
        }
    }
}
