//! Why bytes are not a bundle of this version. `Copy` and without allocation, so that the launcher can carry
//! it.

use core::fmt;

/// A part of a bundle, as named in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The last [`crate::Footer::LEN`] bytes.
    Footer,
    /// The list of blobs and how to run them.
    Manifest,
    /// The signatures between manifest and footer.
    Signatures,
    /// A stored byte range.
    Blob,
    /// The table of the frames that a blob is made of.
    Frames,
}

impl Part {
    /// The part's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Footer => "footer",
            Self::Manifest => "manifest",
            Self::Signatures => "signatures",
            Self::Blob => "blob",
            Self::Frames => "table of frames",
        }
    }
}

/// What a decoder found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The file does not end in a footer: not a bundle, or cut off.
    NoFooter,
    /// The footer names a version that this decoder does not know.
    Version(u16),
    /// A flag bit that this version does not define, or a reserved field that is not zero.
    UnknownFlag(Part),
    /// A kind, encoding, CPU or algorithm number that this version does not define.
    UnknownKind(Part),
    /// The file is not as long as its footer says: cut off, or bytes were added.
    FileLength,
    /// A part does not lie where the format allows it.
    OutOfBounds(Part),
    /// A part ends before its contents do, or goes on after them.
    Length(Part),
    /// A row refers to a blob, variant, rule or string that does not exist, or of the wrong kind.
    Reference,
    /// Two rows for what there is one of.
    Twice,
    /// A variant's tree is a root and its rules do not say so, or the other way round.
    Root,
    /// Blobs overlap or are not in the order of their offsets.
    Overlap,
    /// Signatures are not in ascending order of their keys, or two are by the same key.
    Order,
    /// A name, path or variable is empty, absolute, leaves its tree or holds a NUL byte.
    Name,
}

impl FormatError {
    /// One sentence without a full stop, for a message that already names the file.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoFooter => "it does not end in a bundle footer (not a bundle, or cut off)",
            Self::Version(0 | 1) => "its format version is older than this program reads (pack it again)",
            Self::Version(_) => "its format version is unknown to this program",
            Self::UnknownFlag(_) => "it sets a flag that this program does not know",
            Self::UnknownKind(_) => "it holds a kind of row that this program does not know",
            Self::FileLength => {
                "its length is not the one that its footer records (cut off, or bytes were added)"
            }
            Self::OutOfBounds(_) => "a part lies outside the file",
            Self::Length(_) => "a part is shorter or longer than its contents",
            Self::Reference => "a manifest row refers to something that does not exist",
            Self::Twice => "two manifest rows are for the same thing",
            Self::Root => "it has a system without its root, or a root without its system",
            Self::Overlap => "blobs overlap",
            Self::Order => "its signatures are not in the order of their keys",
            Self::Name => "the manifest holds an invalid name",
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())?;
        match self {
            Self::Version(version) => write!(f, ": {version}"),
            Self::UnknownFlag(part)
            | Self::UnknownKind(part)
            | Self::OutOfBounds(part)
            | Self::Length(part) => {
                write!(f, ": {}", part.name())
            }
            _ => Ok(()),
        }
    }
}

impl core::error::Error for FormatError {}
