//! Gives a dynamic ELF file another search path for its libraries, by appending: a block after everything
//! that is loaded holds a longer program header table, the dynamic section with `DT_RPATH`, and the path.
//! What was there keeps its place and address, so nothing that points to it has to be understood. The layouts
//! are those of elf(5).

use bundle::{Arch, Class, Endian, PATH_MAX};

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const PT_PHDR: u64 = 6;
const PF_W: u64 = 2;
const PF_R: u64 = 4;
const SHT_DYNAMIC: u64 = 6;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// The largest page size of the hosts' kernels, in bytes: segments start at a multiple of it.
const PAGE_MAX: u64 = 0x1_0000;

/// The most zeros that are put into a file, in bytes: one for each byte that the program has without storing
/// it. Kernels before 5.18 look for the table at the address that its place in the file implies
/// (`create_elf_tables` of `fs/binfmt_elf.c`).
const HOLE_MAX: u64 = 64 << 20;

/// The bytes of a file, and how it encodes numbers.
struct Image {
    bytes: Vec<u8>,
    wide: bool,
    big: bool,
}

/// The position of a field in `Elf32_*` and in `Elf64_*`.
type Field = (usize, usize);

const E_PHOFF: Field = (28, 32);
const E_SHOFF: Field = (32, 40);
const E_PHNUM: Field = (44, 56);
const E_SHNUM: Field = (48, 60);
const P_FLAGS: Field = (24, 4);
const P_OFFSET: Field = (4, 8);
const P_VADDR: Field = (8, 16);
const P_PADDR: Field = (12, 24);
const P_FILESZ: Field = (16, 32);
const P_MEMSZ: Field = (20, 40);
const P_ALIGN: Field = (28, 48);
const SH_ADDR: Field = (12, 16);
const SH_OFFSET: Field = (16, 24);
const SH_SIZE: Field = (20, 32);
const PHDR_SIZE: Field = (32, 56);
const SHDR_SIZE: Field = (40, 64);

const OUTSIDE: &str = "its headers point outside the file";

/// `bytes` with `search` as its `DT_RPATH`, in place of all its search paths. With `placed`, `PT_INTERP` is
/// the `PATH_MAX` bytes after the end of the file, which whoever puts the file in its place appends.
pub(crate) fn rewritten(
    bytes: Vec<u8>,
    target: Arch,
    search: &[u8],
    placed: bool,
) -> Result<Vec<u8>, &'static str> {
    let (wide, big) = (target.class() == Class::Elf64, target.endian() == Endian::Big);
    let mut image = Image { bytes, wide, big };
    image.rewrite(search, placed)?;
    Ok(image.bytes)
}

impl Image {
    fn rewrite(&mut self, search: &[u8], placed: bool) -> Result<(), &'static str> {
        let table = self.offset(0, E_PHOFF)?;
        let count = usize::from(self.half(E_PHNUM)?);
        let length = self.pick(PHDR_SIZE);
        let row = |number: usize| table + number * length;
        let rows = |image: &Self, kind: u64| -> Result<Vec<usize>, &'static str> {
            let found = (0..count).map(|number| Ok((row(number), image.number(row(number), 4)?)));
            let found: Vec<(usize, u64)> = found.collect::<Result<_, &'static str>>()?;
            Ok(found.into_iter().filter(|(_, found)| *found == kind).map(|(at, _)| at).collect())
        };
        let loads = rows(self, PT_LOAD)?;
        let dynamic = *rows(self, PT_DYNAMIC)?.first().ok_or("it has no dynamic section")?;
        let first = *loads.first().ok_or("it has no loadable segment")?;

        // The same distance between address and place in the file as at its start, where the table was.
        let bias = self.word(first, P_VADDR)?.wrapping_sub(self.word(first, P_OFFSET)?);
        let mut end = 0;
        for load in &loads {
            let top = self.word(*load, P_VADDR)?.checked_add(self.word(*load, P_MEMSZ)?).ok_or(OUTSIDE)?;
            end = end.max(top.wrapping_sub(bias));
        }
        let stored = self.bytes.len() as u64;
        let start = end.max(stored).checked_next_multiple_of(PAGE_MAX).ok_or(OUTSIDE)?;
        if start - stored > HOLE_MAX || bias % PAGE_MAX != 0 {
            return Err("its segments leave no room for another one");
        }
        let address = start.wrapping_add(bias);

        let headers = self.piece(table, count * length)?;
        let entries = self.entries(dynamic)?;
        let strings = entries.iter().find(|(tag, _)| *tag == DT_STRTAB).ok_or("it has no string table")?.1;
        let size = if self.wide { 16 } else { 8 };
        let kept = entries.into_iter().filter(|(tag, _)| *tag != DT_RPATH && *tag != DT_RUNPATH);
        let mut kept: Vec<(u64, u64)> = kept.collect();
        let dynamic_at = (headers.len() + length).next_multiple_of(16);
        let search_at = dynamic_at + (kept.len() + 2) * size;
        let in_strings = (address + search_at as u64)
            .checked_sub(strings)
            .ok_or("its string table is at too high an address")?;
        // Tools compare with it; loaders do not.
        for (tag, value) in &mut kept {
            if *tag == DT_STRSZ {
                *value = in_strings + search.len() as u64 + 1;
            }
        }
        kept.push((DT_RPATH, in_strings));
        kept.push((DT_NULL, 0));

        let place = usize::try_from(start).map_err(|_| OUTSIDE)?;
        self.bytes.resize(place, 0);
        self.bytes.extend_from_slice(&headers);
        self.bytes.resize(place + dynamic_at, 0);
        for (tag, value) in &kept {
            let at = self.bytes.len();
            self.bytes.resize(at + size, 0);
            self.put(at, size / 2, *tag)?;
            self.put(at + size / 2, size / 2, *value)?;
        }
        self.bytes.extend_from_slice(search);
        self.bytes.push(0);
        let whole = self.bytes.len() - place;

        let moved = |at: usize| place + (at - table);
        for at in rows(self, PT_PHDR)? {
            self.region(moved(at), start, address, headers.len() + length)?;
        }
        let (at, length_of_dynamic) = (dynamic_at as u64, kept.len() * size);
        self.region(moved(dynamic), start + at, address + at, length_of_dynamic)?;
        let added = place + headers.len();
        self.put(added, 4, PT_LOAD)?;
        self.put(added + self.pick(P_FLAGS), 4, PF_R | PF_W)?;
        self.region(added, start, address, whole)?;
        self.put_word(added, P_ALIGN, PAGE_MAX)?;
        if placed {
            let interpreter = *rows(self, PT_INTERP)?.first().ok_or("it names no loader")?;
            // p_vaddr stays: the loader reads the name there by which libraries know it.
            self.put_word(moved(interpreter), P_OFFSET, start + whole as u64)?;
            self.put_word(moved(interpreter), P_FILESZ, PATH_MAX as u64)?;
        }
        self.section(start + at, address + at, length_of_dynamic)?;
        self.put_word(0, E_PHOFF, start)?;
        self.put(self.pick(E_PHNUM), 2, count as u64 + 1)
    }

    /// Tags and values up to `DT_NULL`.
    fn entries(&self, dynamic: usize) -> Result<Vec<(u64, u64)>, &'static str> {
        let half = if self.wide { 8 } else { 4 };
        let (start, length) = (self.offset(dynamic, P_OFFSET)?, self.offset(dynamic, P_FILESZ)?);
        let mut entries = Vec::new();
        for at in (start..start.checked_add(length).ok_or(OUTSIDE)?).step_by(half * 2) {
            match (self.number(at, half)?, self.number(at + half, half)?) {
                (0, _) => break,
                entry => entries.push(entry),
            }
        }
        Ok(entries)
    }

    /// Debuggers look for the dynamic section here.
    fn section(&mut self, offset: u64, address: u64, length: usize) -> Result<(), &'static str> {
        let (table, size) = (self.offset(0, E_SHOFF)?, self.pick(SHDR_SIZE));
        for number in 0..usize::from(self.half(E_SHNUM)?) {
            let at = table + number * size;
            // A stripped file may lack them.
            if self.number(at + 4, 4).is_ok_and(|kind| kind == SHT_DYNAMIC) {
                self.put_word(at, SH_ADDR, address)?;
                self.put_word(at, SH_OFFSET, offset)?;
                self.put_word(at, SH_SIZE, length as u64)?;
            }
        }
        Ok(())
    }

    fn region(&mut self, row: usize, offset: u64, address: u64, length: usize) -> Result<(), &'static str> {
        let length = length as u64;
        let fields = [P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ];
        let values = [offset, address, address, length, length];
        fields.into_iter().zip(values).try_for_each(|(field, value)| self.put_word(row, field, value))
    }

    fn pick(&self, (narrow, wide): Field) -> usize {
        if self.wide { wide } else { narrow }
    }

    fn piece(&self, at: usize, length: usize) -> Result<Vec<u8>, &'static str> {
        let end = at.checked_add(length).ok_or(OUTSIDE)?;
        self.bytes.get(at..end).map(<[u8]>::to_vec).ok_or(OUTSIDE)
    }

    fn number(&self, at: usize, length: usize) -> Result<u64, &'static str> {
        let mut bytes = self.piece(at, length)?;
        if self.big {
            bytes.reverse();
        }
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn half(&self, field: Field) -> Result<u16, &'static str> {
        u16::try_from(self.number(self.pick(field), 2)?).map_err(|_| OUTSIDE)
    }

    fn word(&self, row: usize, field: Field) -> Result<u64, &'static str> {
        self.number(row + self.pick(field), if self.wide { 8 } else { 4 })
    }

    fn offset(&self, row: usize, field: Field) -> Result<usize, &'static str> {
        usize::try_from(self.word(row, field)?).ok().filter(|at| *at <= self.bytes.len()).ok_or(OUTSIDE)
    }

    fn put(&mut self, at: usize, length: usize, value: u64) -> Result<(), &'static str> {
        let mut bytes = value.to_le_bytes()[..length].to_vec();
        if self.big {
            bytes.reverse();
        }
        self.bytes.get_mut(at..at + length).ok_or(OUTSIDE)?.copy_from_slice(&bytes);
        Ok(())
    }

    fn put_word(&mut self, row: usize, field: Field, value: u64) -> Result<(), &'static str> {
        self.put(row + self.pick(field), if self.wide { 8 } else { 4 }, value)
    }
}
