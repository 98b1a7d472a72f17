//! rpm packages made by hand: the parts of one that are read, and hard links as cpio has them.

/// A file of the package: its path, its mode with the type's bits, its bytes or a link's target, and its
/// number: files with the same one are hard links.
pub type Packed<'a> = (&'a str, u32, &'a [u8], u32);

/// A package with these files, which `compress` compresses with Zstandard.
pub fn raw_rpm(files: &[Packed<'_>], compress: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = b"\xed\xab\xee\xdb\x03\0".to_vec();
    bytes.resize(96, 0);
    // The signatures: none.
    bytes.extend(header(&[], b""));
    // `RPMTAG_PAYLOADCOMPRESSOR`, a string at the start of the data.
    bytes.extend(header(&[1125, 6, 0, 1], b"zstd\0"));
    bytes.extend(compress(&cpio(files)));
    bytes
}

fn header(index: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x8e\xad\xe8\x01\0\0\0\0".to_vec();
    let count = |count: usize| u32::try_from(count).expect("small").to_be_bytes();
    bytes.extend([count(index.len() / 4), count(data.len())].concat());
    bytes.extend(index.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn cpio(files: &[Packed<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, (path, mode, content, inode)) in files.iter().enumerate() {
        let names = files.iter().filter(|other| other.3 == *inode).count();
        // Only the last name of a file has its bytes.
        let last = !files[number + 1..].iter().any(|other| other.3 == *inode);
        member(&mut bytes, path, *mode, if last { content } else { b"" }, *inode, names);
    }
    member(&mut bytes, "TRAILER!!!", 0, b"", 0, 1);
    bytes
}

fn member(bytes: &mut Vec<u8>, path: &str, mode: u32, content: &[u8], inode: u32, names: usize) {
    let fields =
        [inode as usize, mode as usize, 0, 0, names, 0, content.len(), 0, 0, 0, 0, path.len() + 1, 0];
    bytes.extend(b"070701");
    bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
    bytes.extend(path.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
