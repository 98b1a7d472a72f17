//! Disks as qemu-system reads them: qcow2 (QEMU: docs/interop/qcow2.rst). A raw image becomes one, so that
//! its holes need no room; an image that is one already is checked and taken as it is; and what takes a
//! machine's changes is an empty one of the same size. It refuses images that need another file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::atomic_file;
use crate::error::{Error, MachineError};
use crate::tree::content::Content;

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// The longest header that is read, in bytes.
const HEADER: u32 = 104;
const CLUSTER: u64 = 64 << 10;
/// Entries of a table that fills a cluster: eight bytes each.
const TABLE: u64 = CLUSTER / 8;
/// Numbers of references in a cluster: two bytes each.
const REFERENCES: u64 = CLUSTER / 2;
/// A cluster with exactly one reference.
const COPIED: u64 = 1 << 63;
/// Of the incompatible features: the image was not closed, is damaged, has its data elsewhere.
const CORRUPT: u64 = 1 << 1;
const EXTERNAL: u64 = 1 << 2;
/// A disk has sectors of this many bytes.
const SECTOR: u64 = 512;
/// More is not a disk that anybody has.
pub(super) const SIZE_MAX: u64 = 64 << 40;

/// What other images begin with, and what they are called.
const OTHERS: [(&[u8], &str); 9] = [
    (b"KDMV", "a VMDK image"),
    (b"COWD", "a VMDK image"),
    (b"# Disk DescriptorFile", "the description of a VMDK image"),
    (b"vhdxfile", "a VHDX image"),
    (b"conectix", "a VHD image"),
    (b"<<< ", "a VDI image"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\xfd7zXZ\0", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
];

/// A disk's image.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) image: Content,
    /// What the machine sees, in bytes.
    pub(crate) size: u64,
}

/// The image at `path`, as qcow2.
pub(crate) fn open(file: &File, path: &Path) -> Result<Disk, Error> {
    let failed = |source| Error::io("read", path, source);
    let refused = |what: String| Error::from(MachineError::Disk { path: path.to_owned(), what });
    let length = file.metadata().map_err(failed)?.len();
    let mut head = Vec::new();
    let mut reader = file;
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    reader.take(HEADER.into()).read_to_end(&mut head).map_err(failed)?;
    if head.starts_with(MAGIC) {
        let size = checked(&head).map_err(|what| refused(what.to_owned()))?;
        let image = Content::whole(file.try_clone().map_err(failed)?).map_err(failed)?;
        return Ok(Disk { image, size });
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(refused(format!("is {what}")));
    }
    if length == 0 || !length.is_multiple_of(SECTOR) {
        return Err(refused(format!("has {length} bytes, and a disk has sectors of {SECTOR}")));
    }
    if length > SIZE_MAX {
        return Err(refused(format!("has {length} bytes")));
    }
    Ok(Disk { image: of_raw(file, length, path)?, size: length })
}

/// The size that the header of an image says; or what is wrong with it.
fn checked(head: &[u8]) -> Result<u64, &'static str> {
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let long = |at: usize| head.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let short = "is a qcow2 image that was cut off";
    let version = number(4).ok_or(short)?;
    if !(2..=3).contains(&version) {
        return Err("is a qcow2 image of an unknown version");
    }
    if long(8).ok_or(short)? != 0 {
        return Err("is a qcow2 image over another one");
    }
    if number(32).ok_or(short)? != 0 {
        return Err("is an encrypted qcow2 image");
    }
    let features = if version == 3 { long(72).ok_or(short)? } else { 0 };
    if features & CORRUPT != 0 {
        return Err("is a damaged qcow2 image");
    }
    if features & EXTERNAL != 0 {
        return Err("is a qcow2 image whose data are in another file");
    }
    match long(24).ok_or(short)? {
        size if size == 0 || size > SIZE_MAX => Err("is a qcow2 image without a plausible size"),
        size => Ok(size),
    }
}

/// An empty image of `size` bytes.
pub(crate) fn empty(size: u64) -> Vec<u8> {
    let layout = Layout::of(size, &[]);
    let mut image = io::Cursor::new(Vec::new());
    // Memory takes what is written to it.
    let _ = layout.write(&mut image);
    let mut image = image.into_inner();
    image.resize(usize::try_from(layout.clusters() * CLUSTER).unwrap_or(0), 0);
    image
}

fn of_raw(file: &File, length: u64, path: &Path) -> Result<Content, Error> {
    let failed = |source| Error::io("read", path, source);
    let mut buffer = vec![0; usize::try_from(CLUSTER).unwrap_or(1 << 16)];
    let look = |cluster| Ok(cluster_of(file, cluster, length, &mut buffer)?.iter().any(|byte| *byte != 0));
    let used = used(file, length, look).map_err(failed)?;
    let layout = Layout::of(length, &used);
    let mut image = atomic_file::nameless().map_err(Error::Temporary)?;
    layout.write(&mut image).map_err(Error::Temporary)?;
    for (number, cluster) in used.iter().enumerate() {
        let buffer = cluster_of(file, *cluster, length, &mut buffer).map_err(failed)?;
        let at = (layout.data + number as u64) * CLUSTER;
        image.write_all_at(buffer, at).map_err(Error::Temporary)?;
    }
    image.set_len(layout.clusters() * CLUSTER).map_err(Error::Temporary)?;
    Content::whole(image).map_err(Error::Temporary)
}

/// The clusters with something in them, in order; `look` says it of one.
fn used(file: &File, length: u64, mut look: impl FnMut(u64) -> io::Result<bool>) -> io::Result<Vec<u64>> {
    let mut used = Vec::new();
    let mut at = 0;
    while at < length {
        // A file system that knows no holes says that all of it is data.
        let data = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => break,
            Err(_) => at,
        };
        // From where data begin: the cluster they are in may begin with a hole.
        let hole = match rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(data)) {
            Ok(hole) if hole > data => hole.min(length),
            _ => length,
        };
        at = data / CLUSTER * CLUSTER;
        while at < hole {
            let cluster = at / CLUSTER;
            if look(cluster)? {
                used.push(cluster);
            }
            at += CLUSTER;
        }
    }
    used.dedup();
    Ok(used)
}

/// The bytes of a cluster; the last one may be shorter.
fn cluster_of<'b>(file: &File, cluster: u64, length: u64, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let at = cluster * CLUSTER;
    let wanted = usize::try_from((length - at).min(CLUSTER)).unwrap_or(0);
    let buffer = &mut buffer[..wanted];
    file.read_exact_at(buffer, at)?;
    Ok(buffer)
}

/// Where everything is, in clusters: header, table of blocks of references, the blocks, table of tables, the
/// tables, data.
struct Layout<'u> {
    size: u64,
    used: &'u [u64],
    blocks: u64,
    block_tables: u64,
    tops: u64,
    top_clusters: u64,
    /// The tables that are there: which of all.
    tables: Vec<u64>,
    data: u64,
}

impl<'u> Layout<'u> {
    fn of(size: u64, used: &'u [u64]) -> Self {
        let tops = size.div_ceil(CLUSTER).div_ceil(TABLE);
        let top_clusters = tops.div_ceil(TABLE);
        let mut tables: Vec<u64> = used.iter().map(|cluster| cluster / TABLE).collect();
        tables.dedup();
        let rest = 1 + top_clusters + tables.len() as u64 + used.len() as u64;
        // The blocks count themselves.
        let (mut blocks, mut block_tables) = (1, 1);
        loop {
            let needed = (rest + blocks + block_tables).div_ceil(REFERENCES);
            if needed <= blocks {
                break;
            }
            (blocks, block_tables) = (needed, needed.div_ceil(TABLE));
        }
        let data = 1 + block_tables + blocks + top_clusters + tables.len() as u64;
        Self { size, used, blocks, block_tables, tops, top_clusters, tables, data }
    }

    fn clusters(&self) -> u64 {
        self.data + self.used.len() as u64
    }

    /// Everything but the data.
    fn write(&self, to: &mut (impl Write + Seek)) -> io::Result<()> {
        let block_table = 1;
        let first_block = block_table + self.block_tables;
        let top = first_block + self.blocks;
        let first_table = top + self.top_clusters;
        let mut header = Vec::new();
        header.extend(MAGIC);
        header.extend(3_u32.to_be_bytes());
        header.extend([0; 12]); // no other image
        header.extend(CLUSTER.trailing_zeros().to_be_bytes());
        header.extend(self.size.to_be_bytes());
        header.extend([0; 4]); // not encrypted
        header.extend(u32::try_from(self.tops).unwrap_or(u32::MAX).to_be_bytes());
        header.extend((top * CLUSTER).to_be_bytes());
        header.extend((block_table * CLUSTER).to_be_bytes());
        header.extend(u32::try_from(self.block_tables).unwrap_or(u32::MAX).to_be_bytes());
        header.extend([0; 12 + 24]); // no snapshots, no features
        header.extend(4_u32.to_be_bytes()); // references have 1 << 4 bits
        header.extend(HEADER.to_be_bytes());
        to.write_all(&header)?;
        let mut table = |at: u64, entries: &mut dyn Iterator<Item = u64>| -> io::Result<()> {
            to.seek(SeekFrom::Start(at * CLUSTER))?;
            let bytes: Vec<u8> = entries.flat_map(u64::to_be_bytes).collect();
            to.write_all(&bytes)
        };
        table(block_table, &mut (0..self.blocks).map(|block| (first_block + block) * CLUSTER))?;
        let place = |tables: &[u64], wanted: u64| {
            let found = tables.binary_search(&wanted).ok()?;
            Some(((first_table + found as u64) * CLUSTER) | COPIED)
        };
        table(top, &mut (0..self.tops).map(|number| place(&self.tables, number).unwrap_or(0)))?;
        for (number, which) in self.tables.iter().enumerate() {
            let begin = self.used.partition_point(|cluster| cluster / TABLE < *which);
            let end = self.used.partition_point(|cluster| cluster / TABLE <= *which);
            let mut entries = vec![0; usize::try_from(TABLE).unwrap_or(0)];
            for (index, cluster) in self.used[begin..end].iter().enumerate() {
                let place = ((self.data + (begin + index) as u64) * CLUSTER) | COPIED;
                entries[usize::try_from(cluster % TABLE).unwrap_or(0)] = place;
            }
            table(first_table + number as u64, &mut entries.into_iter())?;
        }
        to.seek(SeekFrom::Start(first_block * CLUSTER))?;
        let references: Vec<u8> = (0..self.clusters()).flat_map(|_| 1_u16.to_be_bytes()).collect();
        to.write_all(&references)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader of the format finds at a place of the disk.
    fn read(image: &[u8], at: u64) -> u8 {
        let long = |at: u64| {
            let at = usize::try_from(at).expect("small");
            u64::from_be_bytes(image[at..at + 8].try_into().expect("eight"))
        };
        let cluster = at / CLUSTER;
        let table = long(long(40) + cluster / TABLE * 8) & !COPIED;
        let data = if table == 0 { 0 } else { long(table + cluster % TABLE * 8) & !COPIED };
        if data == 0 { 0 } else { image[usize::try_from(data + at % CLUSTER).expect("small")] }
    }

    #[test]
    fn a_raw_disk_is_the_same_without_its_holes() {
        let file = tempfile::tempfile().expect("a file");
        let size = 3 * TABLE * CLUSTER + SECTOR;
        file.set_len(size).expect("long");
        let marked = [0, CLUSTER - 1, 5 * CLUSTER + 7, 2 * TABLE * CLUSTER + 3, size - 1];
        for (number, at) in marked.iter().enumerate() {
            file.write_all_at(&[u8::try_from(number).expect("small") + 1], *at).expect("written");
        }
        let disk = open(&file, Path::new("raw")).expect("made");
        assert_eq!(disk.size, size);
        let image = disk.image.bytes().expect("read");
        assert!(image.len() < 20 * usize::try_from(CLUSTER).expect("small"), "{}", image.len());
        for (number, at) in marked.iter().enumerate() {
            assert_eq!(usize::from(read(&image, *at)), number + 1, "{at}");
            assert_eq!(read(&image, at ^ 2), 0, "{at}");
        }
        assert_eq!(checked(&image), Ok(size));
    }

    #[test]
    fn holes_are_not_read_though_data_begin_within_a_cluster() {
        let file = tempfile::tempfile().expect("a file");
        let size = 1 << 30;
        file.set_len(size).expect("long");
        let at = 3 * CLUSTER + CLUSTER / 2;
        file.write_all_at(&[1], at).expect("written");
        let mut read = 0;
        let used = used(&file, size, |cluster| {
            read += 1;
            Ok(cluster == 3)
        });
        assert_eq!(used.expect("read"), [3]);
        // Whatever size the file system's own blocks have.
        assert!(read <= 64, "{read}");
    }

    #[test]
    fn an_image_that_needs_another_file_is_refused() {
        let whole = empty(1 << 30);
        assert_eq!(checked(&whole), Ok(1 << 30));
        for (at, byte) in [(7, 4), (15, 1), (35, 1), (79, 2), (79, 4), (24, 1)] {
            let mut image = whole.clone();
            image[at] = byte;
            assert!(checked(&image).is_err(), "{at}");
        }
        assert!(checked(&whole[..50]).is_err());
    }
}
