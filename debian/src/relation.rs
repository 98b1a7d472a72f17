//! The syntax of relations between packages (Debian Policy 7.1): groups that are all needed, alternatives in
//! each.

/// One way to meet a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The package's name, or that of a virtual package.
    pub name: String,
    /// Relation (`<<`, `<=`, `=`, `>=`, `>>`) and version, if the dependency has them.
    pub version: Option<(String, String)>,
}

/// Reads a relation field: all of the outer list are needed, of each inner list one.
pub fn relations(field: &str) -> Vec<Vec<Alternative>> {
    let groups = field.split(',').map(|group| group.split('|').filter_map(alternative).collect());
    groups.filter(|group: &Vec<_>| !group.is_empty()).collect()
}

/// `name[:arch] [(relation version)] [[arch…]] [<profile…>]`; the last two do not occur in binary packages'
/// indexes.
fn alternative(text: &str) -> Option<Alternative> {
    let text = text.split(['[', '<']).next().filter(|_| !text.contains('(')).unwrap_or(text).trim();
    let (name, rest) = text.split_once('(').map_or((text, None), |(name, rest)| (name.trim(), Some(rest)));
    // `:any` and `:native` ask for nothing where all packages are of one CPU.
    let name = name.split([':', ' ']).next().filter(|name| !name.is_empty())?;
    let version = rest.and_then(|rest| {
        let rest = rest.split(')').next()?.trim();
        let at = rest.find(|letter: char| !"<=>".contains(letter))?;
        Some((rest[..at].to_owned(), rest[at..].trim().to_owned()))
    });
    Some(Alternative { name: name.to_owned(), version })
}
