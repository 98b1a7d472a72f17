//! Layers in the making, with `flate2` and `zstd`, which are used here only: what is written is compressed
//! and hashed on its way. The bytes depend on what is written and on the compression alone.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use bundle::Digest;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::descriptor::BlobDigest;
use crate::new_blob::NewBlob;
use crate::stored::Stored;

/// As high as is useful: a layer is made once and fetched often.
const GZIP_LEVEL: u32 = 9;
const ZSTD_LEVEL: i32 = 19;

/// How layers are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Supported by every registry and every runtime.
    #[default]
    Gzip,
    /// Smaller, and unpacked faster; supported since containerd 1.5, Docker 23 and podman 3.
    Zstd,
}

impl Compression {
    fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A complete layer.
#[derive(Clone, Debug)]
pub struct NewLayer {
    pub(crate) blob: NewBlob,
    /// Digest of the tar archive.
    pub(crate) unpacked: Digest,
    /// A description for people.
    pub(crate) what: String,
}

impl NewLayer {
    /// Its compressed length in bytes.
    pub fn stored(&self) -> u64 {
        self.blob.length()
    }

    /// SHA-256 of its compressed bytes.
    pub fn digest(&self) -> Digest {
        self.blob.digest().0
    }

    /// SHA-256 of the tar archive.
    pub fn unpacked(&self) -> Digest {
        self.unpacked
    }
}

/// A layer to which a tar archive is being written.
#[derive(Debug)]
pub struct LayerWriter {
    encoder: Encoder,
    tar: Sha256,
    compression: Compression,
}

enum Encoder {
    Gzip(GzEncoder<Hashing>),
    Zstd(zstd::Encoder<'static, Hashing>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl LayerWriter {
    /// A writer that compresses into `file`, which must be empty.
    ///
    /// # Errors
    ///
    /// Where the compressor cannot be set up.
    pub fn new(file: File, compression: Compression) -> io::Result<Self> {
        let to = Hashing { to: BufWriter::new(file), state: Sha256::new() };
        let encoder = match compression {
            // No name, no time, no operating system.
            Compression::Gzip => {
                Encoder::Gzip(GzBuilder::new().write(to, flate2::Compression::new(GZIP_LEVEL)))
            }
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(to, ZSTD_LEVEL)?),
        };
        Ok(Self { encoder, tar: Sha256::new(), compression })
    }

    /// Ends the layer after the whole archive has been written. `what` describes it for people.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn finish(self, what: &str) -> io::Result<NewLayer> {
        let hashing = match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        let digest = BlobDigest(Digest(hashing.state.finalize().into()));
        let file = hashing.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        let blob = NewBlob::of_file(Stored::whole(file)?, digest, self.compression.media_type());
        Ok(NewLayer { blob, unpacked: Digest(self.tar.finalize().into()), what: what.to_owned() })
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.write(bytes)?,
            Encoder::Zstd(encoder) => encoder.write(bytes)?,
        };
        self.tar.update(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes what it passes on.
struct Hashing {
    to: BufWriter<File>,
    state: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.to.write(bytes)?;
        self.state.update(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::stored::digest_of;

    fn layer(compression: Compression, bytes: &[u8]) -> NewLayer {
        let file = tempfile::tempfile().expect("a file");
        let mut writer = LayerWriter::new(file, compression).expect("a compressor");
        writer.write_all(bytes).expect("it is written");
        writer.finish("a layer").expect("it is complete")
    }

    #[test]
    fn both_digests_are_those_of_what_can_be_read_and_nothing_of_this_machine_is_in_it() {
        let bytes = b"twelve bytes".repeat(1000);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let made = layer(compression, &bytes);
            let mut stored = Vec::new();
            made.blob.reader().read_to_end(&mut stored).expect("it is read");
            assert_eq!(digest_of(&mut &stored[..]).expect("memory"), made.digest());
            let mut unpacked = Vec::new();
            match compression {
                Compression::Gzip => {
                    assert_eq!(stored[3..8], [0; 5], "no name and no time (RFC 1952, 2.3)");
                    flate2::read::GzDecoder::new(&stored[..]).read_to_end(&mut unpacked).expect("gzip");
                }
                Compression::Zstd => {
                    zstd::Decoder::new(&stored[..]).expect("zstd").read_to_end(&mut unpacked).expect("zstd");
                }
            }
            assert!(unpacked == bytes);
            assert_eq!(digest_of(&mut &bytes[..]).expect("memory"), made.unpacked());
            assert_eq!(made.stored(), stored.len() as u64);
            assert_eq!(layer(compression, &bytes).digest(), made.digest(), "the same bytes again");
        }
    }
}
