//! The launchers and brokers, embedded in debug builds too, so that a test and a release pack the same bytes.
//! Those that `cargo xtask launchers` built and committed, unless the build was given others (`build.rs`).

use std::borrow::Cow;

use bundle::Arch;
use rust_embed::Embed;

/// What the build script has checked.
#[derive(Embed)]
#[folder = "$OUT_DIR/launchers"]
struct Launchers;

/// The prebuilt launcher for `host`; `None` for a CPU that is no host or whose launcher was not built.
pub fn launcher(host: Arch) -> Option<Cow<'static, [u8]>> {
    program("launcher", host)
}

/// The prebuilt broker for `host`; `None` for a CPU that is no host or whose broker was not built.
pub fn broker(host: Arch) -> Option<Cow<'static, [u8]>> {
    program("broker", host)
}

fn program(name: &str, host: Arch) -> Option<Cow<'static, [u8]>> {
    Some(Launchers::get(&format!("{name}-{}", host.name()))?.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_no_host_has_no_launcher_and_no_broker() {
        assert!(launcher(Arch::Alpha).is_none() && broker(Arch::Alpha).is_none());
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a check that cannot run says so")]
    fn every_embedded_program_is_an_elf_file_of_its_host() {
        for (name, host) in ["launcher", "broker"].into_iter().flat_map(|n| Arch::HOSTS.map(|host| (n, host)))
        {
            let Some(file) = program(name, host) else {
                eprintln!("NOT CHECKED: no {name} for {host} is built yet");
                continue;
            };
            assert_eq!(&file[..4], b"\x7fELF", "{name} {host}");
            assert_eq!(file[4], host.class() as u8, "EI_CLASS of {name} {host}");
        }
    }
}
