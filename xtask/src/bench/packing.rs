//! Packing a large tree: how long it takes, how large the result is. unibin packs it a second time too, as it
//! does for whoever changes something else.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::chart::Row;
use super::peers::{Peer, Place, Took, median, timed};

/// A level, and how much time it may take here.
pub(super) struct Level {
    pub(super) number: i32,
    /// At most so many runs.
    most: usize,
    pub(super) by: By,
}

/// Who packs at a level.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    All,
    /// Who is tried everywhere.
    Some,
    Unibin,
}

/// That of `--fast`, the default, a release's, and that of `--ultra`; those that take minutes once.
pub(super) const LEVELS: [Level; 4] = [
    Level { number: 1, most: 1, by: By::All },
    Level { number: 9, most: 3, by: By::All },
    Level { number: 19, most: 1, by: By::Some },
    Level { number: 22, most: 1, by: By::Unibin },
];

/// Time and size at each of these levels.
pub(super) fn run(place: &Place, peers: &[Peer], levels: &[&Level], runs: usize) -> Result<Vec<Row>> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let mut rows = Vec::new();
    for Level { number, most, by } in levels {
        let takes_part = |peer: &&Peer| match by {
            By::All => true,
            By::Some => peer.everywhere,
            By::Unibin => peer.name == "unibin",
        };
        let peers: Vec<&Peer> = peers.iter().filter(takes_part).collect();
        rows.extend(at_level(place, &peers, *number, runs.min(*most))?);
    }
    Ok(rows)
}

fn at_level(place: &Place, peers: &[&Peer], level: i32, runs: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<(String, Vec<Took>, u64)> = Vec::new();
    let mut add = |name: String, took: Took, size: u64| match rows.iter_mut().find(|row| row.0 == name) {
        Some(row) => row.1.push(took),
        None => rows.push((name, vec![took], size)),
    };
    for run in 0..runs {
        for (number, peer) in peers.iter().enumerate() {
            let file = place.path(&format!("packed-{run}-{number}"));
            let mut once = |name: String| -> Result<()> {
                let took = timed((peer.pack)(place, &file, level), 0).with_context(|| name.clone())?;
                let size = fs::metadata(&file).with_context(|| format!("{name} wrote nothing"))?.len();
                add(name, took, size);
                fs::remove_file(&file)?;
                Ok(())
            };
            once(peer.name.clone())?;
            let store = file.with_extension("store");
            if store.exists() {
                once(format!("{}{AGAIN}", peer.name))?;
                fs::remove_dir_all(store)?;
            }
        }
    }
    let row = |(name, took, size): (String, Vec<Took>, u64)| {
        Some(Row { bytes: Some(size), ..Row::of_times(name, &format!("-{level}"), median(&took)?) })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// What a row of a second time is called.
const AGAIN: &str = " again";

/// The rows that have a size of their own.
pub(super) fn sizes(rows: &[Row]) -> Vec<Row> {
    rows.iter().filter(|row| !row.name.ends_with(AGAIN)).cloned().collect()
}
