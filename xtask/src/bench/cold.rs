//! First start of a large tree: from the command until the program in it has run. Every run unpacks into a
//! new directory; each run of one is followed by a run of the others.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::chart::Row;
use super::peers::{ENDED, Peer, Place, Took, median, timed};

/// What everything is packed with.
const LEVEL: i32 = 9;

pub(super) fn run(place: &Place, peers: &[Peer], runs: usize) -> Result<Vec<Row>> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let mut files = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let file = place.path(&format!("cold-{number}"));
        timed((peer.pack)(place, &file, LEVEL), 0).with_context(|| peer.name.clone())?;
        files.push(file);
    }
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); peers.len()];
    for run in 0..runs {
        for (number, peer) in peers.iter().enumerate() {
            let to = place.path(&format!("unpacked-{run}-{number}"));
            let run =
                timed((peer.cold)(place, &files[number], &to), ENDED).with_context(|| peer.name.clone())?;
            took[number].push(run);
            fs::remove_dir_all(&to).with_context(|| format!("`{}` was not unpacked", peer.name))?;
        }
    }
    for file in files {
        fs::remove_file(file)?;
    }
    let row = |(peer, took): (&Peer, Vec<Took>)| Some(Row::of_times(peer.name.clone(), median(&took)?));
    Ok(peers.iter().zip(took).filter_map(row).collect())
}
