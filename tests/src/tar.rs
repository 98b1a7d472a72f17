//! Tar members made by hand, including those that no honest tool writes.

/// What a header says.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// At most 100 bytes.
    pub name: &'a [u8],
    /// The type flag: `b'0'` for a file.
    pub kind: u8,
    /// The mode's bits.
    pub mode: u32,
    /// The length of what follows, as written into the header.
    pub size: u64,
    /// A link's target, at most 100 bytes.
    pub target: &'a [u8],
}

/// A header block with a right checksum (POSIX ustar).
pub fn header(header: &Header<'_>) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..header.name.len()].copy_from_slice(header.name);
    block[100..107].copy_from_slice(format!("{:07o}", header.mode).as_bytes());
    block[108..115].copy_from_slice(b"0000000");
    block[116..123].copy_from_slice(b"0000000");
    if header.size < 1 << 33 {
        block[124..135].copy_from_slice(format!("{:011o}", header.size).as_bytes());
    } else {
        // GNU's base-256 for what eleven octal digits cannot hold.
        block[124] = 0x80;
        block[128..136].copy_from_slice(&header.size.to_be_bytes());
    }
    block[136..147].copy_from_slice(b"00000000000");
    block[156] = header.kind;
    block[157..157 + header.target.len()].copy_from_slice(header.target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    checksummed(block)
}

/// The same member with another owner and group.
pub fn owned(mut member: Vec<u8>, uid: u32, gid: u32) -> Vec<u8> {
    member[108..115].copy_from_slice(format!("{uid:07o}").as_bytes());
    member[116..123].copy_from_slice(format!("{gid:07o}").as_bytes());
    checksummed(member)
}

/// The same member with a right checksum.
pub fn checksummed(mut member: Vec<u8>) -> Vec<u8> {
    member[148..156].fill(b' ');
    let sum: u32 = member[..512].iter().map(|byte| u32::from(*byte)).sum();
    member[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    member
}

/// A directory.
pub fn directory(name: &str) -> Vec<u8> {
    header(&Header { name: name.as_bytes(), kind: b'5', mode: 0o755, size: 0, target: b"" })
}

/// A link of kind `b'1'` (hard) or `b'2'` (symbolic).
pub fn link(kind: u8, name: &str, target: &str) -> Vec<u8> {
    header(&Header { name: name.as_bytes(), kind, mode: 0o777, size: 0, target: target.as_bytes() })
}

/// A file, padded to whole blocks.
pub fn file(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64;
    let mut bytes = header(&Header { name: name.as_bytes(), kind: b'0', mode, size, target: b"" });
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A piece of a file of `whole` bytes, which begins at `offset`; without content, the announcement of the
/// file.
pub fn piece(name: &str, mode: u32, offset: u64, whole: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = file(name, mode, content);
    bytes[156] = b'M';
    bytes[369..380].copy_from_slice(format!("{offset:011o}").as_bytes());
    bytes[483..494].copy_from_slice(format!("{whole:011o}").as_bytes());
    checksummed(bytes)
}

/// Members one after the other, and the end of an archive.
pub fn raw_tar(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
