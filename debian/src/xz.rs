//! xz decoding: a whole stream as a reader, and one block of a stream by itself. The only file that touches
//! `liblzma`. Refuses streams that want more than [`MEMORY_LIMIT`] bytes of memory to decode.

use std::io::{self, Read};

use liblzma::stream::{Action, CONCATENATED, Status, Stream};

/// The most memory a decoder may take: `xz -9` needs 65 MiB (xz(1)).
const MEMORY_LIMIT: u64 = 256 << 20;

/// Decodes all of `reader`, which may hold several streams after one another.
pub(crate) fn decode<R: Read>(reader: R) -> io::Result<impl Read + use<R>> {
    let stream = Stream::new_stream_decoder(MEMORY_LIMIT, CONCATENATED)?;
    Ok(liblzma::read::XzDecoder::new_stream(reader, stream))
}

/// Decodes one block whose bytes arrive in pieces. The format (<https://tukaani.org/xz/xz-file-format.txt>) makes
/// blocks independent of each other, so a decoder that has seen the stream's header takes any of them as the first.
pub(crate) struct BlockDecoder {
    stream: Stream,
    /// What the block decodes to, as far as its bytes were fed.
    pub(crate) output: Vec<u8>,
    /// What it will be when complete, as the stream's index says.
    uncompressed: usize,
}

impl BlockDecoder {
    /// A decoder for a block of a stream that starts with `stream_header`, of `uncompressed` bytes.
    pub(crate) fn new(stream_header: &[u8; 12], uncompressed: usize) -> io::Result<Self> {
        let stream = Stream::new_stream_decoder(MEMORY_LIMIT, 0)?;
        let mut decoder = Self { stream, output: Vec::new(), uncompressed };
        decoder.feed(stream_header)?;
        Ok(decoder)
    }

    /// Takes the block's next bytes; `output` grows by what they decode to.
    pub(crate) fn feed(&mut self, mut input: &[u8]) -> io::Result<()> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let (taken, made) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.process(input, &mut piece, Action::Run)?;
            input = &input[count(self.stream.total_in() - taken)..];
            let made = count(self.stream.total_out() - made);
            self.output.extend_from_slice(&piece[..made]);
            if self.output.len() > self.uncompressed {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a block is longer than its index says",
                ));
            }
            if matches!(status, Status::StreamEnd) || (input.is_empty() && made < piece.len()) {
                return Ok(());
            }
        }
    }
}

/// Counts within one call are bounded by the slices passed to it.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
