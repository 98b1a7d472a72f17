//! Notices: the licences of a bundle's parts, and where their exact source is.

/// The notice for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// SPDX expression.
    pub(crate) licence: String,
    /// The exact source: name and version.
    pub(crate) source: String,
    /// Where the part came from and how that was checked.
    pub(crate) origin: String,
    /// The licence texts.
    pub(crate) text: String,
}

/// Joins two notices to one.
pub(crate) fn together(first: Option<Owed>, second: Option<Owed>) -> Option<Owed> {
    let (Some(first), Some(second)) = (&first, &second) else { return first.or(second) };
    let both =
        |first: &str, second: &str| once([first, second].into_iter().flat_map(|list| list.split(", ")));
    Some(Owed {
        // Expressions of SPDX.
        licence: match (&first.licence[..], &second.licence[..]) {
            (one, other) if one == other => one.to_owned(),
            (one, other) => format!("({one}) AND ({other})"),
        },
        source: both(&first.source, &second.source),
        origin: format!("{}, {}", first.origin, second.origin),
        text: format!("{}\n{}", first.text, second.text),
    })
}

/// The items of a list without repetitions, each at its first position: many packages share a source.
pub(crate) fn once<Part: AsRef<str>>(parts: impl Iterator<Item = Part>) -> String {
    let mut all: Vec<String> = Vec::new();
    for part in parts {
        if !all.iter().any(|known| known == part.as_ref()) {
            all.push(part.as_ref().to_owned());
        }
    }
    all.join(", ")
}
