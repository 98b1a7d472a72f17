//! The archive that a kernel unpacks as its first root (Linux:
//! Documentation/driver-api/early-userspace/buffer-format.rst), written in memory.

/// One that is being written. Owners are root, times are zero.
#[derive(Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    count: usize,
}

impl Cpio {
    pub(crate) fn directory(&mut self, path: &str) {
        self.entry(path, 0o040_755, (0, 0), &[]);
    }

    pub(crate) fn file(&mut self, path: &str, executable: bool, bytes: &[u8]) {
        self.entry(path, if executable { 0o100_755 } else { 0o100_644 }, (0, 0), bytes);
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.entry(path, 0o120_777, (0, 0), target.as_bytes());
    }

    /// A character device.
    pub(crate) fn device(&mut self, path: &str, number: (usize, usize)) {
        self.entry(path, 0o020_600, number, &[]);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: usize, device: (usize, usize), bytes: &[u8]) {
        self.count += 1;
        let fields = [self.count, mode, 0, 0, 1, 0, bytes.len(), 0, 0, device.0, device.1, path.len() + 1, 0];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
