//! Paths inside an app's tree: relative, and never leading out of it (FORMAT.md, section 6). Also the few
//! questions that are asked of any path, absolute ones too: its components, its directory, its last name.
//!
//! The loops are plain: the launcher is built from this file, and the standard library's searches would be a
//! fiftieth of it. Paths are bytes, as in the kernel. No function panics, whatever the bytes are.

#[cfg(feature = "encode")]
use alloc::vec::Vec;

use crate::path::{cut, has};

/// `PATH_MAX` of `<linux/limits.h>`: a longer path cannot be opened. The NUL at its end counts.
pub const PATH_MAX: usize = 4096;

/// The time of a tree's files where they are unpacked, in seconds since 1970 (FORMAT.md, section 6). All have
/// the same one: programs that keep what they have compiled compare its time with that of its source. Some
/// take 0 for no time at all.
pub const MTIME: u32 = 1;

/// How many symbolic links the kernel follows for one path (`MAXSYMLINKS` of its `include/linux/namei.h`).
pub const LINKS_MAX: usize = 40;

/// The directories that are links into `/usr` where it is merged (Debian's `usrmerge`, systemd's
/// file-hierarchy(7)).
pub const MERGED: [&[u8]; 7] = [b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libo32", b"libx32"];

/// The directory of any path: what stands before its last slash; empty for a name alone and directly below
/// `/`.
#[inline(never)]
pub fn directory_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..slash).unwrap_or_default()
}

/// The last name of any path: what stands behind its last slash, or all of it.
#[inline(never)]
pub fn file_name_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    slash.and_then(|slash| path.get(slash.saturating_add(1)..)).unwrap_or(path)
}

/// The components of any path without those that mean nothing: empty ones and `.`. Says nothing of a leading
/// slash, and `..` is a component.
pub fn components_of(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

/// Any path in its plainest form: its components joined by single slashes, without a leading one.
#[cfg(feature = "encode")]
pub fn plain(path: &[u8]) -> Vec<u8> {
    components_of(path).collect::<Vec<_>>().join(&b'/')
}

/// `name` in `directory`; an empty directory is the top, and one trailing slash of it makes no difference.
#[cfg(feature = "encode")]
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// A path in a tree: one or more components, none of them empty, `.` or `..`; no NUL; short enough to be
/// opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath<'a>(&'a [u8]);

impl<'a> TreePath<'a> {
    /// `path`, if it is one in a tree.
    #[inline(never)]
    pub fn new(path: &'a [u8]) -> Option<Self> {
        let mut rest = Some(path);
        while let Some(path) = rest {
            let (part, behind) = cut(path, b'/');
            if matches!(part, b"" | b"." | b"..") {
                return None;
            }
            rest = behind;
        }
        (path.len() < PATH_MAX && !has(path, 0)).then_some(Self(path))
    }

    /// The path's bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The directory that it is in; `None` at the tree's top.
    pub fn parent(self) -> Option<Self> {
        let directory = directory_of(self.0);
        (!directory.is_empty()).then_some(Self(directory))
    }

    /// Its last component.
    pub fn file_name(self) -> &'a [u8] {
        file_name_of(self.0)
    }

    /// Its components, of which there is at least one.
    pub fn components(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone {
        self.0.split(|byte| *byte == b'/')
    }

    /// The directories that it is in, the outermost first.
    pub fn ancestors(self) -> impl Iterator<Item = Self> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.filter_map(move |(at, _)| self.0.get(..at).map(Self))
    }

    /// Whether it is `directory` or something below it.
    pub fn is_within(self, directory: &[u8]) -> bool {
        let rest = self.0.strip_prefix(directory);
        rest.is_some_and(|rest| directory.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Whether a symbolic link here may hold `target`. `..` is allowed at the start only, where it climbs
    /// real directories: behind the name of another link it would climb from wherever that one points.
    pub fn may_link_to(self, target: &[u8]) -> bool {
        if target.is_empty() || target.len() >= PATH_MAX || has(target, 0) || target.first() == Some(&b'/') {
            return false;
        }
        let above = self.ancestors().count();
        let up = components_of(target).take_while(|part| *part == b"..").count();
        up <= above && components_of(target).skip(up).all(|part| part != b"..")
    }

    /// Where a symbolic link here leads by its text alone: no other link on the way is followed, and an
    /// absolute target starts at the tree's top. `None` where it leaves the tree; the top itself is the empty
    /// path.
    #[cfg(feature = "encode")]
    pub fn follow(self, target: &[u8]) -> Option<Vec<u8>> {
        let mut parts: Vec<&[u8]> =
            if target.starts_with(b"/") { Vec::new() } else { components_of(directory_of(self.0)).collect() };
        for part in components_of(target) {
            if part == b".." {
                parts.pop()?;
            } else {
                parts.push(part);
            }
        }
        Some(parts.join(&b'/'))
    }

    /// What a symbolic link here must hold to lead to `inside`, a path of the same tree or the empty path of
    /// its top.
    #[cfg(feature = "encode")]
    pub fn link_to(self, inside: &[u8]) -> Vec<u8> {
        let mut from = components_of(directory_of(self.0)).peekable();
        let mut to = components_of(inside).peekable();
        while let (Some(one), Some(other)) = (from.peek(), to.peek())
            && one == other
        {
            from.next();
            to.next();
        }
        let parts: Vec<&[u8]> = from.map(|_| &b".."[..]).chain(to).collect();
        if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
    }
}

impl core::fmt::Display for TreePath<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl core::fmt::Debug for TreePath<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "`{}`", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_path(path: &str) -> TreePath<'_> {
        TreePath::new(path.as_bytes()).unwrap_or_else(|| panic!("`{path}` is one in a tree"))
    }

    #[test]
    fn what_leaves_the_tree_is_no_path_of_it() {
        for bad in
            [&b""[..], b"/a", b"a/", b"a//b", b"a/../b", b"..", b"./a", b"a/.", b"a\0b", &[b'a'; PATH_MAX]]
        {
            assert_eq!(TreePath::new(bad), None, "{}", bad.escape_ascii());
        }
        for good in [&b"a"[..], b"usr/bin/a b\xff", b"a/..c/...", &[b'a'; PATH_MAX - 1]] {
            assert_eq!(TreePath::new(good).map(TreePath::bytes), Some(good));
        }
    }

    #[test]
    fn a_path_is_taken_apart() {
        let path = tree_path("usr/lib/x");
        assert_eq!(path.file_name(), b"x");
        assert_eq!(path.parent(), Some(tree_path("usr/lib")));
        assert_eq!(tree_path("usr").parent(), None);
        assert_eq!(path.components().collect::<Vec<_>>(), [&b"usr"[..], b"lib", b"x"]);
        assert_eq!(path.ancestors().collect::<Vec<_>>(), [tree_path("usr"), tree_path("usr/lib")]);
        assert!(path.is_within(b"usr/lib") && path.is_within(b"") && path.is_within(b"usr/lib/x"));
        assert!(!path.is_within(b"usr/li") && !path.is_within(b"usr/lib/x/y"));
    }

    #[test]
    fn any_path_has_a_directory_and_a_name() {
        assert_eq!((directory_of(b"/usr/x"), file_name_of(b"/usr/x")), (&b"/usr"[..], &b"x"[..]));
        assert_eq!((directory_of(b"/x"), file_name_of(b"/x")), (&b""[..], &b"x"[..]));
        assert_eq!((directory_of(b"x"), file_name_of(b"x")), (&b""[..], &b"x"[..]));
        assert_eq!((directory_of(b"x/"), file_name_of(b"x/")), (&b"x"[..], &b""[..]));
        assert_eq!(plain(b"//usr/./lib/../x/"), b"usr/lib/../x");
        assert_eq!((join(b"", b"x"), join(b"a/", b"x")), (b"x".to_vec(), b"a/x".to_vec()));
    }

    #[test]
    fn a_link_may_climb_its_own_directories_and_no_further() {
        assert!(tree_path("sh").may_link_to(b"busybox"));
        assert!(tree_path("usr/bin/a").may_link_to(b"../../bin/x"));
        assert!(tree_path("usr/bin/a").may_link_to(b"./x"));
        assert!(!tree_path("usr/bin/a").may_link_to(b"../../../x"));
        // `x` may itself be a link to the top of the tree.
        assert!(!tree_path("usr/bin/a").may_link_to(b"x/.."));
        assert!(!tree_path("usr/bin/a").may_link_to(b"x/../y"));
        assert!(!tree_path("usr/bin/a").may_link_to(b"a\0b"));
        assert!(!tree_path("a").may_link_to(b"/etc/passwd"));
        assert!(!tree_path("a").may_link_to(b""));
        assert!(!tree_path("a").may_link_to(&[b'a'; PATH_MAX]));
    }

    #[test]
    fn a_link_made_to_lead_somewhere_leads_there() {
        for (link, inside, target) in [
            ("bin/name", "usr/bin/real", "../usr/bin/real"),
            ("usr/lib/a", "usr/lib/b", "b"),
            ("usr/lib/a", "usr/lib", "."),
            ("usr/lib/a", "", "../.."),
            ("a", "b/c", "b/c"),
        ] {
            let link = tree_path(link);
            assert_eq!(link.link_to(inside.as_bytes()), target.as_bytes(), "{link}");
            assert!(link.may_link_to(target.as_bytes()));
            assert_eq!(link.follow(target.as_bytes()).as_deref(), Some(inside.as_bytes()));
        }
        let link = tree_path("a/b/c/up");
        assert_eq!(link.follow(b"./../x/../../d//e"), Some(b"a/d/e".to_vec()));
        assert_eq!(link.follow(b"/etc/x"), Some(b"etc/x".to_vec()));
        assert_eq!(link.follow(b"../../../../x"), None);
    }
}
