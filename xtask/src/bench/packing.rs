//! Packing a large tree: how long it takes, how large the result is. unibin packs it a second time too, as it
//! does for whoever changes something else.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::chart::Row;
use super::peers::{Peer, Place, Took, median, timed};

/// Time at one level, and size.
pub(super) fn run(place: &Place, peers: &[Peer], level: i32, runs: usize) -> Result<Vec<Row>> {
    ensure!(runs > 0, "`--runs` wants at least 1");
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
            once(format!("{} -{level}", peer.name))?;
            let store = file.with_extension("store");
            if store.exists() {
                once(format!("{} -{level}, again", peer.name))?;
                fs::remove_dir_all(store)?;
            }
        }
    }
    let row = |(name, took, size): (String, Vec<Took>, u64)| {
        Some(Row { bytes: Some(size), ..Row::of_times(name, median(&took)?) })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// Size alone, at each of these levels.
pub(super) fn sizes(place: &Place, peers: &[Peer], levels: &[i32]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for level in levels {
        let of_level = run(place, peers, *level, 1)?;
        rows.extend(of_level.into_iter().filter(|row| !row.name.ends_with("again")));
    }
    Ok(rows)
}
