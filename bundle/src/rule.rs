//! Argument and environment rules: how the launcher builds what it executes, as data. What they mean is in
//! `execution.rs`, and nowhere else.

use crate::path::has;
use crate::{FormatError, PATH_MAX, Part};

/// One rule. `S` is how its byte strings are held: borrowed from a manifest, or owned by a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<S> {
    /// Appends this to the arguments.
    Argument(S),
    /// Appends the name by which the bundle was called.
    Argv0,
    /// Of a translator: appends the path of the program in the unpacked tree. Of an app: makes it `argv[0]`
    /// where it runs natively.
    Program,
    /// Appends the path of the unpacked tree, between these two, as one argument.
    Tree {
        /// What stands before the path; may be empty.
        before: S,
        /// What stands after it; may be empty.
        after: S,
    },
    /// Appends the user's arguments.
    Rest,
    /// An argument of the probe: a translator with such rules is executed with them alone, and taken only if
    /// it ends with code 0.
    Probe(S),
    /// The largest pages of memory that a translator serves, in bytes, as decimal digits: it is not taken
    /// where the kernel's are larger.
    Pages(S),
    /// Appends this to a translator's arguments where it is to run the programs that its program starts
    /// itself: a translator with such rules can.
    Children(S),
    /// Of a translator: two arguments, this option and the unpacked tree's path, by which it lays the tree
    /// over the host's root: its program finds the tree's files where they would be on a system of its own.
    /// Of a variant: `union`, where that is to be so natively too, or `root`.
    View(S),
    /// The variant's tree is a root file system: `system` or `image`, which differ in what is kept and what
    /// of the host is seen inside.
    Root(S),
    /// The working directory of a system's programs: an absolute path in its root.
    Directory(S),
    /// As whom a system's programs run: `NAME|UID[:GROUP|GID]`, looked up in the root.
    User(S),
    /// An argument that a system's program gets if the user gives none.
    DefaultArgument(S),
    /// The user's arguments, where there are any, are a command in the root instead of the entry's program.
    Command,
    /// The number of the signal by which a system wants to be ended: for readers, nothing follows from it.
    StopSignal(S),
    /// Sets a variable.
    SetVariable {
        /// Its name.
        name: S,
        /// Its value.
        value: S,
    },
    /// Sets a variable unless the caller has set it.
    DefaultVariable {
        /// Its name.
        name: S,
        /// Its value.
        value: S,
    },
    /// Removes the variable of this name.
    UnsetVariable(S),
    /// Removes every variable whose name starts with this.
    UnsetPrefix(S),
    /// Sets a variable to the path of the unpacked tree, followed by something.
    TreeVariable {
        /// Its name.
        name: S,
        /// What follows the path; may be empty.
        after: S,
    },
    /// A variable of the caller's that stays, where all that no such rule names go.
    Keep(S),
    /// The option by which a translator is told as whom a system's program runs, and that it is to keep the
    /// ids of users and groups itself.
    Ids(S),
    /// What is seen at a path of a variant's tree where mounts lay it over the host's root.
    Seen {
        /// The path in the tree.
        path: S,
        /// `over`, `under`, `tree`, `host` or `whole`.
        what: S,
    },
    /// The option by which a translator makes a directory the root of a system's programs itself, where
    /// nothing else can.
    Chroot(S),
}

/// A rule with strings of its own, for writers.
#[cfg(feature = "encode")]
pub type OwnedRule = Rule<alloc::vec::Vec<u8>>;

/// A rule's row, and what its kind is called in texts. Fields that the kind does not use are empty.
pub(crate) struct Fields<'r> {
    #[cfg_attr(not(feature = "encode"), allow(dead_code, reason = "readers have no use for it"))]
    pub(crate) kind: u16,
    label: &'static str,
    pub(crate) name: &'r [u8],
    pub(crate) value: &'r [u8],
}

/// How QEMU's user-mode emulators are called where nothing else is known: `-0 ARGV0 PROGRAM ARGUMENTS`.
pub const QEMU_RULES: [Rule<&[u8]>; 4] = [Rule::Argument(b"-0"), Rule::Argv0, Rule::Program, Rule::Rest];

impl<'a> Rule<&'a [u8]> {
    /// The rule in a row of the manifest.
    pub(crate) fn decode(kind: u16, name: &'a [u8], value: &'a [u8]) -> Result<Self, FormatError> {
        let rule = match kind {
            1 => Self::Argument(value),
            2 => Self::Argv0,
            3 => Self::Program,
            4 => Self::Tree { before: name, after: value },
            5 => Self::Rest,
            6 => Self::Probe(value),
            7 => Self::Pages(value),
            8 => Self::Children(value),
            9 => Self::View(value),
            10 => Self::Root(value),
            11 => Self::Directory(value),
            12 => Self::User(value),
            13 => Self::DefaultArgument(value),
            14 => Self::Command,
            15 => Self::StopSignal(value),
            16 => Self::SetVariable { name, value },
            17 => Self::DefaultVariable { name, value },
            18 => Self::UnsetVariable(name),
            19 => Self::UnsetPrefix(name),
            20 => Self::TreeVariable { name, after: value },
            21 => Self::Keep(name),
            22 => Self::Ids(value),
            23 => Self::Seen { path: name, what: value },
            24 => Self::Chroot(value),
            _ => return Err(FormatError::UnknownKind(Part::Manifest)),
        };
        let used = rule.fields();
        if used.name.len() == name.len() && used.value.len() == value.len() {
            Ok(rule)
        } else {
            Err(FormatError::Name)
        }
    }
}

impl<S: AsRef<[u8]>> Rule<S> {
    pub(crate) fn fields(&self) -> Fields<'_> {
        let none: &[u8] = b"";
        let (kind, label, name, value) = match self {
            Self::Argument(value) => (1, "argument", none, value.as_ref()),
            Self::Argv0 => (2, "argv0", none, none),
            Self::Program => (3, "program", none, none),
            Self::Tree { before, after } => (4, "tree", before.as_ref(), after.as_ref()),
            Self::Rest => (5, "rest", none, none),
            Self::Probe(value) => (6, "probe", none, value.as_ref()),
            Self::Pages(value) => (7, "pages", none, value.as_ref()),
            Self::Children(value) => (8, "children", none, value.as_ref()),
            Self::View(value) => (9, "view", none, value.as_ref()),
            Self::Root(value) => (10, "root", none, value.as_ref()),
            Self::Directory(value) => (11, "directory", none, value.as_ref()),
            Self::User(value) => (12, "user", none, value.as_ref()),
            Self::DefaultArgument(value) => (13, "default-argument", none, value.as_ref()),
            Self::Command => (14, "command", none, none),
            Self::StopSignal(value) => (15, "stop-signal", none, value.as_ref()),
            Self::SetVariable { name, value } => (16, "set", name.as_ref(), value.as_ref()),
            Self::DefaultVariable { name, value } => (17, "default", name.as_ref(), value.as_ref()),
            Self::UnsetVariable(name) => (18, "unset", name.as_ref(), none),
            Self::UnsetPrefix(name) => (19, "unset-prefix", name.as_ref(), none),
            Self::TreeVariable { name, after } => (20, "set-tree", name.as_ref(), after.as_ref()),
            Self::Keep(name) => (21, "keep", name.as_ref(), none),
            Self::Ids(value) => (22, "ids", none, value.as_ref()),
            Self::Seen { path, what } => (23, "seen", path.as_ref(), what.as_ref()),
            Self::Chroot(value) => (24, "chroot", none, value.as_ref()),
        };
        Fields { kind, label, name, value }
    }

    /// Words for people: what the rule is called, then its strings, some of which may be empty.
    pub fn words(&self) -> (&'static str, [&[u8]; 2]) {
        let Fields { label, name, value, .. } = self.fields();
        (label, [name, value])
    }

    /// Whether a manifest may hold it: no NUL byte, names of variables are not empty and have no `=`, and
    /// what a system's rules say can be meant.
    pub fn is_valid(&self) -> bool {
        let Fields { name, value, .. } = self.fields();
        let fits = match self {
            Self::Argument(_)
            | Self::Argv0
            | Self::Program
            | Self::Tree { .. }
            | Self::Rest
            | Self::Probe(_)
            | Self::Pages(_)
            | Self::Children(_)
            | Self::View(_)
            | Self::DefaultArgument(_)
            | Self::Command
            | Self::Seen { .. } => true,
            Self::Root(_) => matches!(value, b"system" | b"image"),
            Self::Directory(_) => value.first() == Some(&b'/') && value.len() < PATH_MAX,
            Self::User(_) | Self::Ids(_) | Self::Chroot(_) => !value.is_empty(),
            Self::StopSignal(_) => is_signal(value),
            Self::SetVariable { .. }
            | Self::DefaultVariable { .. }
            | Self::UnsetVariable(_)
            | Self::UnsetPrefix(_)
            | Self::TreeVariable { .. }
            | Self::Keep(_) => !name.is_empty() && !has(name, b'='),
        };
        fits && !has(name, 0) && !has(value, 0)
    }

    /// The argument that a rule adds to a translator's probe.
    pub fn probe(&self) -> Option<&[u8]> {
        if let Self::Probe(argument) = self { Some(argument.as_ref()) } else { None }
    }

    /// Whether a translator with this rule lays the tree over the host's root, or a variant wants that.
    pub fn is_view(&self) -> bool {
        matches!(self, Self::View(_))
    }

    /// Whether a variant with this rule is a system, and which kind of one.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Root(value) if value.as_ref() == b"image" => Some(Root::Image),
            Self::Root(_) => Some(Root::System),
            _ => None,
        }
    }

    /// The largest pages that a translator with this rule serves, in bytes; no limit where its value is not a
    /// number.
    pub fn pages(&self) -> Option<u64> {
        let Self::Pages(digits) = self else { return None };
        Some(digits.as_ref().iter().fold(0, |number: u64, digit| match digit {
            b'0'..=b'9' => number.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))),
            _ => u64::MAX,
        }))
    }

    /// The same rule with strings that are held in another way.
    #[cfg(feature = "encode")]
    fn map<'s, T>(&'s self, hold: impl Fn(&'s [u8]) -> T) -> Rule<T> {
        let hold = |string: &'s S| hold(string.as_ref());
        match self {
            Self::Argument(value) => Rule::Argument(hold(value)),
            Self::Argv0 => Rule::Argv0,
            Self::Program => Rule::Program,
            Self::Tree { before, after } => Rule::Tree { before: hold(before), after: hold(after) },
            Self::Rest => Rule::Rest,
            Self::Probe(value) => Rule::Probe(hold(value)),
            Self::Pages(value) => Rule::Pages(hold(value)),
            Self::Children(value) => Rule::Children(hold(value)),
            Self::View(value) => Rule::View(hold(value)),
            Self::Root(value) => Rule::Root(hold(value)),
            Self::Directory(value) => Rule::Directory(hold(value)),
            Self::User(value) => Rule::User(hold(value)),
            Self::DefaultArgument(value) => Rule::DefaultArgument(hold(value)),
            Self::Command => Rule::Command,
            Self::StopSignal(value) => Rule::StopSignal(hold(value)),
            Self::SetVariable { name, value } => Rule::SetVariable { name: hold(name), value: hold(value) },
            Self::DefaultVariable { name, value } => {
                Rule::DefaultVariable { name: hold(name), value: hold(value) }
            }
            Self::UnsetVariable(name) => Rule::UnsetVariable(hold(name)),
            Self::UnsetPrefix(name) => Rule::UnsetPrefix(hold(name)),
            Self::TreeVariable { name, after } => Rule::TreeVariable { name: hold(name), after: hold(after) },
            Self::Keep(name) => Rule::Keep(hold(name)),
            Self::Ids(value) => Rule::Ids(hold(value)),
            Self::Seen { path, what } => Rule::Seen { path: hold(path), what: hold(what) },
            Self::Chroot(value) => Rule::Chroot(hold(value)),
        }
    }

    /// The same rule, borrowing its strings.
    #[cfg(feature = "encode")]
    pub fn borrowed(&self) -> Rule<&[u8]> {
        self.map(|string| string)
    }

    /// The same rule with strings of its own.
    #[cfg(feature = "encode")]
    pub fn owned(&self) -> OwnedRule {
        self.map(<[u8]>::to_vec)
    }
}

/// What kind of system a variant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A machine's root: changes are kept, and the caller's home and working directory are seen inside.
    System,
    /// A container's image: changes are thrown away, and nothing of the caller's is seen inside.
    Image,
}

/// Whether these are the digits of a signal's number; the kernel's have numbers from 1 to 64.
fn is_signal(digits: &[u8]) -> bool {
    match digits {
        [first @ b'1'..=b'9', rest @ ..] => {
            rest.iter().all(u8::is_ascii_digit) && (rest.is_empty() || rest.len() == 1 && *first <= b'6')
        }
        _ => false,
    }
}

/// Which rules of the manifest's rule table belong to a row: a range that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rules {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_digits_and_anything_else_is_no_limit() {
        let number = |value: &[u8]| Rule::Pages(value).pages();
        assert_eq!(number(b"16384"), Some(16384));
        assert_eq!(number(b"16 KiB"), Some(u64::MAX));
        assert_eq!(number(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!(Rule::Argument(b"16384").pages(), None);
    }
}
