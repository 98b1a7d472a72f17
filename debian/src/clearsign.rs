//! The frame of a clear-signed document (RFC 9580, 7): exactly one signed text, its headers, its signatures.
//! Refuses anything before, between or after them, so that nothing outside the signature can ever be read as
//! signed.

/// The parts of a clear-signed document, before its signature is checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clearsigned {
    /// The signed text: dash escapes undone, trailing whitespace removed (it is not signed), `\n` after each
    /// line.
    pub(crate) text: String,
}

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

impl Clearsigned {
    /// Parses `document`, or returns what does not belong there.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let document = str::from_utf8(document).map_err(|_| "it is not UTF-8")?;
        let mut lines = document.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some(BEGIN) {
            return Err("it does not start with a signed message");
        }
        loop {
            match lines.next() {
                Some("") => break,
                Some(line) if line.starts_with("Hash: ") => {}
                Some(_) => return Err("it has a header other than `Hash`"),
                None => return Err("it is truncated"),
            }
        }
        let mut text = String::with_capacity(document.len());
        loop {
            let line = match lines.next() {
                Some(SIGNATURE) => break,
                Some(line) => line,
                None => return Err("it has no signature"),
            };
            let line = match line.strip_prefix("- ") {
                Some(escaped) => escaped,
                None if line.starts_with('-') => return Err("a line of it starts with an unescaped dash"),
                None => line,
            };
            text.push_str(line.trim_end_matches([' ', '\t']));
            text.push('\n');
        }
        if !lines.any(|line| line == END) {
            return Err("its signature is truncated");
        }
        if lines.any(|line| !line.trim().is_empty()) {
            return Err("there is text after its signature");
        }
        Ok(Self { text })
    }

    /// Whether `other`, the text that a verifier checked, is this text, apart from whitespace at line ends.
    pub(crate) fn is_text(&self, other: &str) -> bool {
        fn lines(text: &str) -> impl Iterator<Item = &str> {
            let text = text.trim_end_matches(['\r', '\n', ' ', '\t']);
            text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r']))
        }
        lines(&self.text).eq(lines(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: x  \n- - dash\n\
        -----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn nothing_may_stand_outside_the_signed_text_and_its_signature() {
        let bad = [
            format!("Suite: evil\n{GOOD}"),
            format!("\n{GOOD}"),
            format!("{GOOD}Suite: evil\n"),
            format!("{GOOD}{GOOD}"),
            GOOD.replace("Hash: SHA256", "Hash: SHA256\nSuite: evil"),
            GOOD.replace("- - dash", "- dash\n-----BEGIN PGP SIGNED MESSAGE-----"),
            GOOD.replace("-----END PGP SIGNATURE-----\n", ""),
            GOOD.replace("-----BEGIN PGP SIGNATURE-----\n", ""),
        ];
        for document in bad {
            assert!(Clearsigned::parse(document.as_bytes()).is_err(), "{document}");
        }
        assert!(Clearsigned::parse(&[GOOD.as_bytes(), &[0xFF]].concat()).is_err());
    }

    #[test]
    fn dash_escapes_are_undone_and_unsigned_blanks_dropped() {
        let parsed = Clearsigned::parse(GOOD.as_bytes()).expect("well formed");
        assert_eq!(parsed.text, "Suite: x\n- dash\n");
        let crlf = GOOD.replace('\n', "\r\n");
        assert_eq!(Clearsigned::parse(crlf.as_bytes()), Ok(parsed));
    }
}
