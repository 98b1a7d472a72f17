//! The stub's text for any list of launchers: the list is refused, or the result is text of the right size
//! that ends in a line feed.

use bundle::{Arch, Digest};
use templates::{STUB_LEN, StubLauncher, stub as render};

/// 21 bytes describe a launcher: architecture, offset, length, four bytes of its digest.
const ROW: usize = 21;

pub(crate) fn stub(input: &[u8]) {
    let launchers: Vec<StubLauncher> = input.chunks_exact(ROW).map(launcher).collect();
    let Ok(text) = render(&launchers) else { return };
    assert_eq!(text.len(), STUB_LEN);
    assert!(text.starts_with(b"#!/bin/sh\n") && text.ends_with(b"\n"));
    assert!(text.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')), "something that is no text");
    assert!(
        !text.contains(&b'@') || !text.windows(7).any(|word| word == b"@CASES@"),
        "a placeholder is left"
    );
    for launcher in &launchers {
        let digest = launcher.digest.to_hex();
        assert!(text.windows(32).any(|window| window == &digest[..32]), "a launcher is missing");
    }
}

fn launcher(row: &[u8]) -> StubLauncher {
    let number = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes"));
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&row[17..21]);
    StubLauncher {
        host: Arch::ALL[usize::from(row[0]) % Arch::ALL.len()],
        digest: Digest(digest),
        offset: number(1),
        length: number(9),
    }
}
