//! Debian's order of versions (Debian Policy 5.6.12). The only file that uses `debversion`.

/// How Debian orders two versions, epochs and revisions included.
pub fn compare_versions(one: &str, other: &str) -> std::cmp::Ordering {
    Version::of(one).cmp(&Version::of(other))
}

/// Debian's order of versions; a text that is none sorts before every version.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Unknown(String),
    Known(debversion::Version),
}

impl Version {
    pub(crate) fn of(version: &str) -> Self {
        version.parse().map_or_else(|_| Self::Unknown(version.to_owned()), Self::Known)
    }
}

/// Whether `version` stands in the named relation to `wanted` (Debian Policy 7.1).
pub(crate) fn satisfies(version: &str, relation: &str, wanted: &str) -> bool {
    let (version, wanted) = (Version::of(version), Version::of(wanted));
    match relation {
        "<<" => version < wanted,
        "<=" | "<" => version <= wanted,
        "=" => version == wanted,
        ">=" | ">" => version >= wanted,
        ">>" => version > wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let mut versions =
            ["1.0-1", "not a version", "1:0.1-1", "1.0~rc1-1", "1.0-1+b9", "1.0-1+b10", "1.9-1"];
        versions.sort_by_cached_key(|version| Version::of(version));
        let wanted = ["not a version", "1.0~rc1-1", "1.0-1", "1.0-1+b9", "1.0-1+b10", "1.9-1", "1:0.1-1"];
        assert_eq!(versions, wanted);
    }
}
