//! The archive that a kernel unpacks as its first root: `cpio` in the form `newc` (Linux:
//! Documentation/driver-api/early-userspace/buffer-format.rst), in memory. Everything is root's and has no
//! time. Entries are as long as their form allows: less than 4 GiB.

/// An archive that is being written.
#[derive(Default)]
pub(super) struct Cpio {
    bytes: Vec<u8>,
    count: u32,
}

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTERS: u32 = 0o020_000;

impl Cpio {
    /// A directory; those above it come first.
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY | 0o755, (0, 0), &[]);
    }

    /// A file.
    pub(super) fn file(&mut self, path: &str, executable: bool, content: &[u8]) {
        self.entry(path, FILE | if executable { 0o755 } else { 0o644 }, (0, 0), content);
    }

    /// A symbolic link.
    pub(super) fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// A device for characters, that only root may open.
    pub(super) fn device(&mut self, path: &str, number: (u32, u32)) {
        self.entry(path, CHARACTERS | 0o600, number, &[]);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.count += 1;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let links = if mode & DIRECTORY == 0 { 1 } else { 2 };
        // Inode, mode, owner, group, links, time, size, device, number, length of the name, no checksum.
        let (size, name) = (count(content.len()), count(path.len() + 1));
        let fields = [self.count, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name, 0];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, mode, device, content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// What a reader of the form finds.
    fn read(mut bytes: &[u8]) -> Vec<Entry> {
        let mut all = Vec::new();
        let whole = bytes.len();
        while let Some(rest) = bytes.strip_prefix(b"070701") {
            let field = |number: usize| {
                let text = std::str::from_utf8(&rest[number * 8..number * 8 + 8]).expect("text");
                u32::from_str_radix(text, 16).expect("hexadecimal")
            };
            let at = |end: usize| (whole - bytes.len() + end).next_multiple_of(4) - (whole - bytes.len());
            let (size, name) = (field(6) as usize, field(11) as usize);
            let begin = at(110 + name);
            let path = String::from_utf8_lossy(&bytes[110..110 + name - 1]).into_owned();
            let content = bytes[begin..begin + size].to_vec();
            all.push((path, field(1), (field(9), field(10)), content));
            bytes = &bytes[at(begin + size)..];
        }
        assert!(bytes.is_empty(), "nothing is left");
        all
    }

    #[test]
    fn a_reader_finds_every_entry_as_it_was_given() {
        let mut archive = Cpio::default();
        archive.directory("bin");
        archive.file("bin/odd", true, b"12345");
        archive.file("empty", false, b"");
        archive.symlink("bin/sh", "odd");
        archive.device("dev/console", (5, 1));
        let plain = |path: &str, mode, content: &[u8]| (path.to_owned(), mode, (0, 0), content.to_vec());
        let expected = [
            plain("bin", 0o040_755, b""),
            plain("bin/odd", 0o100_755, b"12345"),
            plain("empty", 0o100_644, b""),
            plain("bin/sh", 0o120_777, b"odd"),
            ("dev/console".to_owned(), 0o020_600, (5, 1), Vec::new()),
            plain("TRAILER!!!", 0, b""),
        ];
        assert_eq!(read(&archive.finish()), expected);
    }
}
