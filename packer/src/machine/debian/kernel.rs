//! The kernel among the files of a system: where packages put it, beside the directory of its modules.

use crate::error::{Error, MachineError};
use crate::system::system_tree::{Kind, SystemTree};
use crate::tree::content::Content;

/// A kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` prints it.
    pub(super) version: String,
    pub(super) content: Content,
}

/// The newest kernel in `/boot`.
pub(super) fn of(tree: &SystemTree) -> Result<Kernel, Error> {
    let names = tree.names(b"boot").filter_map(|name| {
        let name = std::str::from_utf8(name).ok()?;
        let version = name.strip_prefix("vmlinuz-").or_else(|| name.strip_prefix("vmlinux-"))?;
        let is_whole = tree.get(format!("usr/lib/modules/{version}").as_bytes()).is_some();
        is_whole.then(|| (numbers(version), version, name))
    });
    let (_, version, name) = names.max().ok_or(MachineError::NoKernel)?;
    match tree.get(format!("boot/{name}").as_bytes()).map(|inode| &inode.kind) {
        Some(Kind::File(content)) => Ok(Kernel { version: version.to_owned(), content: content.clone() }),
        _ => Err(MachineError::NoKernel.into()),
    }
}

/// What versions are compared by.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::system_tree::Inode;

    #[test]
    fn the_newest_kernel_that_has_modules_is_the_machines() {
        let mut tree = SystemTree::default();
        assert!(of(&tree).is_err());
        for name in ["vmlinuz-6.12.9-arm64", "vmlinuz-6.12.10-arm64", "vmlinux-6.13-arm64", "config-7"] {
            let kind = Kind::File(name.as_bytes().to_vec().into());
            tree.add(format!("boot/{name}").as_bytes(), Inode::of_root(kind, 0o644)).expect("added");
        }
        for version in ["6.12.9-arm64", "6.12.10-arm64"] {
            let path = format!("usr/lib/modules/{version}");
            tree.add(path.as_bytes(), Inode::of_root(Kind::Directory, 0o755)).expect("added");
        }
        let found = of(&tree).expect("there");
        assert_eq!(found.version, "6.12.10-arm64");
        assert_eq!(found.content.bytes().expect("read"), b"vmlinuz-6.12.10-arm64");
    }
}
