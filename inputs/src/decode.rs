//! The compressions of tarballs, recognised by their magic numbers. The only file that uses `flate2`,
//! `liblzma`, `zstd` and `bzip2`. Refuses streams that want much memory to decode.

use std::io::{self, BufRead, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// The memory limit of a decoder: `xz -9` needs 65 MiB, `zstd --long=27` 128.
const MEMORY_LIMIT: u64 = 256 << 20;
const WINDOW_LOG_MAX: u32 = 27;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// xz.
    Xz,
    /// LZMA, as in old packages.
    Lzma,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// Decodes all of `reader`, compressed or not, as its first bytes say.
pub fn decoded<'r>(mut reader: impl BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
    Compression::of(reader.fill_buf()?).decode(reader)
}

impl Compression {
    /// By the first bytes of a file.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// Decodes all of `reader`, which may be several streams one after another.
    pub(crate) fn decode<'r>(self, reader: impl BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(MEMORY_LIMIT, CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Self::Lzma => {
                let stream = Stream::new_lzma_decoder(MEMORY_LIMIT)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(reader)?;
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        })
    }
}
