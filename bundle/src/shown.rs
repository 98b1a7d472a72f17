//! How text that came out of a file is shown to people. Names in bundles, packages and trees are bytes that
//! somebody else chose: a line feed in one begins a line that seems to be ours, a control code steers the
//! terminal, and a bidirectional control turns around what stands beside it (Trojan Source, CVE-2021-42574).
//!
//! Whatever could do that is written as an escape; it is the only place that decides what that is.

use core::fmt;

/// What may stand in a shown text besides printable characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name, which is a part of a line: nothing else.
    Name,
    /// A text of several lines: line feeds and tabs.
    Lines,
}

/// Whether a character shows as itself and changes nothing around it. Not so are control characters, the
/// separators of lines and paragraphs, and the controls of Unicode's bidirectional algorithm (UAX #9, 2.1 to
/// 2.6).
pub fn is_printable(c: char) -> bool {
    let steers =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !steers && !is_control(c)
}

/// As `char::is_control`, without its table: categories other than these ranges have none (Unicode, Cc).
fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}')
}

/// Hands `text` to `out` piece by piece, with `\n`, `\x1b` or `\u{202e}` for what is not printable, and
/// `\xff` for bytes that are not UTF-8. Showing what was shown changes nothing.
pub fn show(text: &[u8], kind: Kind, out: &mut dyn FnMut(&[u8])) {
    for chunk in text.utf8_chunks() {
        let mut plain = chunk.valid();
        while let Some((start, c)) = plain.char_indices().find(|(_, c)| !passes(*c, kind)) {
            let (before, rest) = plain.split_at_checked(start).unwrap_or((plain, ""));
            out(before.as_bytes());
            escape(c, out);
            plain = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        out(plain.as_bytes());
        for byte in chunk.invalid() {
            hex(u32::from(*byte), 2, b"\\x", out);
        }
    }
}

fn passes(c: char, kind: Kind) -> bool {
    is_printable(c) || kind == Kind::Lines && matches!(c, '\n' | '\t')
}

fn escape(c: char, out: &mut dyn FnMut(&[u8])) {
    match c {
        '\n' => out(b"\\n"),
        '\r' => out(b"\\r"),
        '\t' => out(b"\\t"),
        '\0'..='\u{ff}' => hex(u32::from(c), 2, b"\\x", out),
        _ => {
            hex(u32::from(c), 4, b"\\u{", out);
            out(b"}");
        }
    }
}

/// The last `digits` hexadecimal digits of a number.
fn hex(number: u32, digits: u32, before: &[u8], out: &mut dyn FnMut(&[u8])) {
    out(before);
    for place in (0..digits).rev() {
        let nibble = number >> place.saturating_mul(4) & 0xf;
        let digit = usize::try_from(nibble).ok().and_then(|nibble| b"0123456789abcdef".get(nibble));
        out(digit.map_or(b"", core::slice::from_ref));
    }
}

/// A name as it is shown, for messages.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        show(self.0, Kind::Name, &mut |piece| {
            let piece = str::from_utf8(piece).unwrap_or_default();
            result = result.and_then(|()| f.write_str(piece));
        });
        result
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString as _};

    use super::*;

    fn lines(text: &str) -> String {
        let mut all = std::vec::Vec::new();
        show(text.as_bytes(), Kind::Lines, &mut |piece| all.extend_from_slice(piece));
        String::from_utf8(all).expect("text")
    }

    #[test]
    fn a_name_stays_on_its_line_and_in_its_order_and_nothing_steers_the_terminal() {
        for (name, shown) in [
            ("ünïcödé \\ 漢字 🦀".as_bytes(), "ünïcödé \\ 漢字 🦀"),
            (b"a\nunibin: every byte\r\t", "a\\nunibin: every byte\\r\\t"),
            (b"\x1b[2J\x07\x7f\0", "\\x1b[2J\\x07\\x7f\\x00"),
            ("\u{9b}31m\u{85}".as_bytes(), "\\x9b31m\\x85"),
            ("a\u{202e}cba\u{2066}\u{2028}\u{61c}".as_bytes(), "a\\u{202e}cba\\u{2066}\\u{2028}\\u{061c}"),
            (b"caf\xe9\xff\xe2\x80", "caf\\xe9\\xff\\xe2\\x80"),
        ] {
            assert_eq!(Shown(name).to_string(), shown);
            assert_eq!(Shown(shown.as_bytes()).to_string(), shown, "twice is once");
        }
    }

    #[test]
    fn a_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(lines("a\n\tb\x1b\u{202e}\r\n"), "a\n\tb\\x1b\\u{202e}\\r\n");
    }
}
