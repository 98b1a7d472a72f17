//! The manifest: a borrowed view, checked once in [`Manifest::decode`], so that reading a row later cannot
//! fail on anything but a row number that does not exist.

use core::ops::Range;

use crate::blob::BLOB_ROW;
use crate::bytes::{index, u16_at, u32_at};
use crate::path::has;
use crate::{
    Arch, Attends, Blob, BlobKind, Components, EmulatorKey, Encoding, Entry, FormatError, Launcher, Notice,
    Part, Rule, Rules, Translator, TreePath, Variant,
};

/// Length of the manifest's header in bytes.
pub(crate) const HEADER: usize = 40;
pub(crate) const LAUNCHER_ROW: usize = 8;
pub(crate) const VARIANT_ROW: usize = 28;
pub(crate) const ENTRY_ROW: usize = 32;
pub(crate) const TRANSLATOR_ROW: usize = 44;
pub(crate) const RULE_ROW: usize = 20;
pub(crate) const NOTICE_ROW: usize = 32;
pub(crate) const COMPONENTS_ROW: usize = 8;

/// Flag of a launcher row: the file begins with it.
pub(crate) const LAUNCHER_HEAD: u16 = 1;
/// Flag of a launcher row: it is no launcher but the host's broker. No row has both.
pub(crate) const LAUNCHER_BROKER: u16 = 2;
/// Flag of a broker's row: it attends to apps that run natively too.
pub(crate) const BROKER_NATIVE: u16 = 4;
/// Flag of a broker's row: it attends to no apps at all. No row has this one and the one above.
pub(crate) const BROKER_NEVER: u16 = 8;

/// The tables, in the order in which the header counts them and they stand behind it.
#[derive(Clone, Copy)]
enum Table {
    Blobs,
    Launchers,
    Variants,
    Entries,
    Translators,
    Rules,
    Notices,
    Strings,
    Components,
}

/// Lengths of their rows; the strings are one table of bytes.
const ROWS: [usize; 9] =
    [BLOB_ROW, LAUNCHER_ROW, VARIANT_ROW, ENTRY_ROW, TRANSLATOR_ROW, RULE_ROW, NOTICE_ROW, 1, COMPONENTS_ROW];

/// The list of blobs and how to run them; see FORMAT.md, section "Manifest".
///
/// No more than its bytes: where a table lies is added up from the header's counts whenever a row is read.
/// So it is two words long and `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a>(&'a [u8]);

const SHORT: FormatError = FormatError::Length(Part::Manifest);

impl<'a> Manifest<'a> {
    /// Reads and checks a manifest. `blobs_end` is where the bytes that blobs may lie in end: the
    /// manifest's own offset. The digest of `bytes` must have been compared with the footer's before.
    pub fn decode(bytes: &'a [u8], blobs_end: u64) -> Result<Self, FormatError> {
        let header = bytes.first_chunk::<HEADER>().ok_or(SHORT)?;
        if u32_at(header, 0) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        let manifest = Self(bytes);
        if manifest.range(ROWS.len()).ok_or(SHORT)?.end != bytes.len() {
            return Err(SHORT);
        }
        manifest.check_blobs(blobs_end)?;
        manifest.check_rows()?;
        Ok(manifest)
    }

    /// How many rows table `number` has.
    fn count(&self, number: usize) -> Option<usize> {
        u32_at(self.0, number.checked_add(1)?.checked_mul(4)?).map(index)
    }

    /// Where table `number` lies; one behind the last is empty and lies at the end.
    #[inline(never)]
    fn range(&self, number: usize) -> Option<Range<usize>> {
        let (mut start, mut end) = (HEADER, HEADER);
        for (table, row) in ROWS.iter().enumerate().take(number.saturating_add(1)) {
            start = end;
            end = end.checked_add(self.count(table)?.checked_mul(*row)?)?;
        }
        Some(if number < ROWS.len() { start..end } else { end..end })
    }

    /// The bytes of a table.
    fn table(&self, table: Table) -> &'a [u8] {
        self.range(table as usize).and_then(|range| self.0.get(range)).unwrap_or_default()
    }

    /// Row `number` of a table; an error past its end.
    fn row<const LENGTH: usize>(&self, table: Table, number: u32) -> Result<&'a [u8; LENGTH], FormatError> {
        let start = index(number).checked_mul(LENGTH).ok_or(FormatError::Reference)?;
        self.table(table).get(start..).and_then(<[u8]>::first_chunk).ok_or(FormatError::Reference)
    }

    /// Blobs stand in the order of their offsets, the first at 0, none over another or over the manifest.
    fn check_blobs(&self, blobs_end: u64) -> Result<(), FormatError> {
        let mut free = 0;
        for number in 0..self.rows(Table::Blobs) {
            let blob = self.blob(number, None)?;
            if number == 0 && blob.offset() != 0 {
                return Err(FormatError::OutOfBounds(Part::Blob));
            }
            if blob.offset() < free {
                return Err(FormatError::Overlap);
            }
            free = blob.end().filter(|end| *end <= blobs_end).ok_or(FormatError::OutOfBounds(Part::Blob))?;
        }
        Ok(())
    }

    fn check_rows(&self) -> Result<(), FormatError> {
        for number in 0..self.rows(Table::Rules) {
            if !self.rule(number)?.is_valid() {
                return Err(FormatError::Name);
            }
        }
        for number in 0..self.rows(Table::Launchers) {
            self.launcher(number)?;
        }
        for number in 0..self.rows(Table::Variants) {
            let variant = self.variant(number)?;
            if !variant.loader.is_empty() {
                check_path(variant.loader)?;
            }
            self.check_root(&variant)?;
        }
        for number in 0..self.rows(Table::Entries) {
            let entry = self.entry(number)?;
            check_path(entry.path)?;
            if entry.name.is_empty() || has(entry.name, 0) || has(entry.name, b'/') {
                return Err(FormatError::Name);
            }
        }
        for number in 0..self.rows(Table::Translators) {
            let translator = self.translator(number)?;
            match translator.blob.encoding {
                Encoding::TarZstd => check_path(translator.member)?,
                _ if translator.member.is_empty() => {}
                _ => return Err(FormatError::Name),
            }
        }
        Ok(())
    }

    /// A variant is a system exactly where its blob is a root, which is all of its tree.
    fn check_root(&self, variant: &Variant<'_>) -> Result<(), FormatError> {
        let roots = self.rules(variant.rules).filter(|rule| rule.root().is_some()).count();
        let of_system = variant.app.encoding == Encoding::Root;
        let is_whole = variant.loader.is_empty() && variant.shared.is_none();
        let shares_root = variant.shared.is_some_and(|shared| shared.encoding == Encoding::Root);
        if roots == usize::from(of_system) && (is_whole || !of_system) && !shares_root {
            Ok(())
        } else {
            Err(FormatError::Root)
        }
    }

    /// Checks what a launcher has no use for: the rows of notices and components, that no host has two
    /// brokers, that no row but a variant's makes a system, and what rules say of views. Apart from all
    /// others, so that launchers do without it.
    pub fn check_rest(&self) -> Result<(), FormatError> {
        let entries = self.each(0, Self::entry).map(|entry| entry.rules);
        let mut rules = entries.chain(self.translators().map(|translator| translator.rules));
        if rules.any(|rules| self.rules(rules).any(|rule| rule.root().is_some())) {
            return Err(FormatError::Root);
        }
        self.check_views()?;
        if Arch::HOSTS.into_iter().any(|host| self.brokers(host).nth(1).is_some()) {
            return Err(FormatError::Twice);
        }
        for number in 0..self.rows(Table::Components) {
            let row = self.components_row(number)?;
            let same = |other: &Components<'_>| other.subject == row.subject;
            if self.components().filter(same).nth(1).is_some() {
                return Err(FormatError::Twice);
            }
        }
        (0..self.rows(Table::Notices)).try_for_each(|number| self.notice(number).map(drop))
    }

    /// A view by mounts is a variant's, and each path is seen in one way.
    fn check_views(&self) -> Result<(), FormatError> {
        let path = |rule| if let Rule::Seen { path, .. } = rule { Some(path) } else { None };
        let mut of_entries = self.each(0, Self::entry).flat_map(|entry| self.rules(entry.rules));
        let mut of_translators = self.translators().flat_map(|translator| self.rules(translator.rules));
        if of_entries.any(|rule| rule.is_view() || path(rule).is_some())
            || of_translators.any(|rule| path(rule).is_some())
        {
            return Err(FormatError::Name);
        }
        for variant in self.variants() {
            let (mut has_view, mut before) = (false, &b""[..]);
            for rule in self.rules(variant.rules) {
                let fits = match rule {
                    Rule::View(which) => {
                        let is_first = !core::mem::replace(&mut has_view, true);
                        is_first && matches!(which, b"union" | b"root")
                    }
                    Rule::Seen { path, what } => {
                        let follows = core::mem::replace(&mut before, path) < path;
                        let at_top = TreePath::new(path).map(|path| path.parent().is_none());
                        follows
                            && match what {
                                b"over" | b"under" | b"tree" | b"host" => at_top.is_some(),
                                b"whole" => at_top == Some(true),
                                _ => false,
                            }
                    }
                    _ => true,
                };
                if !fits {
                    return Err(FormatError::Name);
                }
            }
        }
        Ok(())
    }

    fn rows(&self, table: Table) -> u32 {
        u32::try_from(self.count(table as usize).unwrap_or(0)).unwrap_or(0)
    }

    /// The rows from `first` on: all were checked, so the first that can't be read is the one past the end.
    fn each<T>(
        self,
        first: u32,
        row: fn(&Self, u32) -> Result<T, FormatError>,
    ) -> impl Iterator<Item = T> + use<'a, T> {
        let mut numbers = first..;
        core::iter::from_fn(move || row(&self, numbers.next()?).ok())
    }

    /// Every blob in file order.
    pub fn blobs(&self) -> impl Iterator<Item = Blob<'a>> + use<'a> {
        self.each(0, |manifest, number| manifest.blob(number, None))
    }

    /// Every launcher in file order.
    pub fn launchers(&self) -> impl Iterator<Item = Launcher<'a>> + use<'a> {
        self.each(0, Self::launcher).filter(|row| row.blob.kind == BlobKind::Launcher)
    }

    /// The broker of `host`, if the bundle brings one.
    pub fn broker(&self, host: Arch) -> Option<Launcher<'a>> {
        self.brokers(host).next()
    }

    fn brokers(&self, host: Arch) -> impl Iterator<Item = Launcher<'a>> + use<'a> {
        self.each(0, Self::launcher).filter(move |row| row.host == host && row.blob.kind == BlobKind::Broker)
    }

    /// Every variant, in the order of preference among those of one target.
    pub fn variants(&self) -> impl Iterator<Item = Variant<'a>> + use<'a> {
        self.each(0, Self::variant)
    }

    /// The entries of one variant; the first is its default.
    pub fn entries(&self, variant: &Variant<'_>) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let number = variant.index;
        self.each(0, Self::entry).filter(move |entry| entry.variant == number)
    }

    /// Every translator in file order.
    pub fn translators(&self) -> impl Iterator<Item = Translator<'a>> + use<'a> {
        self.each(0, Self::translator)
    }

    /// Every notice in file order; for a manifest that [`Self::check_rest`] finds nothing wrong with.
    pub fn notices(&self) -> impl Iterator<Item = Notice<'a>> + use<'a> {
        self.each(0, Self::notice)
    }

    /// What is known about the components of blobs, in file order; for a manifest that [`Self::check_rest`]
    /// finds nothing wrong with.
    pub fn components(&self) -> impl Iterator<Item = Components<'a>> + use<'a> {
        self.each(0, Self::components_row)
    }

    /// The rules of a row, in order.
    pub fn rules(&self, rules: Rules) -> impl Iterator<Item = Rule<&'a [u8]>> + use<'a> {
        self.each(rules.first, Self::rule).take(index(rules.count))
    }

    // One copy of most of the following, however many loops there are over the rows.
    #[inline(never)]
    fn blob(&self, number: u32, kind: Option<BlobKind>) -> Result<Blob<'a>, FormatError> {
        let blob = Blob::decode(self.row::<BLOB_ROW>(Table::Blobs, number)?)?;
        if kind.is_none_or(|kind| kind == blob.kind) { Ok(blob) } else { Err(FormatError::Reference) }
    }

    fn string(&self, start: u32, length: u32) -> Result<&'a [u8], FormatError> {
        let start = index(start);
        let end = start.checked_add(index(length)).ok_or(FormatError::Reference)?;
        self.table(Table::Strings).get(start..end).ok_or(FormatError::Reference)
    }

    fn rule_range(&self, first: u32, count: u32) -> Result<Rules, FormatError> {
        match first.checked_add(count) {
            Some(end) if end <= self.rows(Table::Rules) => Ok(Rules { first, count }),
            _ => Err(FormatError::Reference),
        }
    }

    #[inline(never)]
    fn launcher(&self, number: u32) -> Result<Launcher<'a>, FormatError> {
        let row = self.row::<LAUNCHER_ROW>(Table::Launchers, number)?;
        let flags = u16_at(row, 2).ok_or(SHORT)?;
        let is_broker = flags & LAUNCHER_BROKER != 0;
        let attends = match flags & !LAUNCHER_BROKER {
            BROKER_NATIVE if is_broker => Attends::Always,
            BROKER_NEVER if is_broker => Attends::Never,
            0 if is_broker => Attends::Emulated,
            0 | LAUNCHER_HEAD if !is_broker => Attends::Never,
            _ => return Err(FormatError::UnknownFlag(Part::Manifest)),
        };
        let host = arch(row, 0)?;
        if !host.is_host() {
            return Err(FormatError::UnknownKind(Part::Manifest));
        }
        let kind = if is_broker { BlobKind::Broker } else { BlobKind::Launcher };
        let blob = self.blob(word(row, 4), Some(kind))?;
        Ok(Launcher { host, head: flags == LAUNCHER_HEAD, attends, blob })
    }

    #[inline(never)]
    fn variant(&self, number: u32) -> Result<Variant<'a>, FormatError> {
        let row = self.row::<VARIANT_ROW>(Table::Variants, number)?;
        let shared = word(row, 24);
        Ok(Variant {
            index: number,
            target: arch(row, 0)?,
            level: u16_at(row, 2).ok_or(SHORT)?,
            app: self.blob(word(row, 4), Some(BlobKind::App))?,
            // Blob 0 starts the file: it is no app.
            shared: (shared != 0).then(|| self.blob(shared, Some(BlobKind::App))).transpose()?,
            loader: self.string(word(row, 8), word(row, 12))?,
            rules: self.rule_range(word(row, 16), word(row, 20))?,
        })
    }

    #[inline(never)]
    fn entry(&self, number: u32) -> Result<Entry<'a>, FormatError> {
        let row = self.row::<ENTRY_ROW>(Table::Entries, number)?;
        let variant = word(row, 0);
        if variant >= self.rows(Table::Variants) {
            return Err(FormatError::Reference);
        }
        if word(row, 4) != 0 {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        Ok(Entry {
            variant,
            name: self.string(word(row, 8), word(row, 12))?,
            path: self.string(word(row, 16), word(row, 20))?,
            rules: self.rule_range(word(row, 24), word(row, 28))?,
        })
    }

    #[inline(never)]
    fn translator(&self, number: u32) -> Result<Translator<'a>, FormatError> {
        let row = self.row::<TRANSLATOR_ROW>(Table::Translators, number)?;
        // Bytes 8..12 are the probe and the flags, which version 1 does not define.
        if word(row, 8) != 0 {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        Ok(Translator {
            key: EmulatorKey { host: arch(row, 0)?, target: arch(row, 2)? },
            blob: self.blob(word(row, 4), Some(BlobKind::Emulator))?,
            member: self.string(word(row, 12), word(row, 16))?,
            name: self.string(word(row, 20), word(row, 24))?,
            version: self.string(word(row, 28), word(row, 32))?,
            rules: self.rule_range(word(row, 36), word(row, 40))?,
        })
    }

    #[inline(never)]
    fn rule(&self, number: u32) -> Result<Rule<&'a [u8]>, FormatError> {
        let row = self.row::<RULE_ROW>(Table::Rules, number)?;
        if u16_at(row, 2) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Manifest));
        }
        let name = self.string(word(row, 4), word(row, 8))?;
        let value = self.string(word(row, 12), word(row, 16))?;
        Rule::decode(u16_at(row, 0).ok_or(SHORT)?, name, value)
    }

    #[inline(never)]
    fn notice(&self, number: u32) -> Result<Notice<'a>, FormatError> {
        let row = self.row::<NOTICE_ROW>(Table::Notices, number)?;
        Ok(Notice {
            subject: self.blob(word(row, 0), None)?,
            text: self.blob(word(row, 4), Some(BlobKind::Notices))?,
            licence: self.string(word(row, 8), word(row, 12))?,
            source: self.string(word(row, 16), word(row, 20))?,
            origin: self.string(word(row, 24), word(row, 28))?,
        })
    }

    fn components_row(&self, number: u32) -> Result<Components<'a>, FormatError> {
        let row = self.row::<COMPONENTS_ROW>(Table::Components, number)?;
        let subject = self.blob(word(row, 0), None)?;
        match subject.kind {
            BlobKind::Launcher | BlobKind::App | BlobKind::Emulator | BlobKind::Broker => {}
            _ => return Err(FormatError::Reference),
        }
        Ok(Components { subject, facts: self.blob(word(row, 4), Some(BlobKind::Components))? })
    }
}

/// A field of a row. All fields lie inside: the row's length is a part of its type.
fn word<const LENGTH: usize>(row: &[u8; LENGTH], at: usize) -> u32 {
    u32_at(row, at).unwrap_or(u32::MAX)
}

fn arch(row: &[u8], at: usize) -> Result<Arch, FormatError> {
    Arch::from_id(u16_at(row, at).ok_or(SHORT)?).ok_or(FormatError::UnknownKind(Part::Manifest))
}

fn check_path(path: &[u8]) -> Result<(), FormatError> {
    TreePath::new(path).map(drop).ok_or(FormatError::Name)
}
