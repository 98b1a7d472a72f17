//! All libraries that are missing as one error: who needs each, where it was looked for, which package would have it.

use std::collections::BTreeMap;
use std::fmt::Write;

use closure::{Missing, Searched, Unusable};

use crate::error::{Error, readable};
use crate::request::{Request, Source};
use crate::resolve::layers::shown;

/// How many of those who need one library are named.
const NAMED: usize = 4;

/// The error for everything that is missing; `holders` says which package has a name, where that is known.
pub(crate) fn error(missing: &[Missing], holders: &BTreeMap<Vec<u8>, String>, request: &Request) -> Error {
    let mut text = String::new();
    for one in missing {
        let _ = write!(text, "\n  {}", readable(&one.name));
        let by: Vec<String> = one.by.iter().take(NAMED).map(|path| shown(path)).collect();
        let more = one.by.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(text, "\n    needed by: {}{more}", by.join(", "));
        let places: Vec<String> = one.searched.iter().map(place).collect();
        if !places.is_empty() {
            let _ = write!(text, "\n    looked in: {}", places.join("\n               "));
        }
        if let Some(package) = holders.get(&one.name) {
            let _ = write!(text, "\n    is in:     package {package}");
        }
    }
    Error::Missing { count: missing.len(), text, hint: hint(request) }
}

fn place(searched: &Searched) -> String {
    let Searched { path, rule, found } = searched;
    let found = match found {
        None => String::new(),
        Some(Unusable::OtherCpu(Some(arch))) => format!(": one for {arch} is there"),
        Some(Unusable::OtherCpu(None)) => ": one for another CPU is there".to_owned(),
        Some(Unusable::NotAnObject) => ": what is there is no library".to_owned(),
    };
    format!("{} ({rule}){found}", shown(path))
}

fn hint(request: &Request) -> String {
    let tree = &request.tree;
    match &request.source {
        Source::Debs(_) => "add the package that has it with another `--deb`".to_owned(),
        _ if tree.libs.is_some() => {
            "no package of that suite has it: bring it with `--library-path DIR`".to_owned()
        }
        _ if tree.sysroots.is_empty() => {
            "`--sysroot DIR` takes libraries out of a system's tree (`/` is this machine's own), \
             `--libs debian` out of Debian's packages, `--library-path DIR` out of a directory"
                .to_owned()
        }
        _ => "another `--sysroot DIR`, `--library-path DIR` or `--libs debian` may have it".to_owned(),
    }
}
