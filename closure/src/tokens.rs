//! Dynamic string tokens in search paths: `$ORIGIN`, `$LIB`, `$PLATFORM`, with or without braces (ld.so(8),
//! "Dynamic string tokens"). musl knows `$ORIGIN` only (`fixup_rpath` in ldso/dynlink.c).

use crate::loader::{Libc, Loader};

/// The values of the tokens for one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a> {
    /// The directory of the object.
    pub(crate) origin: &'a [u8],
    /// The loader whose rules apply.
    pub(crate) loader: &'a Loader,
    /// The kernel's names for the CPU (`AT_PLATFORM`).
    pub(crate) platforms: &'a [&'a str],
}

impl Tokens<'_> {
    /// The paths that `text` may mean: several if the CPU has several platform names, none if a token is
    /// unknown, as in the loaders.
    pub(crate) fn expand(&self, text: &[u8]) -> Vec<Vec<u8>> {
        let mut done = vec![Vec::new()];
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            let (values, next) = match (first, token(rest)) {
                (b'$', Some((name, next))) => (self.values(name), next),
                // glibc keeps a `$` that starts no token as it is; musl refuses the path.
                (b'$', None) if self.loader.libc == Libc::Musl => return Vec::new(),
                _ => (vec![vec![*first]], after),
            };
            done = done
                .iter()
                .flat_map(|start| values.iter().map(move |value| [start.as_slice(), value].concat()))
                .collect();
            rest = next;
        }
        done
    }

    fn values(&self, name: &[u8]) -> Vec<Vec<u8>> {
        match (name, self.loader.libc) {
            (b"ORIGIN", _) => vec![[b"/", self.origin].concat()],
            (_, Libc::Musl) => Vec::new(),
            (b"LIB", _) => vec![self.loader.lib.clone()],
            _ => self.platforms.iter().map(|name| name.as_bytes().to_vec()).collect(),
        }
    }
}

/// The token at the start of `text`, and the text after it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"$")?;
    let names: [&[u8]; 3] = [b"ORIGIN", b"PLATFORM", b"LIB"];
    if let Some(text) = text.strip_prefix(b"{") {
        let end = text.iter().position(|byte| *byte == b'}')?;
        let name = names.into_iter().find(|name| *name == &text[..end])?;
        return Some((name, &text[end + 1..]));
    }
    let follows =
        |rest: &[u8]| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    names.into_iter().find_map(|name| Some((name, text.strip_prefix(name).filter(|rest| follows(rest))?)))
}
