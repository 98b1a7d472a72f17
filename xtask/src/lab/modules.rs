//! Which modules of a kernel the lab loads: those for disks, ext4 and the private handlers of foreign
//! programs, and what they depend on, as their own `.modinfo` says. A wanted one that there is no file of is
//! built in, or missed when it is used.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Result, ensure};
use liblzma::read::XzDecoder;

/// What the cases need. `crc32c` is asked for by name, so that nothing depends on it.
const WANTED: [&str; 10] = [
    "binfmt_misc",
    "crc32c_generic",
    "ext4",
    "overlay",
    "virtio_blk",
    "virtio_ccw",
    "virtio_mmio",
    "virtio_pci",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
];

/// The largest is ext4, of 2 MB.
const MAX: u64 = 32 << 20;

/// A module's bytes and what it depends on.
struct Module {
    bytes: Vec<u8>,
    depends: Vec<String>,
}

/// Modules by their names.
#[derive(Default)]
pub(crate) struct Found {
    modules: BTreeMap<String, Module>,
}

impl Found {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether a file of this name is a module that is wanted and not there yet.
    pub(crate) fn wants(&self, file: &str) -> bool {
        let Some(name) = name(file) else { return false };
        let needed = WANTED.contains(&name.as_str())
            || self.modules.values().any(|module| module.depends.contains(&name));
        needed && !self.modules.contains_key(&name)
    }

    /// Takes the bytes of such a file, which may be compressed.
    pub(crate) fn take(&mut self, file: &str, reader: &mut dyn Read) -> Result<()> {
        let Some(name) = name(file) else { return Ok(()) };
        let mut bytes = Vec::new();
        if file.strip_suffix(".xz").is_some() {
            XzDecoder::new(reader).take(MAX).read_to_end(&mut bytes)?;
        } else {
            reader.take(MAX).read_to_end(&mut bytes)?;
        }
        ensure!(bytes.starts_with(b"\x7fELF"), "`{file}` is no module");
        let depends = depends(&bytes);
        self.modules.insert(name, Module { bytes, depends });
        Ok(())
    }

    /// Whether a module depends on another that is not there (yet).
    pub(crate) fn lacks(&self) -> bool {
        self.modules.values().flat_map(|module| &module.depends).any(|name| !self.modules.contains_key(name))
    }

    /// All of them, each after what it depends on.
    pub(crate) fn in_order(mut self) -> Vec<(String, Vec<u8>)> {
        let mut order: Vec<(String, Vec<u8>)> = Vec::new();
        while !self.modules.is_empty() {
            let ready = self
                .modules
                .iter()
                .find(|(_, module)| module.depends.iter().all(|needed| !self.modules.contains_key(needed)))
                .or_else(|| self.modules.iter().next())
                .map(|(name, _)| name.clone());
            let Some(name) = ready else { break };
            if let Some(module) = self.modules.remove(&name) {
                order.push((name, module.bytes));
            }
        }
        order
    }
}

/// The module's name: a file's name may have `-` for `_`.
fn name(file: &str) -> Option<String> {
    let name = file.trim_end_matches(".xz").strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

/// The field `depends` of a module.
fn depends(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let Some(at) = module.windows(FIELD.len()).position(|window| window == FIELD) else { return Vec::new() };
    let value = module[at + FIELD.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let value = String::from_utf8_lossy(value).replace('-', "_");
    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let module = |depends: &str| format!("\x7fELF...\0name=x\0depends={depends}\0more=1\0").into_bytes();
        let mut found = Found::default();
        assert!(!found.wants("jbd2.ko.xz") && found.wants("ext4.ko") && !found.wants("ext4.txt"));
        found.take("ext4.ko", &mut module("jbd2,crc-16").as_slice()).expect("a module");
        assert!(found.wants("jbd2.ko") && found.wants("crc16.ko") != found.wants("crc-16.ko"));
        found.take("jbd2.ko", &mut module("").as_slice()).expect("a module");
        assert!(!found.wants("jbd2.ko"));
        let order: Vec<String> = found.in_order().into_iter().map(|(name, _)| name).collect();
        assert_eq!(order, ["jbd2", "ext4"]);
        assert!(Found::default().take("ext4.ko", &mut "text".as_bytes()).is_err());
    }
}
