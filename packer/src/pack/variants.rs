//! The builds of the app for further architectures: gathered like the first, and put in the order in which a
//! launcher considers them.

use std::cmp::Reverse;

use crate::error::Error;
use crate::request::Request;
use crate::resolve::gather::gather;
use crate::resolve::resolved_app::ResolvedApp;

/// The apps that `--native` adds to `first`, each with its level.
pub(crate) fn gathered(request: &Request, first: &ResolvedApp) -> Result<Vec<(u16, ResolvedApp)>, Error> {
    let mut all: Vec<(u16, ResolvedApp)> = Vec::new();
    for native in &request.natives {
        let same =
            |(level, other): &(u16, ResolvedApp)| (other.target, *level) == (native.target, native.level);
        if (first.target, 0) == (native.target, native.level) || all.iter().any(same) {
            let level = Some(native.level).filter(|level| *level != 0);
            return Err(Error::SameVariant { target: native.target, level });
        }
        let mut resolved = gather(&native.app)?;
        if let (true, [own, ..], [default, ..]) =
            (native.stands_in, &mut resolved.entries[..], &first.entries[..])
        {
            own.name.clone_from(&default.name);
        }
        all.push((native.level, resolved));
    }
    Ok(all)
}

/// Those of the first's architecture before it, since a launcher takes the first that runs on its own; then
/// the others, higher levels first.
pub(crate) fn in_order(first: ResolvedApp, mut natives: Vec<(u16, ResolvedApp)>) -> Vec<(u16, ResolvedApp)> {
    let target = first.target;
    natives.push((0, first));
    natives.sort_by_key(|(level, resolved)| (resolved.target != target, resolved.target, Reverse(*level)));
    natives
}
