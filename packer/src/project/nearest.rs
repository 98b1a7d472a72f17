//! Finds the known word that a misspelt one was probably meant to be.

/// The word nearest to `word`, if one is near enough to be meant.
pub(super) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let allowed = (word.len() / 3).max(1) + 1;
    let ranked = words.iter().map(|known| (distance(word, known), *known));
    ranked.filter(|(distance, _)| *distance <= allowed).min().map(|(_, known)| known)
}

/// The Levenshtein distance in bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, byte) in (1..).zip(one.bytes()) {
        let mut diagonal = above - 1;
        let mut left = above;
        for (cell, against) in row.iter_mut().skip(1).zip(other.bytes()) {
            let changed = diagonal + usize::from(byte != against);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let words = ["hosts", "also-target", "level"];
        assert_eq!(nearest("host", &words), Some("hosts"));
        assert_eq!(nearest("also_target", &words), Some("also-target"));
        assert_eq!(nearest("lvel", &words), Some("level"));
        assert_eq!(nearest("provenance", &words), None);
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
