//! Numbers for people.

/// A length in bytes, with one decimal of the largest binary unit that it reaches.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", tenths(1024)),
        _ => format!("{} MiB", tenths(0x10_0000)),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_length_is_cut_and_never_rounded_up() {
        let sizes = [0, 1023, 1024, 1535, 0xf_ffff, 0x10_0000].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.4 KiB", "1023.9 KiB", "1.0 MiB"]);
    }
}
