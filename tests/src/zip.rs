//! Zip files made by hand, including those that no honest tool writes.

/// A member: its name, its mode with the type's bits, or 0 for one made where files have no modes; its bytes.
pub type Member<'a> = (&'a str, u32, &'a [u8]);

/// The members, stored as they are (PKWARE's APPNOTE.TXT, 4.3).
pub fn raw_zip(members: &[Member<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, mode, content) in members {
        let offset = u32::try_from(bytes.len()).expect("small");
        let size = u32::try_from(content.len()).expect("small");
        let length = u16::try_from(name.len()).expect("short");
        let mut common = Vec::new();
        // Flags, method, time, date.
        for number in [0_u16, 0, 0, 0x21] {
            common.extend(number.to_le_bytes());
        }
        for number in [crc32(content), size, size] {
            common.extend(number.to_le_bytes());
        }
        common.extend(length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        bytes.extend(b"PK\x03\x04\x0a\0");
        bytes.extend(&common);
        bytes.extend(name.bytes());
        bytes.extend(*content);
        // Made by Unix, or by DOS.
        directory.extend(b"PK\x01\x02\x0a");
        directory.push(if *mode == 0 { 0 } else { 3 });
        directory.extend(b"\x0a\0");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = u32::try_from(bytes.len()).expect("small");
    let count = u16::try_from(members.len()).expect("few");
    let size = u32::try_from(directory.len()).expect("small");
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0; 2]);
    bytes
}

/// The checksum of RFC 1952, section 8, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}
