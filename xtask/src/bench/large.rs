//! The benchmarks of a large tree: `cold`, `pack`, `size`, and `all` of them in one run, for
//! `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::chart::{Row, Shown, svg, table};
use super::peers::{self, Peer, Place};
use super::{cold, packing};
use crate::marked_page;
use crate::workspace;

/// What is behind it in `docs/benchmarks.md` is written here.
const BEGIN: &str = "<!-- written by `cargo xtask bench all --write-docs` -->\n";

/// The levels of `size`: that of `--fast`, the default, and a release's.
const LEVELS: [i32; 3] = [1, 9, 19];

/// What was asked for.
struct Asked {
    runs: usize,
    tree: Option<PathBuf>,
    write_docs: bool,
}

impl Asked {
    fn read(options: &[&str]) -> Result<Self> {
        let mut asked = Self { runs: 5, tree: None, write_docs: false };
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match *word {
                "--runs" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    asked.runs = number.context("`--runs` wants a number")?;
                }
                "--tree" => asked.tree = Some(words.next().context("`--tree` wants a directory")?.into()),
                "--write-docs" => asked.write_docs = true,
                other => bail!("unknown option `{other}`: --runs N, --tree DIR, --write-docs"),
            }
        }
        Ok(asked)
    }
}

/// A table of the results, and its chart.
struct Part {
    file: &'static str,
    title: &'static str,
    rows: Vec<Row>,
    shown: Shown,
    against: &'static str,
}

type Measure = fn(&Place, &[Peer], usize) -> Result<Part>;

fn cold(place: &Place, peers: &[Peer], runs: usize) -> Result<Part> {
    let rows = cold::run(place, peers, runs)?;
    Ok(Part { file: "cold", title: "First start", rows, shown: Shown::Seconds, against: "tar" })
}

fn pack(place: &Place, peers: &[Peer], runs: usize) -> Result<Part> {
    let rows = packing::run(place, peers, 9, runs.min(3))?;
    Ok(Part { file: "pack", title: "Packing", rows, shown: Shown::Seconds, against: "tar" })
}

fn size(place: &Place, peers: &[Peer], _: usize) -> Result<Part> {
    let rows = packing::sizes(place, peers, &LEVELS)?;
    Ok(Part { file: "size", title: "Size", rows, shown: Shown::Size, against: "tar" })
}

/// Runs what is named, with these options.
pub(super) fn run(what: &str, options: &[&str]) -> Result<()> {
    let asked = Asked::read(options)?;
    let measures: &[Measure] = match what {
        "cold" => &[cold],
        "pack" => &[pack],
        "size" => &[size],
        _ => &[cold, pack, size],
    };
    let Some(place) = Place::new(asked.tree.as_deref())? else {
        println!("NOT RUN: bench {what}: the mirror does not have the packages of the tree");
        return Ok(());
    };
    let peers = peers::all();
    let cpus = workspace::cpus();
    let megabytes = place.size()? / 1_000_000;
    let mut text = format!("A tree of {megabytes} MB, on {cpus} CPUs; medians of runs in turn.\n");
    println!("{text}");
    for measure in measures {
        let part = measure(&place, &peers, asked.runs)?;
        let table = table(part.title, &part.rows, part.shown, part.against);
        println!("{table}");
        let _ = write!(text, "\n![{}](benchmarks/{}.svg)\n\n{table}", part.title, part.file);
        if asked.write_docs {
            let charts = workspace().join("docs/benchmarks");
            fs::create_dir_all(&charts)?;
            let chart = svg(part.title, &part.rows, part.shown);
            fs::write(charts.join(format!("{}.svg", part.file)), chart)?;
        }
    }
    if asked.write_docs && measures.len() > 1 {
        marked_page::write(&workspace().join(Path::new("docs/benchmarks.md")), BEGIN, &text)?;
    }
    Ok(())
}
