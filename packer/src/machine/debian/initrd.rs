//! The first root of a machine: a static busybox, the modules that its disk needs, and a script that mounts
//! the disk. Nothing is made anew inside: what a distribution's tools would build at a first start takes
//! minutes where it is emulated. Modules are decompressed here, once, and not at each start.

use std::io::{self, BufReader, Read as _};

use crate::error::Error;
use crate::machine::debian::cpio::Cpio;
use crate::machine::debian::modules::Module;

/// The script.
const INIT: &[u8] = include_bytes!("init.sh");

/// The longest module that is accepted, in bytes.
const LENGTH_MAX: u64 = 256 << 20;

/// The archive with `busybox` and `modules`, which are loaded in this order.
pub(super) fn archive(busybox: &[u8], modules: &[Module]) -> Result<Vec<u8>, Error> {
    let mut archive = Cpio::default();
    for directory in ["bin", "dev", "modules", "proc", "root", "sys"] {
        archive.directory(directory);
    }
    // Before there is a file system with devices, the kernel opens this one for the first program.
    archive.device("dev/console", (5, 1));
    archive.file("bin/busybox", true, busybox);
    archive.symlink("bin/sh", "busybox");
    let mut order = String::new();
    for module in modules {
        let name = module.name.split(".ko").next().unwrap_or_default();
        let content =
            decompressed(module).map_err(|source| Error::io("read", module.name.as_ref(), source))?;
        archive.file(&format!("modules/{name}.ko"), false, &content);
        order.extend([name, ".ko\n"]);
    }
    archive.file("modules/order", false, order.as_bytes());
    archive.file("init", true, INIT);
    Ok(archive.finish())
}

fn decompressed(module: &Module) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = inputs::decoded(BufReader::new(module.content.reader()))?;
    reader.take(LENGTH_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LENGTH_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_lie_there_decompressed_and_are_named_in_their_order() {
        // `printf module | xz --check=crc32`
        const XZ: [u8; 60] = [
            0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21, 0x01,
            0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x05, 0x6d, 0x6f, 0x64, 0x75, 0x6c,
            0x65, 0x00, 0x00, 0x00, 0x28, 0x26, 0x24, 0x0c, 0x00, 0x01, 0x1a, 0x06, 0xc5, 0xea, 0xc8, 0x79,
            0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a,
        ];
        let module =
            |name: &str, bytes: &[u8]| Module { name: name.to_owned(), content: bytes.to_vec().into() };
        let made = archive(b"shell", &[module("b.ko.xz", &XZ), module("a.ko", b"first")]).expect("made");
        let has = |text: &[u8]| made.windows(text.len()).any(|part| part == text);
        assert!(has(b"b.ko\na.ko\n") && has(b"modules/b.ko\0\0module") && has(b"first") && has(b"shell"));
        let broken = archive(b"", &[module("c.ko.xz", &XZ[..40])]).expect_err("cut off");
        assert!(broken.to_string().contains("c.ko.xz"), "{broken}");
    }
}
