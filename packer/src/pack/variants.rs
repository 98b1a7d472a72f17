//! The builds of the app for further architectures: gathered like the first, and put in the order in which a
//! launcher considers them.

use std::cmp::Reverse;

use crate::configure;
use crate::error::Error;
use crate::request::Request;
use crate::resolve::gather::gather;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant};

/// The variants that `--native` adds to `first`.
pub(crate) fn gathered(request: &Request, first: &ResolvedApp) -> Result<Vec<ResolvedVariant>, Error> {
    let mut all: Vec<ResolvedVariant> = Vec::new();
    for native in &request.natives {
        let key = (native.target, native.level);
        if (first.target, 0) == key || all.iter().any(|other| other.key() == key) {
            let level = Some(native.level).filter(|level| *level != 0);
            return Err(Error::SameVariant { target: native.target, level });
        }
        let mut resolved = gather(&native.app, configure::add)?;
        if let (true, [own, ..], [default, ..]) =
            (native.stands_in, &mut resolved.entries[..], &first.entries[..])
        {
            own.name.clone_from(&default.name);
        }
        all.push(ResolvedVariant { level: native.level, resolved });
    }
    Ok(all)
}

/// Those of the first's architecture before it, since a launcher takes the first that runs on its own; then
/// the others, higher levels first.
pub(crate) fn in_order(first: ResolvedApp, mut natives: Vec<ResolvedVariant>) -> Vec<ResolvedVariant> {
    let target = first.target;
    natives.push(first.baseline());
    natives.sort_by_key(|variant| {
        let (of, level) = variant.key();
        (of != target, of, Reverse(level))
    });
    natives
}
