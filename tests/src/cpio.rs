//! The archive that a kernel unpacks as its first root (Linux:
//! Documentation/driver-api/early-userspace/buffer-format.rst): `cpio` in the form `newc`, written in memory.
//! Owners are root, times are zero.

/// An archive that is being written.
#[derive(Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    count: u32,
}

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTERS: u32 = 0o020_000;

impl Cpio {
    /// A directory.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.entry(path, DIRECTORY | mode, (0, 0), &[]);
    }

    /// A file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, FILE | mode, (0, 0), content);
    }

    /// A symlink.
    pub fn link(&mut self, path: &str, target: &str) {
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// A character device.
    pub fn device(&mut self, path: &str, mode: u32, number: (u32, u32)) {
        self.entry(path, CHARACTERS | mode, number, &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.count += 1;
        let size = u32::try_from(content.len()).expect("an entry of less than 4 GiB");
        let name_size = u32::try_from(path.len() + 1).expect("a short path");
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let fields =
            [self.count, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0].map(hex);
        self.bytes.extend_from_slice(b"070701");
        self.bytes.extend_from_slice(fields.concat().as_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn hex(number: u32) -> String {
    format!("{number:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_begins_at_a_multiple_of_four() {
        let mut archive = Cpio::default();
        archive.directory("bin", 0o755);
        archive.file("bin/odd", 0o755, b"12345");
        archive.link("bin/sh", "odd");
        let bytes = archive.finish();
        let starts: Vec<usize> = (0..bytes.len() - 6).filter(|at| &bytes[*at..at + 6] == b"070701").collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
        // "bin/odd" and its zero, then its five bytes.
        let size = &bytes[starts[1] + 54..starts[1] + 62];
        assert_eq!(size, b"00000005");
    }
}
