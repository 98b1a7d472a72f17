//! Pieces of files, which several processes write in any order: whether they make each announced file once,
//! without gaps, and without one over the other. Each process tells of the pieces of its own frames; that
//! of a frame alone stands where [`Member::fits`](crate::tar::Member::fits) says.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use crate::error::Error;
use crate::sys::Numbers;

/// What is shared: of each file how often it begins; and of each frame two numbers, the file and the offset
/// that the frame before ends with, combined with those that it begins with. Where both are the same, zero
/// is left.
pub struct Pieces {
    numbers: Numbers,
    files: usize,
}

impl Pieces {
    /// Of so many announced files, in so many frames.
    pub fn new(files: usize, frames: usize) -> Result<Self, Error> {
        let seams = frames.saturating_add(1).saturating_mul(2);
        let numbers = Numbers::new(files.saturating_add(seams)).map_err(|_| Error::no_memory())?;
        Ok(Self { numbers, files })
    }

    /// Tells of a piece in a frame; `end` where the file goes on behind it.
    pub fn put(&self, frame: usize, file: usize, offset: u64, end: Option<u64>) {
        if offset == 0 {
            let begun = self.numbers.all().get(file);
            begun.map(|begun| begun.fetch_add(1, SeqCst));
        } else {
            self.combine(frame, file, offset);
        }
        if let Some(end) = end {
            self.combine(frame.saturating_add(1), file, end);
        }
    }

    /// Whether all together make the files.
    pub fn make_files(&self) -> bool {
        let (files, seams) = self.numbers.all().split_at_checked(self.files).unwrap_or_default();
        let are = |numbers: &[AtomicU64], value| numbers.iter().all(|number| number.load(SeqCst) == value);
        are(files, 1) && are(seams, 0)
    }

    fn combine(&self, frame: usize, file: usize, offset: u64) {
        let seams = self.numbers.all().get(self.files..).unwrap_or_default();
        if let Some([one, other]) = seams.as_chunks().0.get(frame) {
            one.fetch_xor(file as u64, SeqCst);
            other.fetch_xor(offset, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pieces;

    /// Frame, file, offset, and the end where the file goes on.
    type Piece = (usize, usize, u64, Option<u64>);

    fn make_files(pieces: &[Piece]) -> bool {
        let both = [pieces.to_vec(), pieces.iter().rev().copied().collect()];
        let [one, other] = both.map(|pieces| {
            let Ok(all) = Pieces::new(2, 4) else { panic!("memory") };
            for (frame, file, offset, end) in &pieces {
                all.put(*frame, *file, *offset, *end);
            }
            all.make_files()
        });
        assert_eq!(one, other, "in any order");
        one
    }

    #[test]
    fn pieces_make_files_only_if_each_goes_on_where_the_one_before_ends() {
        let (one, other): (Piece, Piece) = ((0, 0, 0, Some(7)), (3, 1, 0, None));
        assert!(make_files(&[one, (1, 0, 7, Some(9)), (2, 0, 9, None), other]));
        assert!(make_files(&[(0, 0, 0, None), (0, 1, 0, Some(5)), (1, 1, 5, None)]));
        for wrong in [
            // A gap, an overlap, one that is left out, the next file's.
            vec![one, (1, 0, 8, None), other],
            vec![one, (1, 0, 6, None), other],
            vec![one, (2, 0, 7, None), other],
            vec![one, (1, 1, 7, None), other],
            // It does not end, or begin.
            vec![one, other],
            vec![(1, 0, 7, None), other],
            // One is there twice, the other not at all.
            vec![one, (1, 0, 7, None), (2, 0, 0, None)],
            // Two wrongs.
            vec![one, (1, 1, 9, None), (1, 0, 0, Some(9)), (2, 0, 7, None)],
            Vec::new(),
        ] {
            assert!(!make_files(&wrong), "{wrong:?}");
        }
    }
}
