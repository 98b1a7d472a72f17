//! Whether a file can be an emulator on a host: a program for that CPU that needs no other file to start. The
//! only file that uses `object`. Refuses dynamic programs, libraries, object files and other CPUs' programs,
//! each by name. Reads headers only; whether the program emulates anything is not checked here.

use std::fs::File;
use std::path::Path;

use bundle::{Arch, Class, Endian};
use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, ReadCache, ReadRef};

/// Why a file cannot be an emulator for a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfFault {
    /// The file could not be opened or read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Not an ELF file.
    #[error("it is {0}, not an ELF program")]
    NotElf(&'static str),
    /// An ELF file for another CPU.
    #[error("it was built for {found}, not for {host}")]
    WrongCpu {
        /// The CPU, or the numbers in the ELF header if the table has no such CPU.
        found: String,
        /// The host that it should run on.
        host: Arch,
    },
    /// It is dynamically linked: it needs the loader of the machine where it runs.
    #[error("it is dynamically linked: it would need the loader `{0}` and libraries on every machine")]
    Dynamic(String),
    /// An ELF file that is not a program.
    #[error("it is {0}, not a program")]
    NotProgram(&'static str),
    /// Its headers contradict the file.
    #[error("its ELF headers are damaged: {0}")]
    Damaged(String),
}

impl ElfFault {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Dynamic(_) => {
                "use a static build: `qemu-user` of Debian 13 or later, `qemu-user-static` before".into()
            }
            Self::WrongCpu { found, .. } => {
                format!("an emulator must be built for the host it runs on; this one runs on {found}")
            }
            Self::NotElf(_) | Self::NotProgram(_) => {
                "give the path of the program itself, such as `qemu-riscv64`".into()
            }
            Self::Unreadable(_) | Self::Damaged(_) => return None,
        })
    }
}

impl From<object::read::Error> for ElfFault {
    fn from(error: object::read::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Checks that the file at `path` is a static program for `host`.
pub fn check(path: &Path, host: Arch) -> Result<(), ElfFault> {
    let unreadable = |error: std::io::Error| ElfFault::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(ElfFault::NotElf("a directory"));
    }
    let cache = ReadCache::new(file);
    let data = &cache;
    let length = data.len().map_err(|()| ElfFault::Unreadable("its length is unknown".into()))?;
    let start =
        data.read_bytes_at(0, length.min(16)).map_err(|()| ElfFault::Unreadable("reading failed".into()))?;
    match *start {
        [] => Err(ElfFault::NotElf("an empty file")),
        [0x7f, b'E', b'L', b'F', class, ..] if class == Class::Elf32 as u8 => {
            headers::<elf::FileHeader32<Endianness>, _>(data, host)
        }
        [0x7f, b'E', b'L', b'F', class, ..] if class == Class::Elf64 as u8 => {
            headers::<elf::FileHeader64<Endianness>, _>(data, host)
        }
        [0x7f, b'E', b'L', b'F', ..] => Err(ElfFault::Damaged("its class is neither 32 nor 64 bits".into())),
        [b'#', b'!', ..] => Err(ElfFault::NotElf("a script")),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Err(ElfFault::NotElf("an archive or a package")),
        [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Err(ElfFault::NotElf("compressed"))
        }
        _ => Err(ElfFault::NotElf("some other file")),
    }
}

fn headers<'data, H, R>(data: R, host: Arch) -> Result<(), ElfFault>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let ident = header.e_ident();
    let (class, data_order) = (ident.class.0, ident.data.0);
    let (machine, flags) = (header.e_machine(endian).0, header.e_flags(endian).0);
    match Arch::from_elf(class, data_order, machine, flags) {
        Some(found) if found == host => {}
        Some(found) => return Err(ElfFault::WrongCpu { found: found.to_string(), host }),
        None => return Err(ElfFault::WrongCpu { found: describe(class, data_order, machine), host }),
    }
    let segments = header.program_headers(endian, data)?;
    for segment in segments {
        if let Some(loader) = segment.interpreter(endian, data)? {
            return Err(ElfFault::Dynamic(bundle::Shown(loader).to_string()));
        }
    }
    match header.e_type(endian) {
        elf::ET_EXEC => {}
        elf::ET_DYN if is_static_pie::<H, R>(segments, endian, data)? => {}
        elf::ET_DYN => return Err(ElfFault::NotProgram("a shared library")),
        elf::ET_REL => return Err(ElfFault::NotProgram("an object file")),
        elf::ET_CORE => return Err(ElfFault::NotProgram("a core dump")),
        other => return Err(ElfFault::Damaged(format!("its type is {}", other.0))),
    }
    let entry: u64 = header.e_entry(endian).into();
    let starts_in_code = segments.iter().any(|segment| {
        let from: u64 = segment.p_vaddr(endian).into();
        let length: u64 = segment.p_memsz(endian).into();
        segment.p_type(endian) == elf::PT_LOAD
            && entry.checked_sub(from).is_some_and(|offset| offset < length)
    });
    if starts_in_code {
        Ok(())
    } else {
        Err(ElfFault::Damaged("its entry point is outside its segments".into()))
    }
}

/// A shared object without a loader is a program if it is marked as one (`DF_1_PIE`) and needs no library.
fn is_static_pie<'data, H, R>(
    segments: &[H::ProgramHeader],
    endian: Endianness,
    data: R,
) -> Result<bool, ElfFault>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let mut says_pie = false;
    for segment in segments {
        for entry in segment.dynamic(endian, data)?.unwrap_or_default() {
            let tag = entry.tag(endian);
            if tag == elf::DT_NEEDED {
                return Ok(false);
            }
            says_pie |= tag == elf::DT_FLAGS_1 && entry.val(endian) & elf::DF_1_PIE.0 != 0;
        }
    }
    Ok(says_pie)
}

fn describe(class: u8, data: u8, machine: u16) -> String {
    let bits = if class == Class::Elf64 as u8 { "64" } else { "32" };
    let order = if data == Endian::Little as u8 { "little" } else { "big" };
    format!("an unknown architecture (ELF machine {machine}, {bits}-bit {order}-endian)")
}
