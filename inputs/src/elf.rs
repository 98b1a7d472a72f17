//! Reads one ELF file with `object`, which is used here only: its architecture, whether it is static, its
//! loader and libraries. A file that is not a Linux program is refused with what it is instead. Nothing is
//! executed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use bundle::{Arch, Class, Endian};
use closure::Strings;
use object::elf::{self, DynamicTag, FileHeader32, FileHeader64, FileType};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{
    Endianness, Object as _, ObjectSegment, ObjectSymbol, ObjectSymbolTable, ReadCache, ReadRef,
    RelocationTarget,
};

/// `DF_1_PIE` of `<elf.h>`: distinguishes a static position-independent program from a library.
const DF_1_PIE: u64 = 0x0800_0000;

/// Longer names are not read: `PATH_MAX` of `<linux/limits.h>`.
const NAME_MAX: u64 = 4096;

/// What an ELF file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program that needs no loader.
    Static,
    /// A program that the loader in [`Elf::loader`] starts.
    Dynamic,
    /// A shared library, or a loader.
    Library,
    /// `ET_REL`.
    Object,
    /// `ET_CORE`.
    Core,
    /// Any other `e_type`.
    Other(u16),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("static program"),
            Self::Dynamic => f.write_str("dynamic program"),
            Self::Library => f.write_str("shared library"),
            Self::Object => f.write_str("object file"),
            Self::Core => f.write_str("core dump"),
            Self::Other(number) => write!(f, "ELF file of type {number}"),
        }
    }
}

/// The contents of one ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// The architecture it was built for.
    pub arch: Arch,
    /// What it is.
    pub kind: Kind,
    /// `PT_INTERP`: the loader that it names.
    pub loader: Option<Vec<u8>>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<Vec<u8>>,
}

/// Why a file is not a Linux program for a known architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotElf {
    /// It is empty.
    Empty,
    /// A script: what follows `#!` on its first line.
    Script(String),
    /// Text without `#!`.
    Text,
    /// A Mach-O file.
    MachO,
    /// A PE or DOS file.
    Windows,
    /// An `ar` archive.
    Archive,
    /// Something else.
    Unknown,
    /// x86-64 with 32-bit pointers.
    X32,
    /// An ELF header for an architecture outside the table.
    Cpu {
        /// `e_machine`.
        machine: u16,
        /// `EI_CLASS`.
        class: u8,
        /// `EI_DATA`.
        data: u8,
    },
    /// An ELF file for another system, by `EI_OSABI`.
    System(&'static str),
    /// The headers point outside the file or contradict each other.
    Damaged(&'static str),
}

impl fmt::Display for NotElf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Script(line) => write!(f, "a script for `{}`", bundle::Shown(line.as_bytes())),
            Self::Text => f.write_str("a text file"),
            Self::MachO => f.write_str("a macOS program (Mach-O)"),
            Self::Windows => f.write_str("a Windows program (PE)"),
            Self::Archive => f.write_str("an `ar` archive"),
            Self::Unknown => f.write_str("a file of unknown format"),
            Self::X32 => f.write_str("an x32 program (x86-64 code with 32-bit pointers)"),
            Self::Cpu { machine, class, data } => {
                write!(
                    f,
                    "an ELF file for an unknown architecture (machine {machine}, class {class}, byte order {data})"
                )
            }
            Self::System(system) => write!(f, "a program for {system}"),
            Self::Damaged(how) => write!(f, "a damaged ELF file: {how}"),
        }
    }
}

/// The result of reading; I/O errors are separate, since they say nothing about the file's contents.
pub type Reading = io::Result<Result<Elf, NotElf>>;

/// Reads headers and dynamic section of `file`.
pub fn read(file: &mut (impl Read + Seek)) -> Reading {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(256).read_to_end(&mut head)?;
    if !head.starts_with(&elf::ELFMAG) {
        return Ok(Err(other_format(&head)));
    }
    let length = file.seek(SeekFrom::End(0))?;
    let cache = ReadCache::new(file);
    let [class, data, osabi] = [4, 5, 7].map(|at| head.get(at).copied().unwrap_or_default());
    Ok(match class {
        1 => FileHeader32::<Endianness>::parse(&cache).ok().map(|header| facts(header, &cache, length)),
        2 => FileHeader64::<Endianness>::parse(&cache).ok().map(|header| facts(header, &cache, length)),
        _ => None,
    }
    .unwrap_or(Err(NotElf::Damaged("its header is truncated or of an unknown class")))
    .and_then(|facts| facts.decide(class, data, osabi)))
}

/// The fields of either class of header, not yet interpreted.
struct Facts {
    machine: u16,
    flags: u32,
    kind: FileType,
    entry: u64,
    loader: Option<Vec<u8>>,
    needed: Vec<Vec<u8>>,
    named: bool,
    pie: bool,
}

impl Facts {
    fn decide(self, class: u8, data: u8, osabi: u8) -> Result<Elf, NotElf> {
        let foreign = match elf::OsAbi(osabi) {
            elf::ELFOSABI_NETBSD => Some("NetBSD"),
            elf::ELFOSABI_SOLARIS => Some("Solaris"),
            elf::ELFOSABI_FREEBSD => Some("FreeBSD"),
            elf::ELFOSABI_OPENBSD => Some("OpenBSD"),
            _ => None,
        };
        if let Some(system) = foreign {
            return Err(NotElf::System(system));
        }
        let machine = self.machine;
        if machine == elf::EM_X86_64.0 && class == Class::Elf32 as u8 {
            return Err(NotElf::X32);
        }
        let arch = Arch::from_elf(class, data, machine, self.flags);
        let arch = arch.ok_or(NotElf::Cpu { machine, class, data })?;
        let kind = match self.kind {
            elf::ET_REL => Kind::Object,
            elf::ET_CORE => Kind::Core,
            elf::ET_EXEC | elf::ET_DYN if self.loader.is_some() => Kind::Dynamic,
            elf::ET_EXEC => Kind::Static,
            // Older linkers set no DF_1_PIE: a file with an entry point, without a name and without needs
            // starts by itself.
            elf::ET_DYN if self.pie || (self.entry != 0 && !self.named && self.needed.is_empty()) => {
                Kind::Static
            }
            elf::ET_DYN => Kind::Library,
            other => Kind::Other(other.0),
        };
        Ok(Elf { arch, kind, loader: self.loader, needed: self.needed })
    }
}

fn facts<'data, H: FileHeader<Endian = Endianness>>(
    header: &H,
    data: impl ReadRef<'data>,
    length: u64,
) -> Result<Facts, NotElf> {
    let endian = header.endian().map_err(|_| NotElf::Damaged("its byte order is unknown"))?;
    let mut facts = Facts {
        machine: header.e_machine(endian).0,
        flags: header.e_flags(endian).0,
        kind: header.e_type(endian),
        entry: header.e_entry(endian).into(),
        loader: None,
        needed: Vec::new(),
        named: false,
        pie: false,
    };
    let cut_off = NotElf::Damaged("it is truncated");
    let segments = header.program_headers(endian, data).map_err(|_| cut_off.clone())?;
    for segment in segments {
        let (offset, size) = segment.file_range(endian);
        let end = offset.checked_add(size).ok_or(cut_off.clone())?;
        match segment.p_type(endian) {
            elf::PT_LOAD if end > length && facts.kind != elf::ET_CORE => return Err(cut_off),
            elf::PT_INTERP => {
                let damaged = NotElf::Damaged("the name of its loader cannot be read");
                let name = data.read_bytes_at(offset, size.min(NAME_MAX)).map_err(|()| damaged.clone())?;
                let name = name.split(|byte| *byte == 0).next().filter(|name| !name.is_empty());
                facts.loader = Some(name.ok_or(damaged)?.to_vec());
            }
            elf::PT_DYNAMIC => dynamic::<H>(segments, offset, size, endian, data, &mut facts)
                .ok_or(NotElf::Damaged("its dynamic section cannot be read"))?,
            _ => {}
        }
    }
    Ok(facts)
}

fn dynamic<'data, H: FileHeader<Endian = Endianness>>(
    segments: &[H::ProgramHeader],
    offset: u64,
    size: u64,
    endian: Endianness,
    data: impl ReadRef<'data>,
    facts: &mut Facts,
) -> Option<()> {
    let count = usize::try_from(size).ok()? / size_of::<H::Dyn>();
    let rows: &[H::Dyn] = data.read_slice_at(offset, count).ok()?;
    let rows = || rows.iter().map(|row| (row.d_tag(endian), row.d_val(endian).into()));
    let value = |wanted: DynamicTag| rows().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);

    facts.named = value(elf::DT_SONAME).is_some();
    facts.pie = value(elf::DT_FLAGS_1).is_some_and(|flags: u64| flags & DF_1_PIE != 0);
    let wanted: Vec<u64> = rows()
        .take_while(|(found, _)| *found != elf::DT_NULL)
        .filter(|(found, _)| *found == elf::DT_NEEDED)
        .map(|(_, value)| value)
        .collect();
    if wanted.is_empty() {
        return Some(());
    }
    let strings = Strings::at::<H>(value(elf::DT_STRTAB)?, segments, endian)?;
    facts.needed = wanted.into_iter().map(|name| strings.get(name, NAME_MAX, data)).collect::<Option<_>>()?;
    Some(())
}

/// Identifies a file that does not start like ELF. Magic numbers: `<mach-o/loader.h>`, `<mach-o/fat.h>`, the
/// PE format.
fn other_format(head: &[u8]) -> NotElf {
    let starts = |magics: &[&[u8]]| magics.iter().any(|magic| head.starts_with(magic));
    let fat = head.starts_with(b"\xca\xfe\xba\xbe")
        && head.get(4..8).is_some_and(|count| count < &[0, 0, 0, 45][..]);
    if head.is_empty() {
        NotElf::Empty
    } else if let Some(rest) = head.strip_prefix(b"#!") {
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        NotElf::Script(String::from_utf8_lossy(line).trim().to_owned())
    } else if fat
        || starts(&[b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"])
    {
        NotElf::MachO
    } else if starts(&[b"MZ"]) {
        NotElf::Windows
    } else if starts(&[b"!<arch>\n"]) {
        NotElf::Archive
    } else if head.iter().all(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~' | 0x80..)) {
        NotElf::Text
    } else {
        NotElf::Unknown
    }
}

/// A library's data as its loader would leave them in memory, at the addresses in the file. So its structures
/// can be read without running it.
pub struct Image<'d> {
    file: object::File<'d>,
    /// Pointers that the loader sets, by their addresses.
    pointers: BTreeMap<u64, u64>,
}

impl<'d> Image<'d> {
    /// The image of the library with these bytes; `None` for anything else.
    pub fn of(library: &'d [u8]) -> Option<Self> {
        let file = object::File::parse(library).ok()?;
        let mut pointers = BTreeMap::new();
        for (address, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let base = match relocation.target() {
                // Its own definition: whether another object has one too is not known.
                RelocationTarget::Symbol(index) => {
                    file.dynamic_symbol_table()?.symbol_by_index(index).ok()?.address()
                }
                _ => 0,
            };
            let addend = if relocation.has_implicit_addend() {
                number(&file, address, if file.is_64() { 8 } else { 4 })?
            } else {
                relocation.addend().cast_unsigned()
            };
            pointers.insert(address, base.wrapping_add(addend));
        }
        Some(Self { file, pointers })
    }

    /// The address of a symbol that it exports.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let mut symbols = self.file.dynamic_symbols();
        symbols
            .find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
            .map(|symbol| symbol.address())
    }

    /// Length of a pointer, in bytes.
    pub fn pointer_size(&self) -> u64 {
        if self.file.is_64() { 8 } else { 4 }
    }

    /// The pointer at `address`; 0 is null.
    pub fn pointer(&self, address: u64) -> Option<u64> {
        let set = self.pointers.get(&address).copied();
        set.or_else(|| number(&self.file, address, self.pointer_size()))
    }

    /// The `int` at `address`.
    pub fn int(&self, address: u64) -> Option<i32> {
        let number = u32::try_from(number(&self.file, address, 4)?).ok()?;
        Some(number.cast_signed())
    }

    /// The string at `address`.
    pub fn text(&self, address: u64) -> Option<&'d [u8]> {
        let bytes = self.file.segments().find_map(|segment| {
            let within = address.checked_sub(segment.address())?;
            segment.data().ok()?.get(usize::try_from(within).ok()?..)
        })?;
        bytes.split(|byte| *byte == 0).next()
    }
}

/// The number of `size` bytes at `address` of a file; zeros that it does not store count.
fn number(file: &object::File<'_>, address: u64, size: u64) -> Option<u64> {
    for segment in file.segments() {
        let end = segment.address().checked_add(segment.size())?;
        if address < segment.address() || address.checked_add(size)? > end {
            continue;
        }
        let Ok(Some(bytes)) = segment.data_range(address, size) else { return Some(0) };
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let little = file.is_little_endian();
        return Some(if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) });
    }
    None
}

/// `EI_CLASS` and `EI_DATA` in words, as file(1) has them.
pub fn shape(class: u8, data: u8) -> &'static str {
    match (class == Class::Elf32 as u8, data == Endian::Little as u8) {
        (true, true) => "ELF 32-bit LSB",
        (true, false) => "ELF 32-bit MSB",
        (false, true) => "ELF 64-bit LSB",
        (false, false) => "ELF 64-bit MSB",
    }
}
