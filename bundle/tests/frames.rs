//! What a table of frames may say, and what it may not (FORMAT.md, section 5.1.1).

use bundle::{
    Arch, Blob, BlobKind, Digest, Encoding, FormatError, Frame, FrameTable, Manifest, ManifestBuilder,
    NewBlob, NewEntry, NewVariant, Part,
};

/// The manifest of one blob with these lengths, and of nothing else that matters here.
fn manifest(encoding: Encoding, stored: u64, length: u64) -> Vec<u8> {
    let mut manifest = ManifestBuilder::new();
    let zero = Digest([0; 32]);
    let blob = |kind, encoding, offset, stored, length| NewBlob {
        kind,
        encoding,
        offset,
        stored,
        length,
        stored_digest: zero,
        digest: zero,
    };
    let app = manifest.blob(&blob(BlobKind::App, Encoding::TarZstd, 0, 0, 0));
    manifest.blob(&blob(BlobKind::Emulator, encoding, 4096, stored, length));
    let variant = manifest.variant(&NewVariant {
        target: Arch::X86_64,
        level: 0,
        app,
        shared: None,
        loader: b"",
        rules: &[],
    });
    manifest.entry(&NewEntry { variant, name: b"a", path: b"a", rules: &[] });
    manifest.finish(1 << 50).expect("the format allows it")
}

fn frame(stored: u64, length: u64) -> Frame {
    Frame { offset: 0, stored, length, digest: Digest([7; 32]) }
}

/// What the decoder says of `table` as the one of a blob that is as long as `frames` and it.
fn read(table: &[u8], frames: &[Frame], encoding: Encoding) -> Result<Vec<Frame>, FormatError> {
    let stored = table.len() as u64 + frames.iter().map(|frame| frame.stored).sum::<u64>();
    let manifest = manifest(encoding, stored, frames.iter().map(|frame| frame.length).sum());
    let manifest = Manifest::decode(&manifest, 1 << 50).expect("decoded");
    let blob: Blob<'_> = manifest.blobs().nth(1).expect("the blob");
    let header = table.first_chunk().expect("a header");
    assert_eq!(FrameTable::length(header)?, table.len());
    FrameTable::decode(blob, table).map(|table| table.frames().collect())
}

#[test]
fn frames_follow_each_other_behind_the_table() {
    let frames = [frame(10, 100), frame(0, 0), frame(7, 1 << 27)];
    let table = FrameTable::encode(&frames, 1, 1);
    let offsets = [4096 + 160, 4096 + 170, 4096 + 170];
    let expected: Vec<_> =
        frames.iter().zip(offsets).map(|(frame, offset)| Frame { offset, ..*frame }).collect();
    assert_eq!(read(&table, &frames, Encoding::TarZstd), Ok(expected));
}

#[test]
fn a_table_fills_its_blob_and_has_no_more_parts_than_frames() {
    let frames = [frame(10, 100), frame(20, 200)];
    let refused = Err(FormatError::Length(Part::Frames));
    let good = FrameTable::encode(&frames, 1, 1);
    assert!(read(&good, &frames, Encoding::TarZstd).is_ok());
    // Only trees have parts.
    assert_eq!(read(&good, &frames, Encoding::Zstd), refused);
    assert!(read(&FrameTable::encode(&frames, 0, 0), &frames, Encoding::Zstd).is_ok());
    for (directories, links) in [(2, 1), (3, 0), (0, 3), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
        let table = FrameTable::encode(&frames, directories, links);
        assert_eq!(read(&table, &frames, Encoding::TarZstd), refused, "{directories} {links}");
    }
    for other in
        [[frame(10, 100), frame(21, 200)], [frame(9, 100), frame(20, 200)], [frame(10, 99), frame(20, 200)]]
    {
        assert_eq!(read(&good, &other, Encoding::TarZstd), refused);
    }
    let mut flag = good.clone();
    flag[12] = 1;
    assert_eq!(read(&flag, &frames, Encoding::TarZstd), Err(FormatError::UnknownFlag(Part::Frames)));
}

#[test]
fn counts_and_lengths_have_limits_and_no_sum_wraps_around() {
    let refused = Err(FormatError::Length(Part::Frames));
    for count in [0, FrameTable::MAX + 1, u32::MAX] {
        let mut table = FrameTable::encode(&[frame(10, 100)], 0, 0);
        table[..4].copy_from_slice(&count.to_le_bytes());
        assert_eq!(read(&table, &[frame(10, 100)], Encoding::Zstd), refused, "{count}");
    }
    for long in [frame(1, FrameTable::MAX_LENGTH + 1), frame(FrameTable::MAX_STORED + 1, 1)] {
        let refused = Err(FormatError::OutOfBounds(Part::Frames));
        assert_eq!(read(&FrameTable::encode(&[long], 0, 0), &[long], Encoding::Zstd), refused);
    }
    // Two lengths whose sum is the blob's if it wraps around.
    let table = FrameTable::encode(&[frame(u64::MAX, u64::MAX), frame(11, 101)], 0, 0);
    assert!(read(&table, &[frame(10, 100)], Encoding::Zstd).is_err());
}
