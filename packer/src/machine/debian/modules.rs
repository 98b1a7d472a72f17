//! The modules that a kernel needs before it sees its disk, and those that they need, in the order in which
//! they are loaded. What needs what is in `modules.dep`, which depmod has written while the packages were
//! configured, and what is part of the kernel in `modules.builtin` (depmod(8), modules.dep(5)).

use std::collections::BTreeMap;

use crate::error::{Error, MachineError};
use crate::system::system_tree::{Kind, SystemTree};
use crate::tree::content::Content;

/// Without these, and without what the disk is attached by, no machine finds its disk and reads it.
const NEEDED: [&str; 2] = ["virtio_blk", "ext4"];

/// The checksum that ext4 asks for by name only, as far as the kernel has modules for it.
const USEFUL: [&str; 2] = ["crc32c_generic", "crc32c_cryptoapi"];

/// A module: its file's name, and what it holds.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) content: Content,
}

/// The modules of the kernel `version` for a disk that is attached by `transport`, each after those that it
/// needs.
pub(super) fn of(tree: &SystemTree, version: &str, transport: &str) -> Result<Vec<Module>, Error> {
    let directory = format!("usr/lib/modules/{version}");
    let text = |name: &str| -> Result<String, Error> {
        let path = format!("{directory}/{name}");
        let Some(Kind::File(content)) = tree.resolve(path.as_bytes()).map(|(_, inode)| &inode.kind) else {
            return Err(MachineError::NoFileOfKernel { path }.into());
        };
        let bytes = content.bytes().map_err(Error::Temporary)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let order = order(&text("modules.dep")?, &text("modules.builtin")?, transport)
        .map_err(|module| MachineError::NoModule { module, kernel: version.to_owned() })?;
    let module = |path: &String| {
        let whole = format!("{directory}/{path}");
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        match tree.resolve(whole.as_bytes()).map(|(_, inode)| &inode.kind) {
            Some(Kind::File(content)) => Ok(Module { name, content: content.clone() }),
            _ => Err(MachineError::NoFileOfKernel { path: whole }.into()),
        }
    };
    order.iter().map(module).collect()
}

/// The files to load, in order; or the name of a module that is missing.
fn order(dependencies: &str, builtin: &str, transport: &str) -> Result<Vec<String>, String> {
    let mut files: BTreeMap<String, (&str, Vec<&str>)> = BTreeMap::new();
    for line in dependencies.lines() {
        if let Some((file, needs)) = line.split_once(':') {
            files.insert(name(file), (file, needs.split_whitespace().collect()));
        }
    }
    let is_builtin = |wanted: &str| builtin.lines().any(|line| name(line) == wanted);
    let mut order: Vec<String> = Vec::new();
    let mut add = |file: &str| {
        if !order.iter().any(|there| there == file) {
            order.push(file.to_owned());
        }
    };
    for wanted in USEFUL.into_iter().chain([transport]).chain(NEEDED) {
        match files.get(wanted) {
            // All that it needs, however far away, the first to be loaded at the end.
            Some((file, needs)) => needs.iter().rev().copied().chain([*file]).for_each(&mut add),
            None if !USEFUL.contains(&wanted) && !is_builtin(wanted) => return Err(wanted.to_owned()),
            None => {}
        }
    }
    Ok(order)
}

/// A module's name: that of its file without endings, `-` and `_` being the same.
fn name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use bundle::Arch;

    use super::*;
    use crate::machine::boards;
    use crate::system::system_tree::Inode;

    const PCI: &str = "virtio_pci";
    const DEP: &str = "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz \
                       kernel/fs/mbcache.ko.xz\nkernel/fs/mbcache.ko.xz:\nkernel/lib/crc16.ko.xz:\n\
                       kernel/fs/jbd2/jbd2.ko.xz: kernel/lib/crc16.ko.xz\n\
                       kernel/drivers/block/virtio_blk.ko.xz:\nkernel/net/other.ko.xz: kernel/lib/crc16.ko.xz\n\
                       kernel/crypto/crc32c-generic.ko.xz:\n";

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        let order = order(DEP, "kernel/drivers/virtio/virtio_pci.ko\n", PCI).expect("complete");
        let names: Vec<String> = order.iter().map(|file| name(file)).collect();
        assert_eq!(names, ["crc32c_generic", "virtio_blk", "mbcache", "crc16", "jbd2", "ext4"]);
    }

    #[test]
    fn what_is_part_of_the_kernel_is_not_loaded_and_what_is_nowhere_is_named() {
        let without = DEP.replace("kernel/drivers/block/virtio_blk.ko.xz:\n", "");
        let builtin = "kernel/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko\n";
        let found = order(&without, builtin, PCI).expect("complete");
        assert!(!found.iter().any(|file| file.contains("virtio_blk")));
        assert_eq!(order(&without, "kernel/virtio_pci.ko", PCI).expect_err("missing"), "virtio_blk");
        assert_eq!(order("::\n: \nx", builtin, PCI).expect_err("missing"), "ext4");
        // A kernel without the way by which this computer's disk is attached waits for it for ever.
        assert_eq!(order(DEP, builtin, "virtio_mmio").expect_err("missing"), "virtio_mmio");
        assert_eq!(order("", "", PCI).expect_err("missing"), PCI);
    }

    #[test]
    fn every_computer_loads_the_way_by_which_its_disk_is_attached_and_no_other() {
        let ways = ["virtio_pci", "virtio_mmio", "virtio_ccw"];
        let lines = ways.map(|way| format!("kernel/{way}.ko.xz: kernel/virtio.ko.xz\n"));
        let dependencies = format!("{DEP}kernel/virtio.ko.xz:\n{}", lines.concat());
        let expected = [
            (Arch::X86_64, "virtio_pci"),
            (Arch::I686, "virtio_pci"),
            (Arch::Aarch64, "virtio_pci"),
            (Arch::Armv7, "virtio_mmio"),
            (Arch::Riscv64, "virtio_pci"),
            (Arch::Ppc64le, "virtio_pci"),
            (Arch::S390x, "virtio_ccw"),
            (Arch::Loongarch64, "virtio_pci"),
        ];
        for (cpu, way) in expected {
            let board = boards::of(cpu).expect("a computer");
            let order = order(&dependencies, "", board.transport()).expect("complete");
            let names: Vec<String> = order.iter().map(|file| name(file)).collect();
            assert_eq!(names[..3], ["crc32c_generic", "virtio", way], "{cpu}");
            assert_eq!(names.iter().filter(|name| ways.contains(&name.as_str())).count(), 1, "{cpu}");
        }
    }

    #[test]
    fn modules_are_read_from_the_tree_of_the_system() {
        let mut tree = SystemTree::default();
        let mut add = |path: &str, text: &str| {
            let kind = Kind::File(text.as_bytes().to_vec().into());
            let path = format!("usr/lib/modules/6/{path}");
            tree.add(path.as_bytes(), Inode::of_root(kind, 0o644)).expect("added");
        };
        add("modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/virtio_pci.ko\n");
        add("modules.dep", "kernel/virtio_blk.ko.xz: kernel/a.ko\nkernel/a.ko:\n");
        add("kernel/virtio_blk.ko.xz", "blk");
        let missing = of(&tree, "6", PCI).expect_err("a file is missing").to_string();
        assert!(missing.contains("kernel/a.ko"), "{missing}");
        let kind = Kind::File(b"a".to_vec().into());
        tree.add(b"usr/lib/modules/6/kernel/a.ko", Inode::of_root(kind, 0o644)).expect("added");
        let modules = of(&tree, "6", PCI).expect("complete");
        assert_eq!(
            modules.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["a.ko", "virtio_blk.ko.xz"]
        );
        assert!(of(&tree, "7", PCI).is_err());
    }
}
