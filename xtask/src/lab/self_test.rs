//! Whether the lab would see it: a launcher that is broken on purpose, by one wrong system call number on one CPU, must turn
//! its machine red, and the whole one must be green again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bundle::Arch;

/// The CPU whose launcher is broken.
pub(crate) const HOST: Arch = Arch::Riscv64;

/// `li a7, 221`, which is `execve` on riscv64 (Linux: include/uapi/asm-generic/unistd.h), as the compiler writes it.
const EXECVE: [u8; 4] = [0x93, 0x08, 0xd0, 0x0d];
/// `li a7, 222`: `mmap`.
const MMAP: [u8; 4] = [0x93, 0x08, 0xe0, 0x0d];

/// The launchers of this tree in a new folder, that of [`HOST`] broken.
pub(crate) fn broken_launchers(folder: &Path) -> Result<PathBuf> {
    let whole = crate::workspace().join("templates/launchers");
    let broken = folder.join("broken-launchers");
    fs::create_dir_all(&broken)?;
    for host in Arch::HOSTS {
        let name = format!("launcher-{}", host.name());
        let mut bytes = fs::read(whole.join(&name)).with_context(|| format!("no launcher for {host}"))?;
        if host == HOST {
            let calls: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == EXECVE).collect();
            ensure!(!calls.is_empty(), "the launcher for {host} does not call execve as it used to");
            for at in calls {
                bytes[at..at + 4].copy_from_slice(&MMAP);
            }
        }
        fs::write(broken.join(&name), bytes)?;
    }
    Ok(broken)
}
