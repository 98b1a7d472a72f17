//! Tests the lab itself: a launcher that is broken on purpose, by one wrong system call number on one CPU,
//! must turn its machine red, and the intact one must turn it green again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bundle::Arch;

/// The CPU whose launcher is broken.
pub(crate) const HOST: Arch = Arch::Riscv64;

/// `li a7, 221`, which is `execve` on riscv64 (Linux: include/uapi/asm-generic/unistd.h), as the compiler
/// writes it.
const EXECVE: [u8; 4] = [0x93, 0x08, 0xd0, 0x0d];
/// `li a7, 222`: `mmap`.
const MMAP: [u8; 4] = [0x93, 0x08, 0xe0, 0x0d];

/// The launchers of this tree in a new directory, that of [`HOST`] broken.
pub(crate) fn broken_launchers(directory: &Path) -> Result<PathBuf> {
    let whole = crate::workspace().join("templates/launchers");
    let broken = directory.join("broken-launchers");
    fs::create_dir_all(&broken)?;
    let victim = format!("launcher-{}", HOST.name());
    for entry in fs::read_dir(&whole)? {
        let name = entry?.file_name();
        let mut bytes = fs::read(whole.join(&name))?;
        if name.to_str() == Some(&victim) {
            let calls: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == EXECVE).collect();
            ensure!(!calls.is_empty(), "the launcher for {HOST} does not call execve as it used to");
            for at in calls {
                bytes[at..at + 4].copy_from_slice(&MMAP);
            }
        }
        fs::write(broken.join(&name), bytes)?;
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_launcher_is_broken_and_the_others_are_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let broken = broken_launchers(directory.path()).expect("launchers");
        for host in Arch::HOSTS {
            let name = format!("launcher-{}", host.name());
            let whole =
                fs::read(crate::workspace().join("templates/launchers").join(&name)).expect("a launcher");
            let changed = fs::read(broken.join(&name)).expect("a launcher");
            let differ = whole.iter().zip(&changed).filter(|(one, other)| one != other).count();
            assert_eq!(whole.len(), changed.len());
            assert_eq!(differ > 0, host == HOST, "{host}: {differ} bytes");
        }
    }
}
