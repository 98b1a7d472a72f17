//! The index of files (`Contents-ARCH.gz`): which packages have which files. Read as a stream, since it
//! unpacks to more than a hundred megabytes; only what the caller wants is kept. The only file that uses
//! `flate2`.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// The wanted part of an index.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    by_name: HashMap<Vec<u8>, Vec<Holder>>,
}

/// A package that has a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The file's path, without a leading slash.
    pub path: Vec<u8>,
    /// The package's name.
    pub package: String,
}

impl Contents {
    /// Reads a `Contents-ARCH.gz`; keeps the files whose path is wanted.
    pub fn read_gz(reader: impl Read, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Self> {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(128 * 1024, reader));
        Self::read(BufReader::with_capacity(256 * 1024, decoder), wanted)
    }

    /// Reads one that is not compressed.
    pub fn read(mut reader: impl BufRead, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Self> {
        let mut contents = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(contents);
            }
            // `path  section/package,section/package`: a path may contain spaces, the last column does not.
            let text = line.trim_ascii_end();
            let Some(at) = text.iter().rposition(u8::is_ascii_whitespace) else { continue };
            let path = text[..at].trim_ascii_end();
            if !wanted(path) {
                continue;
            }
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            let holders = contents.by_name.entry(name.to_vec()).or_default();
            for package in text[at + 1..].split(|byte| *byte == b',') {
                let package = package.rsplit(|byte| *byte == b'/').next().unwrap_or(package);
                let package = String::from_utf8_lossy(package).into_owned();
                holders.push(Holder { path: path.to_vec(), package });
            }
        }
    }

    /// The packages that have a file of this name, in any directory, in the index's order.
    pub fn holders(&self, name: &[u8]) -> &[Holder] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_hold_blanks_and_several_packages_one_file() {
        let text = b"usr/lib/a/libz.so.1        libs/zlib1g,non-free/libs/other\n\
                     usr/share/two  words.txt\tdoc/x\nusr/lib/b/libz.so.1 libs/zlib1g-b\n";
        let contents = Contents::read(&text[..], |_| true).expect("readable");
        let holder = |path: &[u8], package: &str| Holder { path: path.to_vec(), package: package.to_owned() };
        assert_eq!(
            contents.holders(b"libz.so.1"),
            [
                holder(b"usr/lib/a/libz.so.1", "zlib1g"),
                holder(b"usr/lib/a/libz.so.1", "other"),
                holder(b"usr/lib/b/libz.so.1", "zlib1g-b")
            ]
        );
        assert_eq!(contents.holders(b"two  words.txt"), [holder(b"usr/share/two  words.txt", "x")]);
        let few = Contents::read(&text[..], |path| path.starts_with(b"usr/share")).expect("readable");
        assert_eq!(few.holders(b"libz.so.1"), []);
    }
}
