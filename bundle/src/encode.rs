//! The writer's side of the manifest: rows with owned strings in, bytes out. The only other place that knows
//! an offset.

use alloc::vec::Vec;
use core::fmt;

use crate::blob::BLOB_ROW;
use crate::manifest::{
    BROKER_NATIVE, BROKER_NEVER, COMPONENTS_ROW, ENTRY_ROW, HEADER, LAUNCHER_BROKER, LAUNCHER_HEAD,
    LAUNCHER_ROW, NOTICE_ROW, RULE_ROW, TRANSLATOR_ROW, VARIANT_ROW,
};
use crate::rule::Fields;
use crate::{
    Arch, Attends, Blob, BlobKind, Digest, EmulatorKey, Encoding, Footer, FormatError, Manifest, Rule, Rules,
};

/// Why a manifest could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It would be longer than [`Footer::MAX_MANIFEST`].
    TooLong,
    /// What was given is not a manifest that the decoder accepts.
    Refused(FormatError),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the manifest would be longer than {} bytes", Footer::MAX_MANIFEST),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncodeError {}

impl From<FormatError> for EncodeError {
    fn from(error: FormatError) -> Self {
        Self::Refused(error)
    }
}

/// A blob to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBlob {
    /// What it is for.
    pub kind: BlobKind,
    /// How it is stored.
    pub encoding: Encoding,
    /// Where it starts in the file.
    pub offset: u64,
    /// How many bytes of the file it takes.
    pub stored: u64,
    /// How many bytes it is unpacked (for tar: the tar stream).
    pub length: u64,
    /// SHA-256 of the stored bytes if they are raw, else of the table that they begin with.
    pub stored_digest: Digest,
    /// SHA-256 of the unpacked bytes.
    pub digest: Digest,
}

impl From<Blob<'_>> for NewBlob {
    /// The same blob, for another bundle with the same bytes at the same place.
    fn from(blob: Blob<'_>) -> Self {
        Self {
            kind: blob.kind,
            encoding: blob.encoding,
            offset: blob.offset(),
            stored: blob.stored(),
            length: blob.length(),
            stored_digest: blob.stored_digest(),
            digest: blob.digest(),
        }
    }
}

/// A variant to write. Blobs are named by the number that [`ManifestBuilder::blob`] gave.
#[derive(Clone, Debug)]
pub struct NewVariant<'a> {
    /// The CPU it was built for.
    pub target: Arch,
    /// The level of that CPU, 0 for the baseline.
    pub level: u16,
    /// Its file tree.
    pub app: u32,
    /// The files that it has in common with other variants.
    pub shared: Option<u32>,
    /// The loader's path in the tree; empty for static programs.
    pub loader: &'a [u8],
    /// Rules for every entry of it.
    pub rules: &'a [Rule<&'a [u8]>],
}

/// An entry to write.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// The number that [`ManifestBuilder::variant`] gave.
    pub variant: u32,
    /// The name that selects it.
    pub name: &'a [u8],
    /// Its path in the tree.
    pub path: &'a [u8],
    /// Rules for it alone.
    pub rules: &'a [Rule<&'a [u8]>],
}

/// A translator to write.
#[derive(Clone, Debug)]
pub struct NewTranslator<'a> {
    /// Host and target.
    pub key: EmulatorKey,
    /// The emulator's blob.
    pub blob: u32,
    /// Its path in a tar blob; empty otherwise.
    pub member: &'a [u8],
    /// What it is.
    pub name: &'a [u8],
    /// Its version.
    pub version: &'a [u8],
    /// How to call it.
    pub rules: &'a [Rule<&'a [u8]>],
}

/// A notice to write.
#[derive(Clone, Debug)]
pub struct NewNotice<'a> {
    /// The blob that it is about.
    pub subject: u32,
    /// The blob of its texts.
    pub text: u32,
    /// SPDX expression.
    pub licence: &'a [u8],
    /// The exact source.
    pub source: &'a [u8],
    /// Where the part came from.
    pub origin: &'a [u8],
}

/// One table under construction.
#[derive(Clone, Debug, Default)]
struct Table {
    rows: Vec<u8>,
    count: u32,
}

impl Table {
    /// Appends a row and gives its number.
    fn push(&mut self, fields: &[&[u8]], length: usize) -> u32 {
        let before = self.rows.len();
        for field in fields {
            self.rows.extend_from_slice(field);
        }
        debug_assert_eq!(self.rows.len().saturating_sub(before), length, "a row has its fixed length");
        let number = self.count;
        self.count = self.count.saturating_add(1);
        number
    }
}

/// Collects rows and writes the manifest's bytes. Rows come out in the order in which they went in.
#[derive(Clone, Debug, Default)]
pub struct ManifestBuilder {
    blobs: Table,
    launchers: Table,
    variants: Table,
    entries: Table,
    translators: Table,
    rules: Table,
    notices: Table,
    strings: Vec<u8>,
    components: Table,
}

impl ManifestBuilder {
    /// An empty manifest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a blob and gives the number that rows name it by.
    pub fn blob(&mut self, blob: &NewBlob) -> u32 {
        let NewBlob { kind, encoding, offset, stored, length, stored_digest, digest } = *blob;
        let fields: [&[u8]; 8] = [
            &(kind as u16).to_le_bytes(),
            &(encoding as u16).to_le_bytes(),
            &0u32.to_le_bytes(),
            &offset.to_le_bytes(),
            &stored.to_le_bytes(),
            &length.to_le_bytes(),
            &stored_digest.0,
            &digest.0,
        ];
        self.blobs.push(&fields, BLOB_ROW)
    }

    /// Adds the launcher of `host`; `head` when the file begins with it.
    pub fn launcher(&mut self, host: Arch, head: bool, blob: u32) {
        self.launcher_row(host, if head { LAUNCHER_HEAD } else { 0 }, blob);
    }

    /// Adds the broker of `host`, at most one for each, which attends to these apps.
    pub fn broker(&mut self, host: Arch, attends: Attends, blob: u32) {
        let to_whom = match attends {
            Attends::Never => BROKER_NEVER,
            Attends::Emulated => 0,
            Attends::Always => BROKER_NATIVE,
        };
        self.launcher_row(host, LAUNCHER_BROKER | to_whom, blob);
    }

    fn launcher_row(&mut self, host: Arch, flags: u16, blob: u32) {
        let fields: [&[u8]; 3] = [&host.id().to_le_bytes(), &flags.to_le_bytes(), &blob.to_le_bytes()];
        self.launchers.push(&fields, LAUNCHER_ROW);
    }

    /// Adds a variant and gives the number that entries name it by.
    pub fn variant(&mut self, variant: &NewVariant<'_>) -> u32 {
        let NewVariant { target, level, app, shared, loader, rules } = variant;
        let loader = self.string(loader);
        let rules = self.rules(rules);
        let fields: [&[u8]; 6] = [
            &target.id().to_le_bytes(),
            &level.to_le_bytes(),
            &app.to_le_bytes(),
            &loader,
            &rules,
            &shared.unwrap_or(0).to_le_bytes(),
        ];
        self.variants.push(&fields, VARIANT_ROW)
    }

    /// Adds an entry; the first of a variant is its default.
    pub fn entry(&mut self, entry: &NewEntry<'_>) {
        let NewEntry { variant, name, path, rules } = entry;
        let (name, path, rules) = (self.string(name), self.string(path), self.rules(rules));
        let fields: [&[u8]; 5] = [&variant.to_le_bytes(), &0u32.to_le_bytes(), &name, &path, &rules];
        self.entries.push(&fields, ENTRY_ROW);
    }

    /// Adds a translator; those for one host and target are tried in the order in which they were added.
    pub fn translator(&mut self, translator: &NewTranslator<'_>) {
        let NewTranslator { key: EmulatorKey { host, target }, blob, member, name, version, rules } =
            translator;
        let (member, name, version) = (self.string(member), self.string(name), self.string(version));
        let rules = self.rules(rules);
        let fields: [&[u8]; 8] = [
            &host.id().to_le_bytes(),
            &target.id().to_le_bytes(),
            &blob.to_le_bytes(),
            &0u32.to_le_bytes(),
            &member,
            &name,
            &version,
            &rules,
        ];
        self.translators.push(&fields, TRANSLATOR_ROW);
    }

    /// Adds a notice.
    pub fn notice(&mut self, notice: &NewNotice<'_>) {
        let NewNotice { subject, text, licence, source, origin } = notice;
        let (licence, source, origin) = (self.string(licence), self.string(source), self.string(origin));
        let fields: [&[u8]; 5] = [&subject.to_le_bytes(), &text.to_le_bytes(), &licence, &source, &origin];
        self.notices.push(&fields, NOTICE_ROW);
    }

    /// Adds what is known about the components of `subject`, at most once for each.
    pub fn components(&mut self, subject: u32, facts: u32) {
        self.components.push(&[&subject.to_le_bytes(), &facts.to_le_bytes()], COMPONENTS_ROW);
    }

    /// The manifest's bytes, read back by the decoder. `blobs_end` is where the manifest will lie in the
    /// file.
    pub fn finish(self, blobs_end: u64) -> Result<Vec<u8>, EncodeError> {
        let Self { blobs, launchers, variants, entries, translators, rules, notices, strings, components } =
            self;
        let tables = [blobs, launchers, variants, entries, translators, rules, notices];
        let strings_length = u32::try_from(strings.len()).map_err(|_| EncodeError::TooLong)?;

        let mut bytes = Vec::from(0u32.to_le_bytes());
        for table in &tables {
            bytes.extend_from_slice(&table.count.to_le_bytes());
        }
        bytes.extend_from_slice(&strings_length.to_le_bytes());
        bytes.extend_from_slice(&components.count.to_le_bytes());
        debug_assert_eq!(bytes.len(), HEADER, "the header has its fixed length");
        for table in &tables {
            bytes.extend_from_slice(&table.rows);
        }
        bytes.extend_from_slice(&strings);
        bytes.extend_from_slice(&components.rows);

        if bytes.len() as u64 > Footer::MAX_MANIFEST {
            return Err(EncodeError::TooLong);
        }
        Manifest::decode(&bytes, blobs_end)
            .and_then(|manifest| manifest.check_rest())
            .map_err(EncodeError::Refused)?;
        Ok(bytes)
    }

    /// Stores a string (once, however often it is used) and gives its reference: offset, length.
    fn string(&mut self, string: &[u8]) -> [u8; 8] {
        let found = self.strings.windows(string.len().max(1)).position(|window| window == string);
        let offset = match found {
            _ if string.is_empty() => 0,
            Some(offset) => offset,
            None => {
                let offset = self.strings.len();
                self.strings.extend_from_slice(string);
                offset
            }
        };
        reference(offset, string.len())
    }

    fn rules(&mut self, rules: &[Rule<&[u8]>]) -> [u8; 8] {
        let range = Rules { first: self.rules.count, count: u32::try_from(rules.len()).unwrap_or(u32::MAX) };
        for rule in rules {
            let Fields { kind, name, value, .. } = rule.fields();
            let (name, value) = (self.string(name), self.string(value));
            let fields: [&[u8]; 4] = [&kind.to_le_bytes(), &0u16.to_le_bytes(), &name, &value];
            self.rules.push(&fields, RULE_ROW);
        }
        reference(crate::bytes::index(range.first), crate::bytes::index(range.count))
    }
}

/// Two 32-bit fields. What does not fit becomes the largest value, which the decoder refuses.
fn reference(first: usize, second: usize) -> [u8; 8] {
    let clamp = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(clamp(first).into_iter().chain(clamp(second))).for_each(|(to, from)| *to = from);
    bytes
}
