//! The version of a QEMU user-mode emulator, read from its file: most are for another host, and cannot be run
//! to ask.

use std::fs;
use std::path::Path;

use bundle::Arch;
use memchr::memmem;

/// The version if it is not known.
const UNKNOWN: &str = "unknown";

/// The version in the text that `-version` prints (linux-user/main.c, `usage` and `version`):
/// `qemu-TARGET version 7.2.22 (...)`; `unknown` if there is none.
pub fn of_file(path: &Path, target: Arch) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    of_bytes(&bytes, target).unwrap_or_else(|| UNKNOWN.to_owned())
}

fn of_bytes(bytes: &[u8], target: Arch) -> Option<String> {
    let text = format!("qemu-{} version ", target.qemu_name()).into_bytes();
    let at = memmem::find(bytes, &text)?;
    let version = bytes[at + text.len()..].iter().take(32);
    let version: String =
        version.map(|byte| char::from(*byte)).take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

/// `10.0.13` of `1:10.0.13+ds-0+deb13u1`: without epoch, revision and the mark of a repacked source.
pub(crate) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_of_that_target_and_only_a_number() {
        let text = b"\0qemu-armeb version 9\0qemu-arm version 7.2.22 (Debian 1:7.2+dfsg-7)\0";
        assert_eq!(of_bytes(text, Arch::Armv7).as_deref(), Some("7.2.22"));
        assert_eq!(of_bytes(text, Arch::Riscv64), None);
        assert_eq!(of_bytes(b"qemu-arm version", Arch::Armv7), None);
        assert_eq!(of_bytes(b"qemu-arm version %s", Arch::Armv7), None);
    }
}
