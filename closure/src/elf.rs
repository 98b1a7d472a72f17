//! What the headers of one ELF file say: its loader, the libraries that it needs, where to search for them,
//! its notes. The only file that uses `object`. Reads both classes and byte orders, and refuses offsets
//! outside the file.

use bundle::Arch;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf::FileHeader32, elf::FileHeader64};

use crate::note::{self, Dlopen};
use crate::tree::Open;

/// The longest name that is read, in bytes: `PATH_MAX` of `<linux/limits.h>`; search paths may be several of
/// them long.
const NAME_MAX: u64 = 16 * 4096;

/// `DF_1_NODEFLIB` of `<elf.h>`: no built-in directory is searched.
const DF_1_NODEFLIB: u64 = 0x800;

/// What an ELF file's headers say to a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The CPU it was built for.
    pub arch: Arch,
    /// `PT_INTERP`.
    pub interpreter: Option<Vec<u8>>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<Vec<u8>>,
    /// `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// `DT_RPATH`.
    pub rpath: Option<Vec<u8>>,
    /// `DT_RUNPATH`.
    pub runpath: Option<Vec<u8>>,
    /// Whether built-in directories are not searched for what it needs.
    pub nodeflib: bool,
    /// What it may load at run time, by its own notes.
    pub dlopen: Vec<Dlopen>,
    /// The functions and variables that it imports, if it has a section that lists them.
    pub imports: Vec<Vec<u8>>,
}

impl Object {
    /// Reads what `file` says; I/O errors count as damage.
    pub fn read(file: &mut impl Open) -> Result<Self, NotAnObject> {
        read(file)
    }
}

/// Why a file is not an object that a loader can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnObject {
    /// Not an ELF file, or a damaged one.
    Other,
    /// An ELF file for a CPU outside the table.
    UnknownCpu,
}

/// Reads what `file` says; I/O errors count as damage.
pub(crate) fn read(file: &mut (impl Open + ?Sized)) -> Result<Object, NotAnObject> {
    let cache = ReadCache::new(file);
    let class = cache.read_bytes_at(0, 6).map_err(|()| NotAnObject::Other)?;
    match (class.get(..4), class.get(4)) {
        (Some(magic), Some(1)) if magic == elf::ELFMAG => facts::<FileHeader32<Endianness>>(&cache, 1),
        (Some(magic), Some(2)) if magic == elf::ELFMAG => facts::<FileHeader64<Endianness>>(&cache, 2),
        _ => Err(NotAnObject::Other),
    }
}

fn facts<'data, H: FileHeader<Endian = Endianness>>(
    data: impl ReadRef<'data>,
    class: u8,
) -> Result<Object, NotAnObject> {
    let header = H::parse(data).map_err(|_| NotAnObject::Other)?;
    let endian = header.endian().map_err(|_| NotAnObject::Other)?;
    let order = if endian == Endianness::Little { 1 } else { 2 };
    let arch = Arch::from_elf(class, order, header.e_machine(endian).0, header.e_flags(endian).0)
        .ok_or(NotAnObject::UnknownCpu)?;
    if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
        return Err(NotAnObject::Other);
    }
    let mut object = Object {
        arch,
        interpreter: None,
        needed: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        nodeflib: false,
        dlopen: Vec::new(),
        imports: imports(header, endian, data),
    };
    let segments = header.program_headers(endian, data).map_err(|_| NotAnObject::Other)?;
    for segment in segments {
        let (offset, size) = segment.file_range(endian);
        match segment.p_type(endian) {
            elf::PT_INTERP => {
                let name = data.read_bytes_at(offset, size.min(NAME_MAX)).map_err(|()| NotAnObject::Other)?;
                object.interpreter = name.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
            }
            elf::PT_DYNAMIC => {
                dynamic::<H>(segments, (offset, size), endian, data, &mut object)
                    .ok_or(NotAnObject::Other)?;
            }
            elf::PT_NOTE => {
                let Ok(Some(mut notes)) = segment.notes(endian, data) else { continue };
                while let Ok(Some(found)) = notes.next() {
                    if found.name() == note::OWNER && found.n_type(endian).0 == note::KIND {
                        object.dlopen.extend(note::parse(found.desc()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(object)
}

fn dynamic<'data, H: FileHeader<Endian = Endianness>>(
    segments: &[H::ProgramHeader],
    (offset, size): (u64, u64),
    endian: Endianness,
    data: impl ReadRef<'data>,
    object: &mut Object,
) -> Option<()> {
    let count = usize::try_from(size).ok()? / size_of::<H::Dyn>();
    let rows: &[H::Dyn] = data.read_slice_at(offset, count).ok()?;
    let rows = rows.iter().map(|row| (row.d_tag(endian), row.d_val(endian).into()));
    let rows: Vec<(elf::DynamicTag, u64)> = rows.take_while(|(tag, _)| *tag != elf::DT_NULL).collect();
    let value = |wanted| rows.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);

    object.nodeflib = value(elf::DT_FLAGS_1).is_some_and(|flags| flags & DF_1_NODEFLIB != 0);
    let named = [elf::DT_NEEDED, elf::DT_SONAME, elf::DT_RPATH, elf::DT_RUNPATH];
    if !rows.iter().any(|(tag, _)| named.contains(tag)) {
        return Some(());
    }
    let strings = Strings::at::<H>(value(elf::DT_STRTAB)?, segments, endian)?;
    let text = |at: u64| strings.get(at, NAME_MAX, data);
    let one = |tag| value(tag).map(text).map_or(Some(None), |text| text.map(Some));
    object.soname = one(elf::DT_SONAME)?;
    object.rpath = one(elf::DT_RPATH)?;
    object.runpath = one(elf::DT_RUNPATH)?;
    let needed = rows.iter().filter(|(tag, _)| *tag == elf::DT_NEEDED);
    object.needed = needed.map(|(_, at)| text(*at)).collect::<Option<_>>()?;
    Some(())
}

/// The string table of a dynamic section: its start in the file, and the end of the segment that contains it.
#[derive(Clone, Copy, Debug)]
pub struct Strings {
    start: u64,
    end: u64,
}

impl Strings {
    /// The table at `address` (`DT_STRTAB`); `None` if no loaded segment contains it.
    pub fn at<H: FileHeader<Endian = Endianness>>(
        address: u64,
        segments: &[H::ProgramHeader],
        endian: Endianness,
    ) -> Option<Self> {
        segments.iter().find_map(|segment| {
            let from: u64 = segment.p_vaddr(endian).into();
            let (offset, size) = segment.file_range(endian);
            let within = address.checked_sub(from).filter(|within| *within < size)?;
            let table = Self { start: offset.checked_add(within)?, end: offset.checked_add(size)? };
            (segment.p_type(endian) == elf::PT_LOAD).then_some(table)
        })
    }

    /// The string at `offset`, without its NUL, of at most `longest` bytes; `None` if it cannot be read.
    pub fn get<'data>(&self, offset: u64, longest: u64, data: impl ReadRef<'data>) -> Option<Vec<u8>> {
        let at = self.start.checked_add(offset).filter(|at| *at < self.end)?;
        let bytes = data.read_bytes_at(at, longest.min(self.end - at)).ok()?;
        bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
    }
}

/// Undefined dynamic symbols, found by sections. A file without sections is still valid: loaders do not need
/// them.
fn imports<'data, H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    data: impl ReadRef<'data>,
) -> Vec<Vec<u8>> {
    let Ok(sections) = header.sections(endian, data) else { return Vec::new() };
    let Some((number, section)) =
        sections.enumerate().find(|(_, section)| section.sh_type(endian) == elf::SHT_DYNSYM)
    else {
        return Vec::new();
    };
    let Ok(Some(symbols)) = section.symbols(endian, data, &sections, number) else { return Vec::new() };
    let undefined = symbols.iter().filter(|symbol| symbol.is_undefined(endian));
    undefined.filter_map(|symbol| Some(symbols.symbol_name(endian, symbol).ok()?.to_vec())).collect()
}
