//! The handlers that Debian's own packages would register: the `binfmt.d` files of its `qemu-user`, fetched
//! once.

use std::fs::{self, File};
use std::ops::ControlFlow;

use debian::{DebError, DebKind};

use crate::fetched::deb;
use crate::unibin::kept;

/// One line of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Such as `qemu-riscv64`.
    pub name: String,
    /// What the first bytes of a program are.
    pub magic: Vec<u8>,
    /// Which bits of them count.
    pub mask: Vec<u8>,
    /// What the kernel is told besides.
    pub flags: String,
}

/// Every handler of Debian 13, in the order of their names. Who calls this has `needs!("binfmt.d")`.
pub fn binfmt_d() -> Vec<Handler> {
    let lines = fetched().unwrap_or_else(|why| panic!("qemu-user of Debian 13: {why}"));
    let mut all: Vec<_> = lines.lines().filter(|line| line.starts_with(':')).map(handler).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The lines of those files; `Err` where the mirror lacks their package.
pub(crate) fn fetched() -> Result<String, String> {
    let directory = kept().join("binfmt.d");
    fs::create_dir_all(&directory).expect("directory");
    let lock = File::create(directory.join("lock")).expect("lock");
    lock.lock().expect("locked");
    let file = directory.join("lines");
    if !file.exists() {
        let package = deb(&directory, "trixie", "amd64", "qemu-user")?;
        let mut lines = String::new();
        let read = package.entries(|entry| -> Result<_, DebError> {
            let path = entry.path.strip_prefix(b"usr/share/qemu/binfmt.d/");
            if path.is_some() && matches!(entry.kind, DebKind::File) {
                entry.reader.read_to_string(&mut lines).expect("text");
            }
            Ok(ControlFlow::<()>::Continue(()))
        });
        read.expect("readable");
        fs::write(directory.join("new"), lines).expect("written");
        fs::rename(directory.join("new"), &file).expect("renamed");
    }
    Ok(fs::read_to_string(file).expect("lines"))
}

/// `:NAME:M::MAGIC:MASK:INTERPRETER:FLAGS`; every byte is written as `\xNN`.
fn handler(line: &str) -> Handler {
    let fields: Vec<_> = line.split(':').collect();
    let bytes = |text: &str| {
        let pairs = text.split("\\x").skip(1);
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two digits")).collect()
    };
    assert!(fields.len() == 8 && fields[2] == "M" && fields[3].is_empty(), "{line}");
    Handler {
        name: fields[1].into(),
        magic: bytes(fields[4]),
        mask: bytes(fields[5]),
        flags: fields[7].into(),
    }
}
