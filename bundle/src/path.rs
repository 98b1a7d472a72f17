//! Two searches in byte strings. Plain loops, each kept once: the standard library's searches are made for
//! long strings and would be a fiftieth of a launcher.

/// Whether `byte` is among `bytes`.
#[inline(never)]
#[allow(clippy::manual_contains, reason = "`contains` is the long search that this stands for")]
pub fn has(bytes: &[u8], byte: u8) -> bool {
    bytes.iter().any(|each| *each == byte)
}

/// What stands before the first `byte` and what behind it; all and nothing where there is none.
#[inline(never)]
pub fn cut(bytes: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    let end = bytes.iter().position(|each| *each == byte).unwrap_or(bytes.len());
    match bytes.split_at_checked(end) {
        Some((before, [_, behind @ ..])) => (before, Some(behind)),
        _ => (bytes, None),
    }
}
