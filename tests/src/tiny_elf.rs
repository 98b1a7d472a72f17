//! ELF files made by hand: header, one segment that is all of the file, instructions, data.

use bundle::{Class, Endian};

/// Where the file lies in memory: a multiple of every CPU's page, above `vm.mmap_min_addr`.
const BASE: u64 = 0x40_0000;
const CODE: usize = 0x100;
const DATA: usize = 0x200;
/// Where the data lie in memory.
pub(crate) const DATA_AT: u64 = BASE + DATA as u64;

/// A program's header and instructions.
pub(crate) struct TinyElf {
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    /// `e_machine`.
    pub(crate) machine: u16,
    /// `e_flags`.
    pub(crate) flags: u32,
    /// The instructions, as hexadecimal digits.
    pub(crate) code: &'static str,
}

impl TinyElf {
    /// The whole file.
    pub(crate) fn file(&self, data: &[u8]) -> Vec<u8> {
        let wide = self.class == Class::Elf64;
        let (header, segment) = if wide { (64, 56) } else { (52, 32) };
        let mut file = Writer { bytes: Vec::new(), little: self.endian == Endian::Little, wide };
        file.bytes.extend(b"\x7fELF");
        file.bytes.extend([self.class as u8, self.endian as u8, 1, 0]);
        file.bytes.extend([0; 8]);
        file.half(2).half(self.machine).long(1); // ET_EXEC, machine, version
        file.word(BASE + CODE as u64).word(header).word(0); // entry, segments, no sections
        file.long(self.flags);
        file.half(u16::try_from(header).expect("small")).half(segment).half(1).half(0).half(0).half(0);

        let length = (DATA + data.len()) as u64;
        let (load, read_execute) = (1, 5);
        file.long(load);
        if wide {
            file.long(read_execute);
        }
        file.word(0).word(BASE).word(BASE).word(length).word(length);
        if !wide {
            file.long(read_execute);
        }
        file.word(0x1_0000);

        file.bytes.resize(CODE, 0);
        let digits = (0..self.code.len()).step_by(2).map(|at| &self.code[at..at + 2]);
        file.bytes.extend(digits.map(|two| u8::from_str_radix(two, 16).expect("hexadecimal digits")));
        file.bytes.resize(DATA, 0);
        file.bytes.extend(data);
        file.bytes
    }
}

/// Numbers in one CPU's byte order, and words of its width.
struct Writer {
    bytes: Vec<u8>,
    little: bool,
    wide: bool,
}

impl Writer {
    /// Takes a number's bytes, the lowest first.
    fn number(&mut self, mut bytes: impl AsMut<[u8]> + AsRef<[u8]>) -> &mut Self {
        if !self.little {
            bytes.as_mut().reverse();
        }
        self.bytes.extend(bytes.as_ref());
        self
    }

    fn half(&mut self, number: u16) -> &mut Self {
        self.number(number.to_le_bytes())
    }

    fn long(&mut self, number: u32) -> &mut Self {
        self.number(number.to_le_bytes())
    }

    fn word(&mut self, number: u64) -> &mut Self {
        if !self.wide {
            return self.long(u32::try_from(number).expect("below 4 GiB"));
        }
        self.number(number.to_le_bytes())
    }
}
