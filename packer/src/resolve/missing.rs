//! All missing libraries as one error: what needs each, where it was searched for, which package contains it.

use std::collections::BTreeMap;
use std::fmt::Write;

use closure::{Missing, Searched, Unusable};

use crate::error::{Error, readable};
use crate::request::{AppRequest, AppSource};
use crate::resolve::layers::{Layers, shown};
use crate::say;

/// How many of the files that need a library are listed.
const NAMED: usize = 4;

/// The error for everything that is missing; `holders` says which package contains a name, if that is known.
pub(crate) fn error(
    missing: &[Missing],
    holders: &BTreeMap<Vec<u8>, String>,
    request: &AppRequest,
    layers: &Layers,
) -> Error {
    let mut text = String::new();
    for one in missing {
        let _ = write!(text, "\n  {}", readable(&one.name));
        let by: Vec<String> = one.by.iter().take(NAMED).map(|path| layers.named(path)).collect();
        let more = one.by.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(text, "\n    needed by: {}{more}", by.join(", "));
        let places: Vec<String> = one.searched.iter().map(searched_in).collect();
        if !places.is_empty() {
            let _ = write!(text, "\n    looked in: {}", places.join("\n               "));
        }
        if let Some(package) = holders.get(&one.name) {
            let _ = write!(text, "\n    is in:     package {package}");
        }
    }
    Error::Missing { count: missing.len(), text, hint: hint(request) }
}

/// Warns about what is missing and nobody may need.
pub(crate) fn warn(missing: &[Missing]) {
    for one in missing {
        let by = one.by.first().map(|path| shown(path)).unwrap_or_default();
        let more = one.by.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        say::warning(&format!("`{by}`{more} needs `{}`, which was not found", readable(&one.name)));
    }
}

fn searched_in(searched: &Searched) -> String {
    let Searched { path, rule, found } = searched;
    let found = match found {
        None => String::new(),
        Some(Unusable::OtherCpu(Some(arch))) => format!(": found one for {arch}"),
        Some(Unusable::OtherCpu(None)) => ": found one for another architecture".to_owned(),
        Some(Unusable::NotAnObject) => ": what was found is not a library".to_owned(),
    };
    format!("{} ({rule}){found}", shown(path))
}

fn hint(request: &AppRequest) -> String {
    let tree = &request.tree;
    match &request.source {
        AppSource::Packages { .. } => "add the package that contains it with another `--deb`".to_owned(),
        _ if tree.libs.is_some() => {
            "no package of that suite contains it: provide it with `--library-path DIR`".to_owned()
        }
        _ if tree.sysroots.is_empty() => {
            "use `--libs debian` to fetch libraries from Debian, `--sysroot DIR` to take them from a root file system (`/` is this machine's), or `--library-path DIR` from a directory"
                .to_owned()
        }
        _ => "try another `--sysroot DIR` or `--library-path DIR`, or `--libs debian`".to_owned(),
    }
}
