//! A file system of a few small files that every kernel reads: ISO 9660 (ECMA-119) with the real names as
//! Rock Ridge has them (IEEE P1282), as `genisoimage -rock` makes it. One directory, files of at most 16
//! MiB, no times.

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 2048;
/// The sector of the only directory: behind 16 empty ones, two descriptors and two path tables.
const DIRECTORY: u32 = 20;

/// An image, and where each file is in it.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    /// In the order of the files.
    pub(crate) places: Vec<usize>,
}

/// The image of `files`, each a name and its bytes, with the name `volume`.
pub(crate) fn image(volume: &str, files: &[(&str, &[u8])]) -> Image {
    let mut directory = Vec::new();
    let sectors_of = |length: usize| length.div_ceil(SECTOR).max(1);
    // Its own length stands in it: names are short, so that it fits into one sector for a dozen of files.
    let length = sectors_of(files.len() * 128 + 512);
    push(&mut directory, record(&[0], DIRECTORY, length * SECTOR, true, &own_use()));
    push(&mut directory, record(&[1], DIRECTORY, length * SECTOR, true, &attributes(true)));
    let mut at = DIRECTORY as usize + length;
    let mut places = Vec::new();
    for (_, bytes) in files {
        places.push(at * SECTOR);
        at += sectors_of(bytes.len());
    }
    // In the order of their plain names, as the standard wants.
    for (number, (name, bytes)) in files.iter().enumerate() {
        let mut system_use = attributes(false);
        system_use.extend([b'N', b'M', 5 + byte(name.len()), 1, 0]);
        system_use.extend(name.as_bytes());
        let sector = u32::try_from(places[number] / SECTOR).unwrap_or(u32::MAX);
        push(&mut directory, record(plain_name(number).as_bytes(), sector, bytes.len(), false, &system_use));
    }
    let mut image = vec![0; 16 * SECTOR];
    image.extend(descriptor(volume, at, length * SECTOR));
    image.extend(padded(b"\xffCD001\x01"));
    let table = |sector: [u8; 4], parent: [u8; 2]| padded(&[&[1, 0], &sector[..], &parent, &[0, 0]].concat());
    image.extend(table(DIRECTORY.to_le_bytes(), 1_u16.to_le_bytes()));
    image.extend(table(DIRECTORY.to_be_bytes(), 1_u16.to_be_bytes()));
    directory.resize(length * SECTOR, 0);
    image.extend(directory);
    for (_, bytes) in files {
        let end = image.len() + sectors_of(bytes.len()) * SECTOR;
        image.extend(*bytes);
        image.resize(end, 0);
    }
    Image { bytes: image, places }
}

/// The name that a reader without Rock Ridge sees.
fn plain_name(number: usize) -> String {
    format!("FILE{number:03}.;1")
}

fn byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(SECTOR, 0);
    bytes
}

/// A record does not cross a sector.
fn push(directory: &mut Vec<u8>, record: Vec<u8>) {
    let left = SECTOR - directory.len() % SECTOR;
    if record.len() > left {
        directory.resize(directory.len() + left, 0);
    }
    directory.extend(record);
}

fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn both_short(number: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// That the directory has more than ISO 9660, and its attributes.
fn own_use() -> Vec<u8> {
    [&b"SP\x07\x01\xbe\xef\x00"[..], &attributes(true)].concat()
}

/// Mode, links, user and group: root's, and everybody may read it.
fn attributes(directory: bool) -> Vec<u8> {
    let (mode, links) = if directory { (0o040_555, 2) } else { (0o100_444, 1) };
    let mut bytes = b"PX\x24\x01".to_vec();
    for number in [mode, links, 0, 0] {
        bytes.extend(both(number));
    }
    bytes
}

/// A row of a directory.
fn record(name: &[u8], sector: u32, length: usize, directory: bool, system_use: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(both(sector));
    bytes.extend(both(u32::try_from(length).unwrap_or(u32::MAX)));
    bytes.extend(date());
    bytes.extend([if directory { 2 } else { 0 }, 0, 0]);
    bytes.extend(both_short(1));
    bytes.push(byte(name.len()));
    bytes.extend(name);
    if bytes.len() % 2 != 0 {
        bytes.push(0);
    }
    bytes.extend(system_use);
    if bytes.len() % 2 != 0 {
        bytes.push(0);
    }
    bytes[0] = byte(bytes.len());
    bytes
}

/// The first second of 1980, which every reader has.
fn date() -> [u8; 7] {
    [80, 1, 1, 0, 0, 0, 0]
}

fn descriptor(volume: &str, sectors: usize, directory_length: usize) -> Vec<u8> {
    let blanks = |text: &str, length: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(length, b' ');
        bytes
    };
    let mut bytes = b"\x01CD001\x01\0".to_vec();
    bytes.extend(blanks("LINUX", 32));
    bytes.extend(blanks(volume, 32));
    bytes.extend([0; 8]);
    bytes.extend(both(u32::try_from(sectors).unwrap_or(u32::MAX)));
    bytes.extend([0; 32]);
    bytes.extend(both_short(1));
    bytes.extend(both_short(1));
    bytes.extend(both_short(u16::try_from(SECTOR).unwrap_or(u16::MAX)));
    bytes.extend(both(10)); // bytes of a path table
    bytes.extend(18_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(19_u32.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(record(&[0], DIRECTORY, directory_length, true, &[]));
    for length in [128, 128, 128, 128, 37, 37, 37] {
        bytes.extend(blanks("", length));
    }
    // When it was made, changed, ends to count and begins to: not said.
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0");
    }
    bytes.extend([1, 0]);
    padded(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_the_image_says() {
        let long = vec![7; 5000];
        let image = image("cidata", &[("user-data", b"#cloud-config\n"), ("empty", b""), ("long", &long)]);
        assert_eq!(image.bytes.len() % SECTOR, 0);
        assert_eq!(&image.bytes[image.places[0]..][..14], b"#cloud-config\n");
        assert_eq!(&image.bytes[image.places[2]..][..5000], &long[..]);
        assert_eq!(image.places[2], image.places[1] + SECTOR);
        let at = 16 * SECTOR;
        assert_eq!(&image.bytes[at..at + 6], b"\x01CD001");
        assert_eq!(&image.bytes[at + 40..at + 47], b"cidata ");
        let sectors = u32::from_le_bytes(image.bytes[at + 80..at + 84].try_into().expect("four"));
        assert_eq!(sectors as usize * SECTOR, image.bytes.len());
    }
}
