//! Debian's control-file syntax (RFC 822-like paragraphs), read as a stream of stanzas.
//! The only file that uses `deb822-fast`.

use std::io::{self, BufRead};

/// One paragraph of `Field: value` lines; field names are matched as the files write them.
pub(crate) struct Stanza(deb822_fast::Paragraph);

impl Stanza {
    /// The value of `field`, without the field name; lines of a multi-line value are separated by `\n`.
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field)
    }
}

/// The stanzas of `reader`, one at a time.
pub(crate) fn stanzas(reader: impl BufRead) -> impl Iterator<Item = io::Result<Stanza>> {
    deb822_fast::Deb822::iter_paragraphs_from_reader(reader).map(|stanza| match stanza {
        Ok(paragraph) => Ok(Stanza(paragraph)),
        Err(deb822_fast::Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
    })
}
