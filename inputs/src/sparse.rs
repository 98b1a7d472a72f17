//! Sparse files in pax format, which crate `tar` hands over as they are stored (GNU tar manual, "PAX Format,
//! Versions 0.0 to 1.0"): where data lies is said in extended headers or, in version 1.0, at the start of the
//! data. Here they become the files that were meant.

use std::io::{self, BufRead, BufReader, Read};

/// More pieces need too much memory.
const PIECES_MAX: usize = 1 << 20;

/// What the extended headers of one entry say of a sparse file.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// Its name, which the archive has in place of the real one.
    pub(crate) name: Option<Vec<u8>>,
    major: Option<u64>,
    length: Option<u64>,
    map: Vec<u64>,
    is_sparse: bool,
}

impl Headers {
    /// Takes one extended header.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let Some(key) = key.strip_prefix(b"GNU.sparse.") else { return Ok(()) };
        self.is_sparse = true;
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = Some(number(value)?),
            b"size" | b"realsize" => self.length = Some(number(value)?),
            b"offset" | b"numbytes" => self.add_to_map(number(value)?)?,
            b"map" => {
                self.map.clear();
                for value in value.split(|byte| *byte == b',') {
                    self.add_to_map(number(value)?)?;
                }
            }
            // `minor` and `numblocks` say nothing that is not known.
            _ => {}
        }
        Ok(())
    }

    fn add_to_map(&mut self, number: u64) -> io::Result<()> {
        if self.map.len() >= 2 * PIECES_MAX {
            return Err(damaged());
        }
        self.map.push(number);
        Ok(())
    }

    /// The file itself, if these headers are of a sparse one and `stored` is its data.
    pub(crate) fn file<R: Read>(self, stored: R) -> io::Result<Result<Expanded<BufReader<R>>, R>> {
        if !self.is_sparse {
            return Ok(Err(stored));
        }
        let length = self.length.ok_or_else(damaged)?;
        let mut stored = BufReader::new(stored);
        let numbers = if self.major == Some(1) { map_before(&mut stored)? } else { self.map };
        let (pieces, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let mut at = 0;
        for [offset, size] in pieces {
            if *offset < at {
                return Err(damaged());
            }
            at = offset.checked_add(*size).filter(|end| *end <= length).ok_or_else(damaged)?;
        }
        Ok(Ok(Expanded { stored, pieces: pieces.iter().rev().copied().collect(), at: 0, length }))
    }
}

/// The map of version 1.0: decimal numbers, each on a line, how many pieces first; blocks of 512 bytes.
fn map_before(stored: &mut impl BufRead) -> io::Result<Vec<u64>> {
    let mut read = 0;
    let mut next = || -> io::Result<u64> {
        let mut line = Vec::new();
        stored.by_ref().take(21).read_until(b'\n', &mut line)?;
        read += line.len();
        number(line.strip_suffix(b"\n").ok_or_else(damaged)?)
    };
    let count = usize::try_from(next()?).ok().filter(|count| *count <= PIECES_MAX).ok_or_else(damaged)?;
    let numbers = (0..2 * count).map(|_| next()).collect::<io::Result<Vec<_>>>()?;
    let padding = (read.next_multiple_of(512) - read) as u64;
    if io::copy(&mut stored.take(padding), &mut io::sink())? == padding {
        Ok(numbers)
    } else {
        Err(damaged())
    }
}

fn number(digits: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or_else(damaged)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the map of a sparse file is damaged")
}

/// Reads the pieces, and zeros between them.
pub(crate) struct Expanded<R> {
    stored: R,
    /// The next one last.
    pieces: Vec<[u64; 2]>,
    at: u64,
    length: u64,
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some([offset, size]) = self.pieces.last()
            && offset + size <= self.at
        {
            self.pieces.pop();
        }
        let room = |end: u64, at: u64| usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let length = match self.pieces.last() {
            Some([offset, size]) if *offset <= self.at => {
                let wanted = room(offset + size, self.at);
                let length = self.stored.read(&mut buffer[..wanted])?;
                if length == 0 && wanted != 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                length
            }
            piece => {
                let length = room(piece.map_or(self.length, |[offset, _]| *offset), self.at);
                buffer[..length].fill(0);
                length
            }
        };
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(headers: &[(&str, &str)], stored: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Headers::default();
        for (key, value) in headers {
            read.add(key.as_bytes(), value.as_bytes())?;
        }
        let mut bytes = Vec::new();
        read.file(stored)?.map_err(|_| io::ErrorKind::Other)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn all_versions_are_the_file_that_was_meant() {
        let file = b"\0\0abc\0\0\0de\0";
        let old = [
            ("GNU.sparse.size", "11"),
            ("GNU.sparse.offset", "2"),
            ("GNU.sparse.numbytes", "3"),
            ("GNU.sparse.offset", "8"),
            ("GNU.sparse.numbytes", "2"),
        ];
        assert_eq!(expanded(&old, b"abcde").expect("version 0.0"), file);
        let map = [("GNU.sparse.size", "11"), ("GNU.sparse.map", "2,3,8,2,11,0")];
        assert_eq!(expanded(&map, b"abcde").expect("version 0.1"), file);
        let mut stored = b"2\n2\n3\n8\n2\n".to_vec();
        stored.resize(512, 0);
        stored.extend_from_slice(b"abcde");
        let new = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "11")];
        assert_eq!(expanded(&new, &stored).expect("version 1.0"), file);
    }

    #[test]
    fn maps_that_no_file_has_are_refused() {
        for map in ["2,3,4,1", "9,3", "2", "2,x", "18446744073709551615,2", ""] {
            assert!(
                expanded(&[("GNU.sparse.size", "11"), ("GNU.sparse.map", map)], b"abcde").is_err(),
                "{map}"
            );
        }
        assert!(expanded(&[("GNU.sparse.map", "0,1")], b"a").is_err(), "no length");
        assert!(expanded(&[("GNU.sparse.size", "2"), ("GNU.sparse.map", "0,2")], b"a").is_err(), "cut off");
        let new = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "11")];
        for stored in [&b"99999999999\n"[..], b"1\n2", b"1\n2\n3\n", b"\n"] {
            assert!(expanded(&new, stored).is_err(), "{}", stored.escape_ascii());
        }
    }
}
