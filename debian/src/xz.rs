//! xz decoding: a whole stream as a reader, and one block of a stream by itself. The only file that uses
//! `liblzma`. Refuses streams that want more than [`MEMORY_LIMIT`] bytes of memory to decode.

use std::io::{self, Read};

use liblzma::stream::{Action, CONCATENATED, Status, Stream};

/// The memory limit of a decoder: `xz -9` needs 65 MiB (xz(1)).
const MEMORY_LIMIT: u64 = 256 << 20;

/// Decodes all of `reader`, which may contain several consecutive streams.
pub(crate) fn decode<R: Read>(reader: R) -> io::Result<impl Read + use<R>> {
    let stream = Stream::new_stream_decoder(MEMORY_LIMIT, CONCATENATED)?;
    Ok(liblzma::read::XzDecoder::new_stream(reader, stream))
}

/// Decodes one block whose bytes arrive in pieces. The format (<https://tukaani.org/xz/xz-file-format.txt>)
/// makes blocks independent of each other, so a decoder that has seen the stream's header takes any of them
/// as the first.
pub(crate) struct BlockDecoder {
    stream: Stream,
    /// The decoded bytes so far.
    pub(crate) output: Vec<u8>,
    /// The decoded length when complete, from the stream's index.
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

    /// Decodes the block's next bytes and appends to `output`.
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
