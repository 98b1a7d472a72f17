//! The decoder against what zstd itself packs, at all levels, and against changed bits.

#![allow(clippy::cast_possible_truncation, reason = "made up numbers, of which the low bits will do")]

use std::io::{Read as _, Write as _};

use super::{BEHIND, Decoder, MAX_WINDOW};

/// Everything that a frame holds, behind which there are other bytes, with room for `room` bytes.
fn decode_into(frame: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut out = vec![0xA5; room + BEHIND];
    let behind = [frame, &[0x5A; BEHIND]].concat();
    let length = Decoder::new().decode(&behind, frame.len(), &mut out)?;
    assert!(length <= room + BEHIND, "{length} of {room}");
    out.truncate(length);
    Some(out)
}

fn decode(frame: &[u8]) -> Option<Vec<u8>> {
    decode_into(frame, 4_000_000)
}

/// Numbers without a pattern, the same each time (xorshift64).
fn noise(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Contents of many kinds: none, one byte, runs, noise, text of few and of many letters, far repetitions.
fn contents() -> Vec<Vec<u8>> {
    let mut next = noise(88_172_645_463_325_252);
    let mut all = vec![vec![], vec![7], vec![0; 1_000_000], b"abcabcabcabcabcabcabc".to_vec()];
    for length in [100, 5_000, 300_000] {
        all.push((0..length).map(|_| next() as u8).collect());
        all.push((0..length).map(|_| b"eeeeetttaaooinshr"[next() as usize % 17]).collect());
        all.push((0..length).map(|_| (next() as u8).leading_zeros() as u8).collect());
        all.push((0..length / 8).flat_map(|_| (next() % 50_000).to_le_bytes()).collect());
    }
    let block: Vec<u8> = (0..70_000).map(|_| next() as u8).collect();
    let mut far = Vec::new();
    for _ in 0..60 {
        let start = next() as usize % 60_000;
        let length = next() as usize % 10_000;
        far.extend_from_slice(&block[start..start + length]);
        far.extend((0..next() % 3_000).map(|number| (number / 7) as u8));
    }
    all.push(far);
    all.push(
        std::fs::read(std::env::current_exe().expect("a path")).expect("this program")[..3_000_000].to_vec(),
    );
    all
}

fn encode(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::encode_all(bytes, level).expect("zstd packs it")
}

#[test]
fn what_zstd_packs_at_any_level_comes_out_as_it_was() {
    for (number, content) in contents().iter().enumerate() {
        // Beyond 21 zstd takes wider windows than a bundle may.
        for level in [-7, 1, 3, 6, 9, 13, 16, 19, 21] {
            // Just enough room, and more.
            for room in [content.len(), content.len() + 999] {
                let decoded = decode_into(&encode(content, level), room);
                assert!(decoded.as_ref() == Some(content), "content {number}, level {level}, room {room}");
            }
            let short = content.len().saturating_sub(BEHIND + 1);
            if content.len() > BEHIND {
                assert_eq!(decode_into(&encode(content, level), short), None, "content {number}");
            }
        }
        // With the content's size in the header, as one segment.
        let decoded = decode(&zstd::bulk::compress(content, 19).expect("zstd packs it"));
        assert!(decoded.as_ref() == Some(content), "content {number} in one segment");
    }
}

#[test]
fn a_window_that_wraps_around_many_times_keeps_its_matches() {
    let content = contents().pop().expect("the program");
    let mut encoder = zstd::Encoder::new(Vec::new(), 12).expect("an encoder");
    encoder.window_log(17).expect("a window");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(&content).expect("zstd packs it");
    assert!(decode(&encoder.finish().expect("zstd packs it")) == Some(content));
}

#[test]
fn a_cut_frame_is_refused_wherever_it_ends() {
    for content in contents().iter().filter(|content| content.len() < 6_000) {
        let frame = encode(content, 19);
        for length in 0..frame.len() {
            assert!(decode_into(&frame[..length], 6_000).is_none(), "{length} of {}", frame.len());
        }
    }
}

#[test]
fn a_changed_frame_ends_without_a_panic_and_is_refused_or_what_zstd_makes_of_it() {
    let mut next = noise(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut agreed) = (0, 0);
    for content in contents().iter().filter(|content| content.len() < 6_000 && content.len() > 50) {
        for level in [1, 19] {
            let frame = encode(content, level);
            for _ in 0..2_000 {
                let mut changed = frame.clone();
                // Not in the header: zstd compares the content's checksum and size too.
                let at = 6 + next() as usize % (frame.len() - 6);
                changed[at] ^= 1 << (next() % 8);
                let Some(decoded) = decode_into(&changed, 1 << 18) else {
                    refused += 1;
                    continue;
                };
                // zstd refuses some codes that the RFC does not forbid.
                let mut theirs = Vec::new();
                let mut reader =
                    zstd::stream::read::Decoder::new(&changed[..]).expect("a decoder").single_frame();
                if reader.read_to_end(&mut theirs).is_ok() {
                    assert!(theirs == decoded, "byte {at} of {}", frame.len());
                    agreed += 1;
                }
            }
        }
    }
    assert!(agreed > 500, "{agreed}");
    assert!(refused > 5_000, "{refused}");
}

#[test]
fn a_dictionary_a_wide_window_and_another_magic_number_are_refused_and_less_is_taken() {
    // An empty last raw block behind a window descriptor.
    let frame =
        |magic: u8, descriptor: u8, window: u8| [magic, 0xb5, 0x2f, 0xfd, descriptor, window, 1, 0, 0];
    let largest = ((MAX_WINDOW.ilog2() - 10) << 3) as u8;
    assert_eq!(decode(&frame(0x28, 0, largest)), Some(Vec::new()));
    assert_eq!(decode(&frame(0x28, 0, largest + 1)), None);
    assert_eq!(decode(&frame(0x27, 0, largest)), None);
    assert_eq!(decode(&frame(0x28, 1, largest)), None);
    assert_eq!(decode(&frame(0x28, 8, largest)), None);
}
