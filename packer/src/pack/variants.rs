//! The app as built for other CPUs than the first: gathered like it, and put in the order in which a launcher takes them.

use std::cmp::Reverse;

use crate::error::Error;
use crate::request::Request;
use crate::resolve::gather::{Checked, gather};

/// The apps that `--native` asks for besides `first`, each with its level.
pub(crate) fn gathered(request: &Request, first: &Checked) -> Result<Vec<(u16, Checked)>, Error> {
    let mut all: Vec<(u16, Checked)> = Vec::new();
    for native in &request.natives {
        let same = |(level, other): &(u16, Checked)| (other.target, *level) == (native.target, native.level);
        if (first.target, 0) == (native.target, native.level) || all.iter().any(same) {
            let level = Some(native.level).filter(|level| *level != 0);
            return Err(Error::SameVariant { target: native.target, level });
        }
        let mut checked = gather(&native.request)?;
        if let (true, [own, ..], [default, ..]) =
            (native.stands_in, &mut checked.entries[..], &first.entries[..])
        {
            own.name.clone_from(&default.name);
        }
        all.push((native.level, checked));
    }
    Ok(all)
}

/// Those of the first's CPU before it, since a launcher takes the first that runs on its CPU; then the others, higher levels first.
pub(crate) fn in_order(first: Checked, mut natives: Vec<(u16, Checked)>) -> Vec<(u16, Checked)> {
    let target = first.target;
    natives.push((0, first));
    natives.sort_by_key(|(level, checked)| (checked.target != target, checked.target, Reverse(*level)));
    natives
}
