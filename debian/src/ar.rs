//! The outer container of a `.deb`: a Unix `ar` archive of a few members (ar(5), deb(5)). Only headers are
//! read. Refuses everything but the plain format that `dpkg-deb` writes.

use std::ops::Range;

/// The magic string at the start of every archive.
pub(crate) const MAGIC: &[u8; 8] = b"!<arch>\n";

/// Length of a member's header in bytes.
pub(crate) const HEADER: u64 = 60;

/// One member: its name and the range of its bytes in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) bytes: Range<u64>,
}

impl Member {
    /// Reads the 60-byte header at `offset`.
    pub(crate) fn parse(header: &[u8], offset: u64) -> Result<Self, &'static str> {
        let header: &[u8; 60] = header.try_into().map_err(|_| "a member's header is truncated")?;
        if header[58..] != *b"`\n" {
            return Err("a member's header has no end mark");
        }
        let field = |range: Range<usize>| {
            str::from_utf8(&header[range]).map(str::trim_end).map_err(|_| "a member's header is not text")
        };
        // `dpkg-deb` writes the bare name; `ar` itself puts a slash after it.
        let name = field(0..16)?.trim_end_matches('/').to_owned();
        let size: u64 = field(48..58)?.parse().map_err(|_| "a member has no size")?;
        let start = offset + HEADER;
        let end = start.checked_add(size).ok_or("a member is too large")?;
        Ok(Self { name, bytes: start..end })
    }

    /// The offset of the next member's header: members start at even offsets.
    pub(crate) fn next(&self) -> u64 {
        self.bytes.end.next_multiple_of(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> String {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644)
    }

    #[test]
    fn broken_headers_are_refused_and_odd_members_padded() {
        for bad in [header("a", ""), header("a", "-1"), header("a", "1x"), header("a", "3").replace('`', "'")]
        {
            assert!(Member::parse(bad.as_bytes(), 8).is_err(), "{bad:?}");
        }
        assert!(Member::parse(&header("a", "3").as_bytes()[..59], 8).is_err());
        let member = Member::parse(header("control.tar.xz/", "3").as_bytes(), 8).expect("a header");
        assert_eq!(member, Member { name: "control.tar.xz".into(), bytes: 68..71 });
        assert_eq!(member.next(), 72);
    }
}
