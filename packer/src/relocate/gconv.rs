//! Character set converters of glibc (iconv(3)): those of a native tree, or none. They are libraries that the
//! C library loads from an absolute path, so a bundled C library would load the host's, which were built for
//! another C library.

use crate::byte_search;
use crate::relocate::patch_paths::{NOTHING, forget};
use crate::request::Rule;

/// End of the path by which the built-in directory is recognised: that of the list of its contents
/// (`GCONV_MODULES_CACHE` of glibc's `iconv/Makefile`).
const CACHE: &[u8] = b"/gconv-modules.cache\0";

/// The file in the directory that lists the converters (glibc's `iconv/gconv_conf.c`).
const TABLE: &[u8] = b"/gconv-modules";

/// The variable that names other directories (glibc's `iconv/gconv_cache.c`).
const VARIABLE: &[u8] = b"\0GCONV_PATH\0";

/// Its name in a bundled C library. No other C library knows this name, so programs of the host that inherit
/// the variable ignore it.
const OWN_VARIABLE: &[u8] = b"UNIBIN_GCP";

/// Where a C library looks for converters after the change.
#[derive(Debug, PartialEq)]
pub(crate) enum Converters {
    /// In the tree, through the variable that this rule sets.
    OfTheTree(Rule),
    /// Nowhere.
    None,
    /// Where it did before: it was built in a way that is not known here.
    Unknown,
}

/// Makes a C library look for converters in the tree or nowhere. `has` tells whether the tree has a file at a
/// path.
pub(crate) fn of_the_tree(library: &mut [u8], has: &dyn Fn(&[u8]) -> bool) -> Converters {
    let (Some(directory), Some(variable)) = (directory(library), byte_search::position(library, VARIABLE))
    else {
        return Converters::Unknown;
    };
    let is_known = forget(library, &[&directory, &b"\0"[..]].concat());
    forget(library, &[&directory, CACHE].concat());
    let name = &mut library[variable + 1..][..OWN_VARIABLE.len()];
    if has(&[&directory[1..], TABLE].concat()) {
        name.copy_from_slice(OWN_VARIABLE);
        return Converters::OfTheTree(Rule::TreeVariable { name: OWN_VARIABLE.to_vec(), after: directory });
    }
    name.fill(NOTHING);
    if is_known { Converters::None } else { Converters::Unknown }
}

/// The built-in converter directory of a C library.
fn directory(library: &[u8]) -> Option<Vec<u8>> {
    let end = byte_search::position(library, CACHE)?;
    let start = library[..end].iter().rposition(|byte| *byte == 0)? + 1;
    let directory = &library[start..end];
    (directory.len() > 1 && directory[0] == b'/').then(|| directory.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &[u8] =
        b"x/usr/lib/a/gconv\0\0GCONV_PATH\0y\0/usr/lib/a/gconv/gconv-modules.cache\0/usr/lib/a/gconv.so\0";

    #[test]
    fn converters_are_the_trees_by_a_variable_that_no_other_c_library_knows() {
        let mut library = LIBRARY.to_vec();
        let found = of_the_tree(&mut library, &|path| path == b"usr/lib/a/gconv/gconv-modules");
        let rule = Rule::TreeVariable { name: b"UNIBIN_GCP".to_vec(), after: b"/usr/lib/a/gconv".to_vec() };
        assert_eq!(found, Converters::OfTheTree(rule));
        assert_eq!(
            library,
            b"x/\x01\x01\x01/lib/a/gconv\0\0UNIBIN_GCP\0y\0/\x01\x01\x01/lib/a/gconv/gconv-modules.cache\0/usr/lib/a/gconv.so\0"
        );
    }

    #[test]
    fn without_converters_in_the_tree_there_are_none() {
        let mut library = LIBRARY.to_vec();
        assert_eq!(of_the_tree(&mut library, &|_| false), Converters::None);
        let left = |text: &[u8]| byte_search::position(&library, text).is_some();
        assert!(!left(b"GCONV_PATH") && !left(b"UNIBIN_GCP") && left(b"/usr/lib/a/gconv.so"));
        assert_eq!(library.len(), LIBRARY.len(), "nothing moves");
    }

    #[test]
    fn a_library_that_is_built_otherwise_is_left_alone() {
        for bytes in [
            &b""[..],
            b"\0/gconv-modules.cache\0\0GCONV_PATH\0",
            b"/usr/lib/gconv/gconv-modules.cache\0\0GCONV_PATH\0",
            b"\0/usr/lib/gconv/gconv-modules.cache\0",
        ] {
            let mut library = bytes.to_vec();
            assert_eq!(of_the_tree(&mut library, &|_| true), Converters::Unknown);
            assert_eq!(library, bytes);
        }
    }
}
