//! The packages that a package needs: `Pre-Depends` and `Depends` (Debian Policy 7), with the first
//! alternative preferred, virtual packages by `Provides`, and version restrictions. Ignores recommendations;
//! ignores conflicts too, since a tree of files for one program is not an installed system.

use std::collections::BTreeSet;

use crate::packages::{Package, PackageIndex};
use crate::relation::{Alternative, relations};
use crate::version::satisfies;

/// Packages that others need for their maintainer scripts only, which are never run here: `debconf` asks
/// questions, `dpkg` and `init-system-helpers` register, `adduser` makes accounts. They are included only if
/// requested by name.
const FOR_SCRIPTS: [&str; 8] =
    ["adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers", "install-info", "ucf"];

/// A dependency that no package of the index satisfies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("package `{package}` depends on `{relation}`, which no package of the suite provides")]
pub struct Unsatisfied {
    /// The package that needs it; empty for a requested package.
    pub package: String,
    /// The dependency, as in the control file.
    pub relation: String,
}

/// The `wanted` packages and all that they need, each once, the wanted ones first.
pub fn closure<'i>(index: &'i PackageIndex, wanted: &[&str]) -> Result<Vec<&'i Package>, Unsatisfied> {
    closure_with(index, &[], wanted)
}

/// Like [`closure`], for packages that the index does not have: `given` come first, and before any others of
/// the same names.
pub fn closure_with<'i>(
    index: &'i PackageIndex,
    given: &[&'i Package],
    wanted: &[&str],
) -> Result<Vec<&'i Package>, Unsatisfied> {
    needed(index, given, wanted, &FOR_SCRIPTS)
}

/// Like [`closure_with`], but dependencies that one of `left_out` would meet are ignored.
pub(crate) fn needed<'i>(
    index: &'i PackageIndex,
    given: &[&'i Package],
    wanted: &[&str],
    left_out: &[&str],
) -> Result<Vec<&'i Package>, Unsatisfied> {
    let mut chosen: Vec<&Package> = given.to_vec();
    let mut names: BTreeSet<&str> = given.iter().map(|package| package.name.as_str()).collect();
    for name in wanted {
        let asked = Alternative { name: (*name).to_owned(), version: None };
        let found = meet(index, &asked)
            .ok_or_else(|| Unsatisfied { package: String::new(), relation: (*name).to_owned() })?;
        if names.insert(found.name.as_str()) {
            chosen.push(found);
        }
    }
    let mut at = 0;
    while let Some(package) = chosen.get(at).copied() {
        at += 1;
        for group in relations(&package.depends) {
            let is_left_out = |one: &Alternative| left_out.contains(&one.name.as_str());
            let met = |one: &Alternative| chosen.iter().any(|chosen| is_met_by(one, chosen));
            if group.iter().any(met) || group.iter().any(is_left_out) {
                continue;
            }
            let found = group
                .iter()
                .find_map(|one| meet(index, one))
                .ok_or_else(|| Unsatisfied { package: package.name.clone(), relation: shown(&group) })?;
            if names.insert(found.name.as_str()) {
                chosen.push(found);
            }
        }
    }
    Ok(chosen)
}

/// The package that satisfies `asked`: the one of that name, else the first provider by name.
fn meet<'i>(index: &'i PackageIndex, asked: &Alternative) -> Option<&'i Package> {
    let named = index.versions(&asked.name).iter().find(|package| is_met_by(asked, package));
    named.or_else(|| index.providers(&asked.name).find(|package| is_met_by(asked, package)))
}

/// Whether `package` meets the dependency `asked`, by its name or by what it provides.
pub(crate) fn is_met_by(asked: &Alternative, package: &Package) -> bool {
    let fits = |version: Option<&str>| match (&asked.version, version) {
        (None, _) => true,
        // Policy 7.5: a `Provides` without a version does not satisfy a dependency with one.
        (Some(_), None) => false,
        (Some((relation, wanted)), Some(version)) => satisfies(version, relation, wanted),
    };
    let provided = || {
        relations(&package.provides).into_iter().flatten().any(|provided| {
            provided.name == asked.name
                && fits(provided.version.as_ref().map(|(_, version)| version.as_str()))
        })
    };
    (package.name == asked.name && fits(Some(&package.version))) || provided()
}

/// The alternatives as a control file has them.
pub(crate) fn shown(group: &[Alternative]) -> String {
    let one = |one: &Alternative| match &one.version {
        Some((relation, version)) => format!("{} ({relation} {version})", one.name),
        None => one.name.clone(),
    };
    group.iter().map(one).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(index: &PackageIndex, wanted: &[&str]) -> Result<Vec<String>, String> {
        let found = closure(index, wanted).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|package| format!("{} {}", package.name, package.version)).collect())
    }

    #[test]
    fn the_first_alternative_is_taken_unless_another_is_there_already() {
        let index = PackageIndex::of(&[
            ("app", "1", "Depends: a | b, c (>= 2)\n"),
            ("other", "1", "Pre-Depends: b:any\nDepends: a | b\n"),
            ("a", "1", ""),
            ("b", "1", ""),
            ("c", "1", ""),
            ("c", "2.1", ""),
        ]);
        assert_eq!(chosen(&index, &["app"]).expect("met"), ["app 1", "a 1", "c 2.1"]);
        assert_eq!(chosen(&index, &["other"]).expect("met"), ["other 1", "b 1"]);
        assert_eq!(chosen(&index, &["app", "b"]).expect("met"), ["app 1", "b 1", "c 2.1"]);
    }

    #[test]
    fn virtual_packages_are_met_by_those_that_provide_them_in_a_fitting_version() {
        let index = PackageIndex::of(&[
            ("app", "1", "Depends: virtual, abi (= 3)\n"),
            ("late", "1", "Provides: virtual\n"),
            ("early", "1", "Provides: other, virtual (= 2)\n"),
            ("abi-2", "1", "Provides: abi (= 2)\n"),
            ("abi-3", "1", "Provides: abi (= 3)\n"),
            ("abi-x", "1", "Provides: abi\n"),
        ]);
        assert_eq!(chosen(&index, &["app"]).expect("met"), ["app 1", "early 1", "abi-3 1"]);
        assert_eq!(chosen(&index, &["virtual"]).expect("met"), ["early 1"]);
    }

    #[test]
    fn what_cannot_be_met_is_named_with_who_needs_it() {
        let index = PackageIndex::of(&[("app", "1", "Depends: a (>> 2) | nothing\n"), ("a", "2", "")]);
        let told = chosen(&index, &["app"]).expect_err("not met");
        assert!(told.contains("`app`") && told.contains("a (>> 2) | nothing"), "{told}");
        assert!(chosen(&index, &["none"]).is_err());
    }

    #[test]
    fn packages_that_serve_maintainer_scripts_come_only_by_name_and_circles_end() {
        let index = PackageIndex::of(&[
            ("app", "1", "Depends: debconf (>= 0.5) | debconf-2.0, a\n"),
            ("a", "1", "Depends: app\n"),
            ("debconf", "1.5", ""),
        ]);
        assert_eq!(chosen(&index, &["app"]).expect("met"), ["app 1", "a 1"]);
        assert_eq!(chosen(&index, &["app", "debconf"]).expect("met"), ["app 1", "debconf 1.5", "a 1"]);
    }
}
