//! The packages of a system that is to be installed: those that every system has, those of a variant, those
//! asked for by name, and all that they depend on, with the order in which they can be set up. Refuses a set
//! in which a dependency is not met or two packages exclude each other. Recommendations are not followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::depends::{self, Unsatisfied};
use crate::packages::{Package, PackageIndex};
use crate::relation::{Alternative, relations};

/// Which packages a system has besides those that are asked for by name; the variants are mmdebstrap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemVariant {
    /// Essential packages, those of priority `required`, and apt.
    Minbase,
    /// Also those of priority `important`: what debootstrap installs.
    Important,
    /// Also those of priority `standard`.
    Standard,
}

impl SystemVariant {
    fn has(self, package: &Package) -> bool {
        let priorities: &[&str] = match self {
            Self::Minbase => &["required"],
            Self::Important => &["required", "important"],
            Self::Standard => &["required", "important", "standard"],
        };
        package.essential || package.name == "apt" || priorities.contains(&package.priority.as_str())
    }
}

/// A package of the system.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'i> {
    /// The package.
    pub package: &'i Package,
    /// Whether it belongs to the smallest system, [`SystemVariant::Minbase`]: what unpacks and configures all
    /// others, and so works before it is configured itself.
    pub is_base: bool,
    /// Whether only other packages, none of them essential, asked for it: apt may remove it with the last of
    /// these.
    pub is_automatic: bool,
}

/// The packages of a system.
#[derive(Clone, Debug)]
pub struct Installation<'i> {
    /// All of them, each after those that it depends on, as far as they do not depend on each other.
    pub packages: Vec<Selected<'i>>,
}

/// Why a system cannot have these packages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Nothing meets a dependency.
    #[error(transparent)]
    Unsatisfied(#[from] Unsatisfied),
    /// Two packages exclude each other.
    #[error("package `{package}` does not go with `{other}`: it conflicts with `{relation}`")]
    Conflict {
        /// The package that excludes the other.
        package: String,
        /// The other package.
        other: String,
        /// What the first one's control file excludes.
        relation: String,
    },
}

impl Package {
    /// Whether it meets the dependency `asked`, by its name or by what it provides.
    pub fn meets(&self, asked: &Alternative) -> bool {
        depends::is_met_by(asked, self)
    }

    /// Whether it may take over files that `other` has too (`Replaces`, Policy 7.6.1).
    pub fn takes_over_files_of(&self, other: &Self) -> bool {
        let mut replaced = relations(&self.replaces).into_iter().flatten();
        // By its name only: a virtual package has no files.
        replaced.any(|one| one.name == other.name && depends::is_met_by(&one, other))
    }
}

/// Selects the packages of `variant` and the `included` ones.
pub fn select<'i>(
    index: &'i PackageIndex,
    variant: SystemVariant,
    included: &[&str],
) -> Result<Installation<'i>, SelectionError> {
    let essential: Vec<&str> = names(index.newest().filter(|package| package.essential));
    let kept: BTreeSet<&str> = names(depends::needed(index, &[], &essential, &[])?).into_iter().collect();
    let smallest = index.newest().filter(|package| SystemVariant::Minbase.has(package));
    let smallest: Vec<&str> = essential.iter().copied().chain(names(smallest)).collect();
    let base: BTreeSet<&str> = names(depends::needed(index, &[], &smallest, &[])?).into_iter().collect();
    let mut wanted = essential;
    wanted.extend(names(index.newest().filter(|package| !package.essential && variant.has(package))));
    wanted.extend(included);
    let chosen = depends::needed(index, &[], &wanted, &[])?;
    check(&chosen)?;
    let asked: BTreeSet<&str> = wanted.into_iter().collect();
    let selected = |package: &'i Package| Selected {
        package,
        is_base: base.contains(package.name.as_str()),
        is_automatic: !asked.contains(package.name.as_str()) && !kept.contains(package.name.as_str()),
    };
    Ok(Installation { packages: in_order(&chosen).into_iter().map(selected).collect() })
}

fn names<'i>(packages: impl IntoIterator<Item = &'i Package>) -> Vec<&'i str> {
    packages.into_iter().map(|package| package.name.as_str()).collect()
}

/// Whether all relations of `chosen` hold among them.
fn check(chosen: &[&Package]) -> Result<(), SelectionError> {
    for package in chosen {
        for group in relations(&package.depends) {
            let met = |one: &Alternative| chosen.iter().any(|other| depends::is_met_by(one, other));
            // A version that another package has excluded by wanting a different one.
            if !group.iter().any(met) {
                let (package, relation) = (package.name.clone(), depends::shown(&group));
                return Err(Unsatisfied { package, relation }.into());
            }
        }
        for excluded in relations(&package.conflicts).into_iter().flatten() {
            // What a package provides itself, it does not exclude (Policy 7.6.2).
            let mut others = chosen.iter().filter(|other| other.name != package.name);
            if let Some(other) = others.find(|other| depends::is_met_by(&excluded, other)) {
                let (package, other) = (package.name.clone(), other.name.clone());
                let relation = depends::shown(&[excluded]);
                return Err(SelectionError::Conflict { package, other, relation });
            }
        }
    }
    Ok(())
}

/// Each package after those that it depends on. In a circle, `Pre-Depends` count before `Depends`, and names
/// come in the order of the alphabet.
fn in_order<'i>(chosen: &[&'i Package]) -> Vec<&'i Package> {
    let by_name: BTreeMap<&str, &Package> =
        chosen.iter().map(|package| (package.name.as_str(), *package)).collect();
    let needs = |package: &Package| -> Vec<&'i Package> {
        let groups = relations(&package.pre_depends).into_iter().chain(relations(&package.depends));
        let meeting = groups.flat_map(|group| {
            by_name.values().filter(move |other| group.iter().any(|one| depends::is_met_by(one, other)))
        });
        meeting.copied().collect()
    };
    let mut begun = BTreeSet::new();
    let mut order = Vec::with_capacity(chosen.len());
    for package in by_name.values() {
        // By a stack of its own: an archive decides how deep dependencies go.
        let mut path = vec![(*package, needs(package).into_iter())];
        if !begun.insert(package.name.as_str()) {
            continue;
        }
        while let Some((package, next)) = path.last_mut() {
            match next.next() {
                Some(need) if begun.insert(need.name.as_str()) => path.push((need, needs(need).into_iter())),
                Some(_) => {}
                None => {
                    order.push(*package);
                    path.pop();
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(index: &PackageIndex, variant: SystemVariant, included: &[&str]) -> Result<String, String> {
        let installation = select(index, variant, included).map_err(|error| error.to_string())?;
        let mark = |one: &Selected<'_>| {
            let mark = match (one.is_base, one.is_automatic) {
                (true, true) => "*+",
                (true, false) => "*",
                (false, true) => "+",
                (false, false) => "",
            };
            format!("{}{mark}", one.package.name)
        };
        Ok(installation.packages.iter().map(mark).collect::<Vec<_>>().join(" "))
    }

    const SYSTEM: [(&str, &str, &str); 8] = [
        ("apt", "1", "Priority: important\nDepends: libz, adduser | passwd\n"),
        ("base", "1", "Essential: yes\nPriority: required\nPre-Depends: awk\n"),
        ("mawk", "1", "Priority: required\nProvides: awk\nDepends: libz\n"),
        ("libz", "1", "Priority: optional\n"),
        ("passwd", "1", "Priority: required\nDepends: base\n"),
        ("editor", "1", "Priority: important\nConflicts: vi\nProvides: vi\n"),
        ("man", "1", "Priority: standard\nRecommends: other\n"),
        ("other", "1", "Priority: optional\nBreaks: libz (<< 2)\n"),
    ];

    #[test]
    fn a_variant_has_the_essential_packages_those_of_its_priorities_and_apt() {
        let index = PackageIndex::of(&SYSTEM);
        let of = |variant| selected(&index, variant, &[]).expect("selected");
        assert_eq!(of(SystemVariant::Minbase), "libz* mawk* base* passwd* apt*");
        assert_eq!(of(SystemVariant::Important), "libz* mawk* base* passwd* apt* editor");
        assert_eq!(of(SystemVariant::Standard), "libz* mawk* base* passwd* apt* editor man");
    }

    #[test]
    fn dependencies_come_first_and_circles_end() {
        let index = PackageIndex::of(&[
            ("a", "1", "Essential: yes\nDepends: z\n"),
            ("b", "1", "Depends: c\n"),
            ("c", "1", "Depends: b\nPre-Depends: d\n"),
            ("d", "1", "Depends: b\n"),
            ("z", "1", ""),
        ]);
        let found = selected(&index, SystemVariant::Minbase, &["b"]).expect("selected");
        assert_eq!(found, "z* a* d+ c+ b");
    }

    #[test]
    fn packages_that_exclude_each_other_are_an_error_that_names_both() {
        let index = PackageIndex::of(&SYSTEM);
        let told = selected(&index, SystemVariant::Minbase, &["other"]).expect_err("refused");
        assert!(
            told.contains("`other`") && told.contains("`libz`") && told.contains("libz (<< 2)"),
            "{told}"
        );
    }

    #[test]
    fn a_version_that_cannot_be_had_beside_another_is_an_error() {
        let index = PackageIndex::of(&[
            ("a", "1", "Essential: yes\nDepends: lib (= 1)\n"),
            ("lib", "1", ""),
            ("lib", "2", ""),
            ("new", "1", "Depends: lib (= 2)\n"),
        ]);
        assert!(selected(&index, SystemVariant::Minbase, &[]).is_ok());
        let told = selected(&index, SystemVariant::Minbase, &["new"]).expect_err("refused");
        assert!(told.contains("`new`") && told.contains("lib (= 2)"), "{told}");
        assert!(selected(&index, SystemVariant::Minbase, &["none"]).is_err());
    }
}
