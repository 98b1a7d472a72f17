//! Argument and environment rules: how the launcher builds what it executes, as data.

use crate::FormatError;
use crate::path::has;

/// What one rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Appends `value` to the arguments.
    Argument = 1,
    /// Appends the name by which the bundle was called.
    Argv0 = 2,
    /// Appends the path of the program in the unpacked tree.
    Program = 3,
    /// Appends the path of the unpacked tree, between `name` and `value` as one argument.
    Tree = 4,
    /// Appends the user's arguments.
    Rest = 5,
    /// An argument of the probe: a translator with such rules is executed with them alone, and taken only if it ends with
    /// code 0.
    Probe = 6,
    /// The largest pages of memory that a translator serves, in bytes, as decimal digits: it is not taken where the kernel's are
    /// larger.
    Pages = 7,
    /// Sets variable `name` to `value`.
    SetVariable = 16,
    /// Sets variable `name` to `value` unless the caller has set it.
    DefaultVariable = 17,
    /// Removes variable `name`.
    UnsetVariable = 18,
    /// Removes every variable whose name starts with `name`.
    UnsetPrefix = 19,
    /// Sets variable `name` to the path of the unpacked tree, followed by `value`.
    TreeVariable = 20,
}

impl RuleKind {
    /// The kind with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Some(match id {
            1 => Self::Argument,
            2 => Self::Argv0,
            3 => Self::Program,
            4 => Self::Tree,
            5 => Self::Rest,
            6 => Self::Probe,
            7 => Self::Pages,
            16 => Self::SetVariable,
            17 => Self::DefaultVariable,
            18 => Self::UnsetVariable,
            19 => Self::UnsetPrefix,
            20 => Self::TreeVariable,
            _ => return None,
        })
    }

    /// Whether it changes the environment.
    pub fn is_environment(self) -> bool {
        self as u16 >= Self::SetVariable as u16
    }

    /// Whether it changes the arguments of the app's execution.
    pub fn is_argument(self) -> bool {
        !self.is_environment() && !matches!(self, Self::Probe | Self::Pages)
    }

    /// The kind's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Argv0 => "argv0",
            Self::Program => "program",
            Self::Tree => "tree",
            Self::Rest => "rest",
            Self::Probe => "probe",
            Self::Pages => "pages",
            Self::SetVariable => "set",
            Self::DefaultVariable => "default",
            Self::UnsetVariable => "unset",
            Self::UnsetPrefix => "unset-prefix",
            Self::TreeVariable => "set-tree",
        }
    }

    /// Which of `name` and `value` a rule of this kind uses.
    fn uses(self) -> (bool, bool) {
        match self {
            Self::Argument | Self::Probe | Self::Pages => (false, true),
            Self::Argv0 | Self::Program | Self::Rest => (false, false),
            Self::Tree | Self::SetVariable | Self::DefaultVariable | Self::TreeVariable => (true, true),
            Self::UnsetVariable | Self::UnsetPrefix => (true, false),
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// What it does.
    pub kind: RuleKind,
    /// A variable's name or the start of one, or what stands before the tree's path; empty for other argument rules.
    pub name: &'a [u8],
    /// An argument or a variable's value; empty where the kind has none. Bytes, no NUL.
    pub value: &'a [u8],
}

impl Rule<'_> {
    /// The number that its value's digits are; the greatest where they are none.
    pub fn number(&self) -> u64 {
        self.value.iter().fold(0, |number: u64, digit| match digit {
            b'0'..=b'9' => number.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))),
            _ => u64::MAX,
        })
    }

    pub(crate) fn check(&self) -> Result<(), FormatError> {
        let (uses_name, uses_value) = self.kind.uses();
        let named = uses_name != self.name.is_empty() || self.kind == RuleKind::Tree;
        let name_fits = named && !(self.kind.is_environment() && has(self.name, b'='));
        let value_fits = uses_value || self.value.is_empty();
        let no_nul = !has(self.name, 0) && !has(self.value, 0);
        if name_fits && value_fits && no_nul { Ok(()) } else { Err(FormatError::Name) }
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
        let number = |value| Rule { kind: RuleKind::Pages, name: b"", value }.number();
        assert_eq!(number(b"16384"), 16384);
        assert_eq!(number(b"16 KiB"), u64::MAX);
        assert_eq!(number(b"99999999999999999999999"), u64::MAX);
    }
}
