//! Which files go into one frame: those that resemble each other, since a frame is compressed by itself. What
//! a file has in common with others shows in a sketch of it, the smallest hashes of places that its contents
//! choose (`MinHash` over content-defined chunks). Sketches never decide about more than size: files that are
//! wrongly thought alike are packed a little larger.

use std::collections::HashMap;
use std::io;

use crate::tree::content::Content;
use crate::write::turns;

/// Files that fit into this many bytes together are one frame, in the order of their names: its window covers
/// all of them.
pub(crate) const TOGETHER: u64 = 64 << 20;

/// Frames are filled up to this many bytes, so that several can be packed and unpacked at once.
const FULL: u64 = 48 << 20;

/// Files that have much in common share a frame of up to this many bytes; a frame may have 128 MiB with its
/// headers.
const LARGEST: u64 = 112 << 20;

/// A file that is longer is cut into pieces, each of which has a frame of its own.
pub(crate) const WHOLE: u64 = 63 << 20;

/// Shorter files get no sketch: together they are a few megabytes of a tree, and neighbours resemble each
/// other.
const LOOKED_INTO: u64 = 64 << 10;

/// Hashes in a sketch.
const SKETCH: usize = 256;

/// One place in this many bytes is chosen, on average.
const PLACES: u64 = 1 << 10;

/// Hashes below this are of places that are chosen: one in [`PLACES`].
const CHOSEN: u32 = u32::MAX >> PLACES.ilog2();

/// A hash that occurs in more files than this says nothing about any two of them.
const COMMON: usize = 64;

/// Files with less in common, in bytes, are not considered alike.
const LEAST: u64 = 16 << 10;

/// What decides which files share a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Their names alone, for levels at which reading files would take as long as compressing them.
    Name,
    /// What they have in common.
    Contents,
}

impl By {
    /// The criterion that is worth its time at this level of compression.
    pub(crate) fn of_level(level: i32) -> Self {
        if level > 2 { Self::Contents } else { Self::Name }
    }
}

/// Cuts `files`, in the order of their names and each with what it takes with its headers, into what each
/// frame holds, by their indexes; the largest frame comes first. A file longer than [`WHOLE`] is alone. The
/// same files give the same frames in any run.
pub(crate) fn frames(files: &[(u64, &Content)], by: By) -> io::Result<Vec<Vec<usize>>> {
    let length = |file: usize| files.get(file).map_or(0, |(taken, _)| *taken);
    let is_long = |file: usize| files.get(file).is_some_and(|(_, content)| content.len() > WHOLE);
    let all = || 0..files.len();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    if all().map(length).sum::<u64>() <= TOGETHER && !all().any(is_long) {
        return Ok(vec![all().collect()]);
    }
    let worth = |file: &usize| by == By::Contents && length(*file) >= LOOKED_INTO && !is_long(*file);
    let looked: Vec<usize> = all().filter(worth).collect();
    let jobs: Vec<&Content> =
        looked.iter().filter_map(|file| files.get(*file).map(|(_, content)| *content)).collect();
    let sketches = turns::each(jobs, Sketch::of).into_iter().collect::<io::Result<Vec<_>>>()?;
    let lengths: Vec<u64> = looked.iter().map(|file| length(*file)).collect();

    let mut frames: Vec<Vec<usize>> = Vec::new();
    let mut rest: Vec<Vec<usize>> = Vec::new();
    for group in alike(&sketches, &lengths) {
        let group: Vec<usize> = group.into_iter().filter_map(|at| looked.get(at).copied()).collect();
        if group.iter().map(|file| length(*file)).sum::<u64>() >= FULL {
            frames.push(group);
        } else {
            rest.push(group);
        }
    }
    frames.extend(all().filter(|file| is_long(*file)).map(|file| vec![file]));
    // Short files follow each other: most are texts, and so are their neighbours.
    rest.extend(all().filter(|file| !worth(file) && !is_long(*file)).map(|file| vec![file]));
    let (mut frame, mut filled) = (Vec::new(), 0);
    for group in rest {
        let more: u64 = group.iter().map(|file| length(*file)).sum();
        if filled + more > FULL && !frame.is_empty() {
            frames.push(std::mem::take(&mut frame));
            filled = 0;
        }
        filled += more;
        frame.extend(group);
    }
    frames.extend(Some(frame).filter(|frame| !frame.is_empty()));
    // Whoever packs or unpacks them begins with what takes longest.
    frames.sort_by_key(|frame| {
        let length: u64 = frame.iter().map(|file| length(*file)).sum();
        (std::cmp::Reverse(length), frame.first().copied())
    });
    Ok(frames)
}

/// The files of `sketches` in groups; those with most in common are put together first.
fn alike(sketches: &[Sketch], lengths: &[u64]) -> Vec<Vec<usize>> {
    let length = |file: usize| lengths.get(file).copied().unwrap_or(0);
    let mut pairs = Vec::new();
    for (first, second) in candidates(sketches) {
        let [Some(one), Some(other)] = [sketches.get(first), sketches.get(second)] else { continue };
        let common = one.in_common(other);
        if common >= LEAST {
            pairs.push((std::cmp::Reverse(common), first, second));
        }
    }
    pairs.sort_unstable();
    // Of each file the group that it is in, named after its first; of each group its length.
    let mut group: Vec<usize> = (0..sketches.len()).collect();
    let mut sizes: Vec<u64> = lengths.to_vec();
    for (std::cmp::Reverse(common), first, second) in pairs {
        let (Some(&one), Some(&other)) = (group.get(first), group.get(second)) else { continue };
        let (to, from) = (one.min(other), one.max(other));
        let both = sizes.get(to).zip(sizes.get(from)).map_or(u64::MAX, |(to, from)| to + from);
        // A large frame needs much memory where it is unpacked: only for what saves an eighth of a file.
        let most = if common * 8 >= length(first).min(length(second)) { LARGEST } else { FULL };
        if to == from || both > most {
            continue;
        }
        group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        if let Some(size) = sizes.get_mut(to) {
            *size = both;
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); sketches.len()];
    for (file, group) in group.into_iter().enumerate() {
        groups.get_mut(group).into_iter().for_each(|group| group.push(file));
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Pairs of sketches that share some hashes.
fn candidates(sketches: &[Sketch]) -> Vec<(usize, usize)> {
    let mut with: HashMap<u32, Vec<usize>> = HashMap::new();
    for (file, sketch) in sketches.iter().enumerate() {
        for hash in &sketch.least {
            with.entry(*hash).or_default().push(file);
        }
    }
    let mut shared: HashMap<(usize, usize), u32> = HashMap::new();
    for files in with.into_values().filter(|files| files.len() <= COMMON) {
        for (at, second) in files.iter().enumerate() {
            for first in files.iter().take(at) {
                *shared.entry((*first, *second)).or_default() += 1;
            }
        }
    }
    // One hash may be shared by chance.
    shared.into_iter().filter(|(_, shared)| *shared > 1).map(|(pair, _)| pair).collect()
}

/// What is known of a file's contents.
struct Sketch {
    /// The smallest hashes, ascending.
    least: Vec<u32>,
    /// How many different ones there are.
    places: u64,
}

impl Sketch {
    /// Reads all of `content`. A place is chosen by the 32 bytes before it, wherever they are in the file.
    fn of(content: &Content) -> io::Result<Self> {
        let gear = gear();
        let mut hash = 0u32;
        let mut places = Vec::new();
        content.each_piece(|piece| {
            for byte in piece {
                // Each byte has left the sum after 32 more.
                hash = (hash << 1).wrapping_add(gear[usize::from(*byte)]);
                if hash < CHOSEN {
                    places.push((mixed(u64::from(hash)) >> 32) as u32);
                }
            }
            Ok(())
        })?;
        places.sort_unstable();
        places.dedup();
        let count = places.len() as u64;
        places.truncate(SKETCH);
        Ok(Self { least: places, places: count })
    }

    /// An estimate of how many bytes both files have in common.
    fn in_common(&self, other: &Self) -> u64 {
        let (mut one, mut two) = (self.least.iter().peekable(), other.least.iter().peekable());
        let (mut seen, mut same) = (0u64, 0u64);
        // The smallest hashes of the union, and how many of those are in both (Broder 1997).
        while seen < SKETCH as u64
            && let (Some(first), Some(second)) = (one.peek(), two.peek())
        {
            let order = first.cmp(second);
            seen += 1;
            same += u64::from(order.is_eq());
            if order.is_le() {
                one.next();
            }
            if order.is_ge() {
                two.next();
            }
        }
        let both = self.places.saturating_add(other.places);
        if same == 0 { 0 } else { both * same / (seen + same) * PLACES }
    }
}

/// A number for each byte.
fn gear() -> [u32; 256] {
    let mut gear = [0; 256];
    for (byte, number) in (0u64..).zip(&mut gear) {
        *number = (mixed(byte.wrapping_add(0x9e37_79b9_7f4a_7c15)) & 0xffff_ffff) as u32;
    }
    gear
}

/// The finalizer of `SplitMix64`.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        (0..length as u64).map(|at| (mixed(seed << 40 | at) & 0xff) as u8).collect()
    }

    fn in_frames(files: &[Content]) -> Vec<Vec<usize>> {
        let sized: Vec<_> = files.iter().map(|content| (content.len() + 512, content)).collect();
        frames(&sized, By::Contents).expect("memory is read")
    }

    #[test]
    fn what_is_alike_is_found_wherever_it_lies_in_its_file() {
        let (a, b, c) = (noise(1, 3 << 20), noise(2, 1 << 20), noise(3, 1 << 20));
        let sketch = |parts: &[&[u8]]| Sketch::of(&parts.concat().into()).expect("memory is read");
        let first = sketch(&[&a, &b]);
        let second = sketch(&[&c[..777], &a, &c]);
        let common = first.in_common(&second);
        assert!(((2 << 20)..(4 << 20)).contains(&common), "{common} of 3 MiB");
        assert_eq!(first.in_common(&sketch(&[&c])), 0);
    }

    #[test]
    fn files_that_resemble_each_other_share_a_frame_and_the_largest_frame_comes_first() {
        let base = noise(7, 2 << 20).repeat(10);
        let like = |seed| Content::from([&base[..], &noise(seed, 1 << 20)].concat());
        let other = |seed| Content::from(noise(seed, 1 << 20).repeat(21));
        let short = || Content::from(b"text".to_vec());
        let files = [like(10), other(11), short(), other(12), like(13), short()];
        let frames = in_frames(&files);
        let of = |file| frames.iter().position(|frame| frame.contains(&file));
        assert_eq!(of(0), of(4), "{frames:?}");
        assert_ne!(of(1), None);
        let mut all: Vec<usize> = frames.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5], "each is in one frame");
        let lengths: Vec<u64> =
            frames.iter().map(|frame| frame.iter().map(|file| files[*file].len()).sum()).collect();
        assert!(lengths.is_sorted_by(|one, next| one >= next), "{lengths:?}");
    }

    #[test]
    fn what_is_short_stays_together_in_its_order_and_what_is_long_is_alone() {
        let files: Vec<Content> = (0..5).map(|seed| noise(seed, 100_000).into()).collect();
        assert_eq!(in_frames(&files), [[0, 1, 2, 3, 4]]);
        let long = Content::from(vec![0; 64 << 20]);
        assert_eq!(in_frames(&[files[0].clone(), long]), [[1], [0]]);
        assert!(in_frames(&[]).is_empty());
        // Headers alone: a hundred thousand empty files.
        let empty = Content::from(Vec::new());
        let many = frames(&vec![(1000, &empty); 100_000], By::Name).expect("nothing is read");
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [50_331, 49_669]);
    }
}
