//! The directories that are built into a loader, read from its own file: glibc's are consecutive strings,
//! musl's are one string separated by colons. So no table of distributions is needed, and loaders built for
//! unusual paths work too.

use bundle::{components_of, file_name_of, plain};

/// Whose search rules a loader follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// The GNU C library, and what behaves like it.
    Glibc,
    /// musl.
    Musl,
}

/// What is built into a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// Whose search rules it follows.
    pub libc: Libc,
    /// The directories that are searched last, in order, without leading or trailing slashes.
    pub directories: Vec<Vec<u8>>,
    /// What `$LIB` stands for.
    pub lib: Vec<u8>,
    /// musl: the file whose directories replace the built-in ones.
    pub path_file: Vec<u8>,
}

/// musl's directories if no file names others (`ldso/dynlink.c`).
const MUSL_DIRECTORIES: &[u8] = b"/lib:/usr/local/lib:/usr/lib";

/// The directories of a loader that names none itself, from ld.so(8).
const PLAIN_DIRECTORIES: [&[u8]; 2] = [b"lib", b"usr/lib"];

impl Loader {
    /// Reads `bytes`, the file of the loader that programs call `interpreter`
    /// (`/lib/ld-linux-riscv64-lp64d.so.1`).
    pub fn read(bytes: &[u8], interpreter: &[u8]) -> Self {
        let name = file_name_of(interpreter);
        if name.starts_with(b"ld-musl-") || contains(bytes, MUSL_DIRECTORIES) {
            let directories = MUSL_DIRECTORIES.split(|byte| *byte == b':').map(plain).collect();
            // The name of the file is made of the loader's own: `/lib/ld-musl-ARCH.so.1` has
            // `/etc/ld-musl-ARCH.path`.
            let stem = name.split(|byte| *byte == b'.').next().unwrap_or(name);
            let path_file = [b"etc/", stem, b".path"].concat();
            return Self { libc: Libc::Musl, directories, lib: b"lib".to_vec(), path_file };
        }
        let mut directories = glibc_directories(bytes);
        if directories.is_empty() {
            directories = PLAIN_DIRECTORIES.map(<[u8]>::to_vec).to_vec();
        }
        // glibc's own build makes the first built-in directory `/` and what `$LIB` stands for (`Makeconfig`,
        // `slibdir`).
        let lib = directories.first().cloned().unwrap_or_default();
        Self { libc: Libc::Glibc, directories, lib, path_file: Vec::new() }
    }

    /// The loader to assume if there is none to read.
    pub fn unknown() -> Self {
        let directories = PLAIN_DIRECTORIES.map(<[u8]>::to_vec).to_vec();
        Self { libc: Libc::Glibc, directories, lib: b"lib".to_vec(), path_file: Vec::new() }
    }
}

/// The longest run of absolute paths that end in a slash: `system_dirs` of glibc's `elf/dl-load.c`.
fn glibc_directories(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut best: Vec<Vec<u8>> = Vec::new();
    let mut run: Vec<Vec<u8>> = Vec::new();
    for text in bytes.split(|byte| *byte == 0) {
        if is_directory(text) {
            run.push(plain(text));
            continue;
        }
        if run.len() > best.len() {
            best.clone_from(&run);
        }
        run.clear();
    }
    if run.len() > best.len() { run } else { best }
}

fn is_directory(text: &[u8]) -> bool {
    text.len() > 2
        && text.starts_with(b"/")
        && text.ends_with(b"/")
        && text.iter().all(u8::is_ascii_graphic)
        && components_of(text).any(|part| part.starts_with(b"lib"))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibcs_directories_are_read_from_the_loader_itself() {
        let bytes = b"\x7fELF\0/proc/\0x\0/lib/riscv64-linux-gnu/\0/usr/lib/riscv64-linux-gnu/\0/lib/\0/usr/lib/\0\0y";
        let loader = Loader::read(bytes, b"/lib/ld-linux-riscv64-lp64d.so.1");
        assert_eq!(loader.libc, Libc::Glibc);
        assert_eq!(
            loader.directories,
            [&b"lib/riscv64-linux-gnu"[..], b"usr/lib/riscv64-linux-gnu", b"lib", b"usr/lib"]
        );
        assert_eq!(loader.lib, b"lib/riscv64-linux-gnu");
        let fedora = Loader::read(b"\0/lib64/\0/usr/lib64/\0", b"/lib64/ld-linux-x86-64.so.2");
        assert_eq!((fedora.lib, fedora.directories.len()), (b"lib64".to_vec(), 2));
    }

    #[test]
    fn musl_is_known_by_its_name_or_its_directories() {
        let loader = Loader::read(b"", b"/lib/ld-musl-riscv64.so.1");
        assert_eq!((loader.libc, loader.path_file), (Libc::Musl, b"etc/ld-musl-riscv64.path".to_vec()));
        assert_eq!(loader.directories, [&b"lib"[..], b"usr/local/lib", b"usr/lib"]);
        let renamed = Loader::read(b"\0/lib:/usr/local/lib:/usr/lib\0", b"/opt/ld.so");
        assert_eq!(renamed.libc, Libc::Musl);
    }
}
