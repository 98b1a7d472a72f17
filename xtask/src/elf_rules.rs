//! Rules for every program that is committed: launchers, brokers, emulators. An allow-list over the headers
//! of the ELF file. The only file that uses `object`.

use anyhow::{Context, Result, bail, ensure};
use bundle::{Arch, Class, Endian};
use object::Endianness;
use object::elf::{FileHeader32, FileHeader64};
use object::elf::{PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::{Object as _, ObjectSegment as _};

/// What the ELF header of a host's programs says beyond the table of CPUs.
pub(crate) struct Machine {
    pub(crate) host: Arch,
    /// `e_flags` (each CPU's psABI).
    pub(crate) flags: u32,
    /// Bytes: the largest page of this CPU's kernels, to which every segment is aligned.
    pub(crate) page: u64,
}

/// The file up to the last byte that the kernel loads: the linker leaves names of sections behind it that are
/// not there.
pub(crate) fn loaded_part(linked: &[u8]) -> Result<Vec<u8>> {
    let file = object::File::parse(linked)?;
    let ends = file.segments().map(|segment| segment.file_range()).map(|(start, length)| start + length);
    let end = usize::try_from(ends.max().context("it has no segment")?)?;
    Ok(linked.get(..end).context("it is cut off")?.to_vec())
}

/// Checks that `bytes` are a static program for the machine: at a fixed address, needing no loader, no
/// library and no relocation, without memory that is writable and executable.
pub(crate) fn check(machine: &Machine, bytes: &[u8]) -> Result<()> {
    let class = *bytes.get(4).context("it is no ELF file")?;
    ensure!(class == machine.host.class() as u8, "its ELF class is {class}");
    if machine.host.class() == Class::Elf64 {
        check_headers::<FileHeader64<Endianness>>(machine, bytes)
    } else {
        check_headers::<FileHeader32<Endianness>>(machine, bytes)
    }
}

fn check_headers<Elf: FileHeader<Endian = Endianness>>(machine: &Machine, bytes: &[u8]) -> Result<()> {
    let header = Elf::parse(bytes)?;
    let endian = header.endian()?;
    ensure!(
        (endian == Endianness::Big) == (machine.host.endian() == Endian::Big),
        "its byte order is {endian:?}"
    );
    let (found, flags) = (header.e_machine(endian).0, header.e_flags(endian).0);
    ensure!(machine.host.machines().contains(&found), "e_machine is {found}, not that of {}", machine.host);
    ensure!(flags == machine.flags, "e_flags is {flags:#x}, not {:#x}", machine.flags);
    ensure!(header.e_type(endian) == object::elf::ET_EXEC, "it is not of type ET_EXEC");

    let mut stack = false;
    for segment in header.program_headers(endian, bytes)? {
        let flags = segment.p_flags(endian);
        let executable = flags.0 & PF_X.0 != 0;
        match segment.p_type(endian) {
            PT_INTERP => bail!("it asks for a loader (PT_INTERP)"),
            PT_DYNAMIC => bail!("it asks for libraries (PT_DYNAMIC)"),
            PT_GNU_STACK => {
                ensure!(!executable, "its stack is executable");
                stack = true;
            }
            PT_LOAD => {
                let align: u64 = segment.p_align(endian).into();
                ensure!(
                    align >= machine.page,
                    "a segment is aligned to {align:#x}, kernels have pages of {:#x}",
                    machine.page
                );
            }
            _ => {}
        }
        ensure!(!(executable && flags.0 & PF_W.0 != 0), "a segment is writable and executable");
    }
    ensure!(stack, "it does not say that its stack is not executable (PT_GNU_STACK)");
    Ok(())
}
