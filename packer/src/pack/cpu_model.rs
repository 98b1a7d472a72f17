//! Which CPU model an emulator shows to the app: what was asked for, else QEMU's own choice, with one
//! exception. Programs of Debian for aarch64 sign and check every return address (PAC). QEMU calls a helper
//! for each of these instructions, which makes such programs about half as fast, and protects nobody: an
//! emulator is no security boundary. On a CPU without that feature the same instructions do nothing, since
//! compilers use those of the hint space. It is turned off only if every ELF file of the app allows it; code
//! in archives (jar, wheel) and code made at run time is not looked at.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use bundle::Arch;

use crate::emulators::plan::Plan;
use crate::error::Error;
use crate::request::Request;
use crate::resolve::resolved_app::ResolvedApp;
use crate::tree::content::Content;

/// QEMU's default model for user mode, without pointer authentication.
const WITHOUT_PAC: &[u8] = b"max,pauth=off";

/// Where a table's offset and count are in the header of a 64-bit ELF file, and what a row has where.
struct Table {
    offset: usize,
    count: usize,
    row: usize,
    kind: usize,
    flags: usize,
    start: usize,
    size: usize,
}

/// System V ABI, "Program Header" and "Sections".
const SEGMENTS: Table = Table { offset: 32, count: 56, row: 56, kind: 0, flags: 4, start: 8, size: 32 };
const SECTIONS: Table = Table { offset: 40, count: 60, row: 64, kind: 4, flags: 8, start: 24, size: 32 };
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const SHT_PROGBITS: u32 = 1;
const SHF_EXECINSTR: u32 = 4;
/// `.note.gnu.property` (the Linux extensions of the ABI).
const PT_GNU_PROPERTY: u32 = 0x6474_e553;
const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
/// The processor's features that all of a program's code was compiled for (ELF for the Arm 64-bit
/// Architecture, "Program Property"), and that of return addresses.
const FEATURE_1_AND: u32 = 0xc000_0000;
const FEATURE_1_PAC: u32 = 1 << 1;
/// A property note is shorter, in bytes.
const NOTE_MAX: u64 = 4096;

/// The model to ask the emulators of the first variant for; `None` for their own choice, or where there are
/// none.
pub(crate) fn of(request: &Request, app: &ResolvedApp, plan: &Plan) -> Result<Option<Vec<u8>>, Error> {
    if plan.pairs.is_empty() {
        return Ok(None);
    }
    let by_itself = app.target == Arch::Aarch64 && !request.is_emulator_only();
    // With a private binfmt_misc, emulators of other targets get the same environment, and know no `pauth`.
    if request.cpu.is_some() || !by_itself || !request.also_targets.is_empty() {
        return Ok(request.cpu.clone());
    }
    let entries = app.entries.iter().filter_map(|entry| app.program(&entry.path));
    let gains = entries.map(signs_addresses).collect::<io::Result<Vec<_>>>().map_err(Error::Temporary)?;
    let pays = gains.contains(&true) && !needs_pac(app).map_err(Error::Temporary)?;
    Ok(pays.then(|| WITHOUT_PAC.to_vec()))
}

/// Whether the program says of itself that all of it signs return addresses: then it was compiled in the
/// usual way.
fn signs_addresses(program: &Content) -> io::Result<bool> {
    for segment in parts(program, &SEGMENTS)?.into_iter().filter(|segment| segment.kind == PT_GNU_PROPERTY) {
        if features(&segment.bytes(program, NOTE_MAX)?).is_some_and(|found| found & FEATURE_1_PAC != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `FEATURE_1_AND` of a property note.
fn features(note: &[u8]) -> Option<u32> {
    let word = |at: usize| Some(u32::from_le_bytes(*note.get(at..)?.first_chunk()?));
    if word(8)? != NT_GNU_PROPERTY_TYPE_0 || note.get(12..16)? != b"GNU\0" {
        return None;
    }
    let end = usize::try_from(word(4)?).ok()?.checked_add(16)?;
    let mut at = 16;
    while at < end {
        let (kind, length) = (word(at)?, usize::try_from(word(at + 4)?).ok()?);
        if kind == FEATURE_1_AND {
            return word(at + 8);
        }
        at = at.checked_add(8)?.checked_add(length.checked_next_multiple_of(8)?)?;
    }
    None
}

/// Whether some code of the app has an instruction that only exists with pointer authentication. Data among
/// the code may look like one; then nothing is gained, and nothing lost.
fn needs_pac(app: &ResolvedApp) -> io::Result<bool> {
    for (_, _, content) in app.files() {
        for code in code(content)? {
            let code = code.bytes(content, u64::MAX)?;
            if code.as_chunks().0.iter().any(|word| is_pac_alone(u32::from_le_bytes(*word))) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether an instruction of `FEAT_PAuth` lies outside the space of hints (Arm Architecture Reference Manual,
/// C4.1, "Top level encodings for A64"). LDRAA and LDRAB are not asked for: they load through pointers that
/// PACDA or PACDZA have signed, which are; and what looks like them is common among data.
fn is_pac_alone(instruction: u32) -> bool {
    let fits = |mask: u32, value: u32| instruction & mask == value;
    let (operation, first) = (instruction >> 10 & 0x3f, instruction >> 5 & 0x1f);
    // RETAA, RETAB; BRAAZ, BLRAAZ and BRAA, BLRAA with either key; PACGA.
    fits(0xffff_fbff, 0xd65f_0bff)
        || fits(0xffdf_f81f, 0xd61f_081f)
        || fits(0xffdf_f800, 0xd71f_0800)
        || fits(0xffe0_fc00, 0x9ac0_3000)
        // PACIA to AUTDB; PACIZA to AUTDZB, XPACI and XPACD have no register there.
        || fits(0xffff_0000, 0xdac1_0000) && (operation < 8 || operation < 18 && first == 31)
}

/// A part of a file.
struct Part {
    kind: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

impl Part {
    /// Its bytes, at most `most`.
    fn bytes(&self, file: &Content, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = file.reader();
        reader.seek(SeekFrom::Start(self.offset))?;
        reader.take(self.size.min(most)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The code of a program or library: its sections of instructions, or, if it has no table of sections, the
/// segments that can be executed, in which there may be much else.
fn code(file: &Content) -> io::Result<Vec<Part>> {
    let mut sections = parts(file, &SECTIONS)?;
    sections.retain(|section| section.kind == SHT_PROGBITS && section.flags & SHF_EXECINSTR != 0);
    if !sections.is_empty() {
        return Ok(sections);
    }
    let mut segments = parts(file, &SEGMENTS)?;
    segments.retain(|segment| segment.kind == PT_LOAD && segment.flags & PF_X != 0);
    Ok(segments)
}

/// The rows of a table of an ELF file for aarch64; none of any other file.
fn parts(file: &Content, table: &Table) -> io::Result<Vec<Part>> {
    let mut head = Vec::new();
    file.reader().take(64).read_to_end(&mut head)?;
    let machine = u16::try_from(number(&head, 18, 2)).unwrap_or_default();
    if !head.starts_with(b"\x7fELF\x02\x01") || !Arch::Aarch64.machines().contains(&machine) {
        return Ok(Vec::new());
    }
    let size = number(&head, table.count, 2) * table.row as u64;
    let rows = Part { kind: 0, flags: 0, offset: number(&head, table.offset, 8), size };
    let rows = rows.bytes(file, u64::MAX)?;
    let word = |row: &[u8], at| u32::try_from(number(row, at, 4)).unwrap_or_default();
    let part = |row: &[u8]| Part {
        kind: word(row, table.kind),
        flags: word(row, table.flags),
        offset: number(row, table.start, 8),
        size: number(row, table.size, 8),
    };
    Ok(rows.chunks_exact(table.row).map(part).collect())
}

/// A little-endian number of `length` bytes; 0 where there are fewer.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_the_hint_space_are_no_loss_and_all_others_of_pointer_authentication_are() {
        // As `aarch64-linux-gnu-as -march=armv8.3-a` has them.
        for hint in [
            0xd503_233f, // paciasp
            0xd503_23bf, // autiasp
            0xd503_20ff, // xpaclri
            0xd503_211f, // pacia1716
            0xd503_245f, // bti c
        ] {
            assert!(!is_pac_alone(hint), "{hint:x}");
        }
        for alone in [
            0xd65f_0bff_u32, // retaa
            0xd65f_0fff,     // retab
            0xd71f_0801,     // braa x0, x1
            0xd61f_081f,     // braaz x0
            0xd73f_0c01,     // blrab x0, x1
            0xdac1_0020,     // pacia x0, x1
            0xdac1_1020,     // autia x0, x1
            0xdac1_43e0,     // xpaci x0
            0x9ac2_3020,     // pacga x0, x1, x2
            0xdac1_23e0,     // paciza x0
        ] {
            assert!(is_pac_alone(alone), "{alone:x}");
        }
        for other in [
            0xd65f_03c0_u32, // ret
            0xd61f_0000,     // br x0
            0xd63f_0000,     // blr x0
            0xf840_0420,     // ldr x0, [x1], #0
            0xf820_0020,     // ldadd x0, x0, [x1]
            0xf861_6820,     // ldr x0, [x1, x1]
            0xdac0_1020,     // clz x0, x1
            0x9ac1_2020,     // lsl x0, x1, x1
        ] {
            assert!(!is_pac_alone(other), "{other:x}");
        }
    }

    #[test]
    fn the_feature_word_is_read_among_other_properties_and_damaged_notes_say_nothing() {
        let note = |properties: &[u32]| {
            let words = [4, u32::try_from(properties.len() * 4).expect("small"), 5].into_iter();
            let name = [u32::from_le_bytes(*b"GNU\0")];
            let all = words.chain(name).chain(properties.iter().copied());
            all.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        assert_eq!(features(&note(&[FEATURE_1_AND, 4, 3, 0])), Some(3));
        assert_eq!(features(&note(&[1, 8, 7, 7, FEATURE_1_AND, 4, 2, 0])), Some(2));
        assert_eq!(features(&note(&[1, 8, 7, 7])), None);
        assert_eq!(features(&note(&[1, u32::MAX, 7, 7])), None);
        let whole = note(&[FEATURE_1_AND, 4, 3, 0]);
        for end in 0..28 {
            assert_eq!(features(&whole[..end]), None, "{end}");
        }
    }
}
