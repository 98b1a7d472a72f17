//! The manifest: a borrowed view, checked once in [`Manifest::decode`], so that reading a row later cannot fail on
//! anything but a row number that does not exist.

use crate::bytes::{index, u16_at, u32_at};
use crate::{
    Arch, Blob, BlobKind, EmulatorKey, Encoding, Entry, FormatError, Launcher, Notice, Part, Rule, RuleKind,
    Rules, Translator, Variant,
};

/// Length of the manifest's header in bytes.
pub(crate) const HEADER: usize = 40;
pub(crate) const LAUNCHER_ROW: usize = 8;
pub(crate) const VARIANT_ROW: usize = 28;
pub(crate) const ENTRY_ROW: usize = 32;
pub(crate) const TRANSLATOR_ROW: usize = 44;
pub(crate) const RULE_ROW: usize = 20;
pub(crate) const NOTICE_ROW: usize = 32;

/// Bit of a launcher row: the file begins with it.
pub(crate) const LAUNCHER_HEAD: u16 = 1;

/// `PATH_MAX` of `<linux/limits.h>`: a longer path cannot be opened.
const PATH_MAX: usize = 4096;

/// The list of blobs and how to run them; see FORMAT.md, section "Manifest".
#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a> {
    blobs: &'a [u8],
    launchers: &'a [u8],
    variants: &'a [u8],
    entries: &'a [u8],
    translators: &'a [u8],
    rules: &'a [u8],
    notices: &'a [u8],
    strings: &'a [u8],
}

const SHORT: FormatError = FormatError::Length(Part::Manifest);

/// Takes the next `count` rows of `row` bytes off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8], count: u32, row: usize) -> Result<&'a [u8], FormatError> {
    let length = index(count).checked_mul(row).ok_or(SHORT)?;
    let (table, after) = rest.split_at_checked(length).ok_or(SHORT)?;
    *rest = after;
    Ok(table)
}

/// Row `number` of a table; `None` past its end.
fn row(table: &[u8], number: u32, length: usize) -> Option<&[u8]> {
    let start = index(number).checked_mul(length)?;
    table.get(start..start.checked_add(length)?)
}

impl<'a> Manifest<'a> {
    /// Reads and checks a manifest. `blobs_end` is where the bytes that blobs may lie in end: the manifest's own offset.
    /// The digest of `bytes` must have been compared with the footer's before.
    pub fn decode(bytes: &'a [u8], blobs_end: u64) -> Result<Self, FormatError> {
        let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(SHORT)?;
        let field = |number: usize| u32_at(header, number.saturating_mul(4)).ok_or(SHORT);
        if field(0)? != 0 || field(9)? != 0 {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        let manifest = Self {
            blobs: take(&mut rest, field(1)?, Blob::ROW)?,
            launchers: take(&mut rest, field(2)?, LAUNCHER_ROW)?,
            variants: take(&mut rest, field(3)?, VARIANT_ROW)?,
            entries: take(&mut rest, field(4)?, ENTRY_ROW)?,
            translators: take(&mut rest, field(5)?, TRANSLATOR_ROW)?,
            rules: take(&mut rest, field(6)?, RULE_ROW)?,
            notices: take(&mut rest, field(7)?, NOTICE_ROW)?,
            strings: take(&mut rest, field(8)?, 1)?,
        };
        if !rest.is_empty() {
            return Err(SHORT);
        }
        manifest.check_blobs(blobs_end)?;
        manifest.check_rows()?;
        Ok(manifest)
    }

    /// Blobs stand in the order of their offsets, the first at 0, none over another or over the manifest.
    fn check_blobs(&self, blobs_end: u64) -> Result<(), FormatError> {
        let mut free = 0;
        for (number, row) in self.blobs.chunks_exact(Blob::ROW).enumerate() {
            let blob = Blob::decode(row)?;
            if number == 0 && blob.offset != 0 {
                return Err(FormatError::OutOfBounds(Part::Blob));
            }
            if blob.offset < free {
                return Err(FormatError::Overlap);
            }
            free = blob.end().filter(|end| *end <= blobs_end).ok_or(FormatError::OutOfBounds(Part::Blob))?;
        }
        Ok(())
    }

    fn check_rows(&self) -> Result<(), FormatError> {
        self.rules.chunks_exact(RULE_ROW).try_for_each(|row| self.rule(row)?.check())?;
        self.launchers.chunks_exact(LAUNCHER_ROW).try_for_each(|row| self.launcher(row).map(drop))?;
        for (number, row) in self.variants.chunks_exact(VARIANT_ROW).enumerate() {
            let variant = self.variant(number, row)?;
            if !variant.loader.is_empty() {
                check_path(variant.loader)?;
            }
        }
        for row in self.entries.chunks_exact(ENTRY_ROW) {
            let entry = self.entry(row)?;
            check_path(entry.path)?;
            if entry.name.is_empty() || entry.name.contains(&0) || entry.name.contains(&b'/') {
                return Err(FormatError::Name);
            }
        }
        for row in self.translators.chunks_exact(TRANSLATOR_ROW) {
            let translator = self.translator(row)?;
            match translator.blob.encoding {
                Encoding::TarZstd => check_path(translator.member)?,
                _ if translator.member.is_empty() => {}
                _ => return Err(FormatError::Name),
            }
        }
        self.notices.chunks_exact(NOTICE_ROW).try_for_each(|row| self.notice(row).map(drop))
    }

    /// Every blob in file order.
    pub fn blobs(&self) -> impl Iterator<Item = Blob> + use<'a> {
        self.blobs.chunks_exact(Blob::ROW).filter_map(|row| Blob::decode(row).ok())
    }

    /// Every launcher in file order.
    pub fn launchers(&self) -> impl Iterator<Item = Launcher> + use<'a> {
        let this = *self;
        self.launchers.chunks_exact(LAUNCHER_ROW).filter_map(move |row| this.launcher(row).ok())
    }

    /// Every variant, in the order of preference among those of one target.
    pub fn variants(&self) -> impl Iterator<Item = Variant<'a>> + use<'a> {
        let this = *self;
        let rows = self.variants.chunks_exact(VARIANT_ROW).enumerate();
        rows.filter_map(move |(number, row)| this.variant(number, row).ok())
    }

    /// The entries of one variant; the first is its default.
    pub fn entries(&self, variant: &Variant<'_>) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let this = *self;
        let number = variant.index;
        let all = self.entries.chunks_exact(ENTRY_ROW).filter_map(move |row| this.entry(row).ok());
        all.filter(move |entry| entry.variant == number)
    }

    /// Every translator in file order.
    pub fn translators(&self) -> impl Iterator<Item = Translator<'a>> + use<'a> {
        let this = *self;
        self.translators.chunks_exact(TRANSLATOR_ROW).filter_map(move |row| this.translator(row).ok())
    }

    /// Every notice in file order.
    pub fn notices(&self) -> impl Iterator<Item = Notice<'a>> + use<'a> {
        let this = *self;
        self.notices.chunks_exact(NOTICE_ROW).filter_map(move |row| this.notice(row).ok())
    }

    /// The rules of a row, in order.
    pub fn rules(&self, rules: Rules) -> impl Iterator<Item = Rule<'a>> + use<'a> {
        let this = *self;
        let all = self.rules.chunks_exact(RULE_ROW).skip(index(rules.first)).take(index(rules.count));
        all.filter_map(move |row| this.rule(row).ok())
    }

    fn blob(&self, number: u32, kinds: &[BlobKind]) -> Result<Blob, FormatError> {
        let blob = Blob::decode(row(self.blobs, number, Blob::ROW).ok_or(FormatError::Reference)?)?;
        if kinds.is_empty() || kinds.contains(&blob.kind) { Ok(blob) } else { Err(FormatError::Reference) }
    }

    fn string(&self, row: &[u8], at: usize) -> Result<&'a [u8], FormatError> {
        let start = index(u32_at(row, at).ok_or(SHORT)?);
        let length = index(u32_at(row, at.saturating_add(4)).ok_or(SHORT)?);
        let end = start.checked_add(length).ok_or(FormatError::Reference)?;
        self.strings.get(start..end).ok_or(FormatError::Reference)
    }

    fn rule_range(&self, row: &[u8], at: usize) -> Result<Rules, FormatError> {
        let first = u32_at(row, at).ok_or(SHORT)?;
        let count = u32_at(row, at.saturating_add(4)).ok_or(SHORT)?;
        let end = index(first).checked_add(index(count)).and_then(|end| end.checked_mul(RULE_ROW));
        match end {
            Some(end) if end <= self.rules.len() => Ok(Rules { first, count }),
            _ => Err(FormatError::Reference),
        }
    }

    fn launcher(&self, row: &[u8]) -> Result<Launcher, FormatError> {
        let flags = u16_at(row, 2).ok_or(SHORT)?;
        if flags & !LAUNCHER_HEAD != 0 {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        let host = arch(row, 0)?;
        if !host.is_host() {
            return Err(FormatError::UnknownKind(Part::Manifest));
        }
        let blob = self.blob(u32_at(row, 4).ok_or(SHORT)?, &[BlobKind::Launcher])?;
        Ok(Launcher { host, head: flags & LAUNCHER_HEAD != 0, blob })
    }

    fn variant(&self, number: usize, row: &[u8]) -> Result<Variant<'a>, FormatError> {
        if u32_at(row, 24) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        Ok(Variant {
            index: u32::try_from(number).map_err(|_| SHORT)?,
            target: arch(row, 0)?,
            level: u16_at(row, 2).ok_or(SHORT)?,
            app: self.blob(u32_at(row, 4).ok_or(SHORT)?, &[BlobKind::App])?,
            loader: self.string(row, 8)?,
            rules: self.rule_range(row, 16)?,
        })
    }

    fn entry(&self, bytes: &[u8]) -> Result<Entry<'a>, FormatError> {
        let variant = u32_at(bytes, 0).ok_or(SHORT)?;
        if row(self.variants, variant, VARIANT_ROW).is_none() {
            return Err(FormatError::Reference);
        }
        if u32_at(bytes, 4) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        Ok(Entry {
            variant,
            name: self.string(bytes, 8)?,
            path: self.string(bytes, 16)?,
            rules: self.rule_range(bytes, 24)?,
        })
    }

    fn translator(&self, row: &[u8]) -> Result<Translator<'a>, FormatError> {
        // Bytes 8..12 are the probe and the flags, which version 1 does not define.
        if u32_at(row, 8) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        Ok(Translator {
            key: EmulatorKey { host: arch(row, 0)?, target: arch(row, 2)? },
            blob: self.blob(u32_at(row, 4).ok_or(SHORT)?, &[BlobKind::Emulator])?,
            member: self.string(row, 12)?,
            name: self.string(row, 20)?,
            version: self.string(row, 28)?,
            rules: self.rule_range(row, 36)?,
        })
    }

    fn rule(&self, row: &[u8]) -> Result<Rule<'a>, FormatError> {
        if u16_at(row, 2) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        let kind = RuleKind::from_id(u16_at(row, 0).ok_or(SHORT)?);
        Ok(Rule {
            kind: kind.ok_or(FormatError::UnknownKind(Part::Manifest))?,
            name: self.string(row, 4)?,
            value: self.string(row, 12)?,
        })
    }

    fn notice(&self, row: &[u8]) -> Result<Notice<'a>, FormatError> {
        Ok(Notice {
            subject: self.blob(u32_at(row, 0).ok_or(SHORT)?, &[])?,
            text: self.blob(u32_at(row, 4).ok_or(SHORT)?, &[BlobKind::Notices])?,
            licence: self.string(row, 8)?,
            source: self.string(row, 16)?,
            origin: self.string(row, 24)?,
        })
    }
}

fn arch(row: &[u8], at: usize) -> Result<Arch, FormatError> {
    Arch::from_id(u16_at(row, at).ok_or(SHORT)?).ok_or(FormatError::UnknownKind(Part::Manifest))
}

/// A path in a tree: relative, without empty, `.` or `..` components and without NUL.
fn check_path(path: &[u8]) -> Result<(), FormatError> {
    let fits = path.len() < PATH_MAX && !path.contains(&0);
    let stays = path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    if fits && stays { Ok(()) } else { Err(FormatError::Name) }
}
