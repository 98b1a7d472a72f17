//! The first root of a machine: a static busybox, the modules that its disk needs, and a script that mounts the
//! disk. Nothing is made anew inside: what a distribution's tools would build at a first start takes minutes
//! where it is emulated.

use crate::error::Error;
use crate::machine::debian::cpio::Cpio;
use crate::machine::debian::modules::Module;

/// The script.
const INIT: &[u8] = include_bytes!("init.sh");

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
    for Module { name, content } in modules {
        archive.file(&format!("modules/{name}"), false, &content.bytes().map_err(Error::Temporary)?);
        order.extend([name, "\n"]);
    }
    archive.file("modules/order", false, order.as_bytes());
    archive.file("init", true, INIT);
    Ok(archive.finish())
}
