//! The benchmarks of a large tree: `cold`, `pack`, `size`, and `all` of them in one run, for
//! `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::chart::{Row, Shown, svg, table};
use super::interrupted;
use super::packing::LEVELS;
use super::peers::{self, Peer, Place};
use super::{cold, packing};
use crate::marked_page;
use crate::workspace;

/// What is behind it in `docs/benchmarks.md` is written here.
const BEGIN: &str = "<!-- written by `cargo xtask bench all --write-docs` -->\n";

/// What was asked for.
struct Asked {
    runs: usize,
    tree: Option<PathBuf>,
    write_docs: bool,
    /// Whether it has mounts of its own already.
    own_mounts: bool,
}

impl Asked {
    fn read(options: &[&str]) -> Result<Self> {
        let mut asked = Self { runs: 5, tree: None, write_docs: false, own_mounts: false };
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match *word {
                "--runs" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    asked.runs = number.context("`--runs` wants a number")?;
                }
                "--tree" => asked.tree = Some(words.next().context("`--tree` wants a directory")?.into()),
                "--write-docs" => asked.write_docs = true,
                interrupted::OWN_MOUNTS => asked.own_mounts = true,
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

fn cold(place: &Place, peers: &[Peer], runs: usize, said: &mut String) -> Result<Part> {
    let (rows, lacking) = cold::run(place, peers, runs)?;
    for line in lacking {
        println!("{line}");
        let _ = writeln!(said, "\n{line}");
    }
    Ok(Part { file: "cold", title: "First start", rows, shown: Shown::Seconds, against: "tar" })
}

/// Times, sizes, or both of the same runs.
fn packed(place: &Place, peers: &[Peer], runs: usize, what: &str) -> Result<Vec<Part>> {
    // At `--fast`'s level nobody waits.
    let levels: Vec<_> = LEVELS.iter().filter(|level| level.number > 1 || what != "pack").collect();
    let rows = packing::run(place, peers, &levels, runs)?;
    let sizes = packing::sizes(&rows);
    let against = "tar";
    let pack = Part { file: "pack", title: "Packing", rows, shown: Shown::Seconds, against };
    let size = Part { file: "size", title: "Size", rows: sizes, shown: Shown::Size, against };
    Ok(match what {
        "pack" => vec![pack],
        "size" => vec![size],
        _ => vec![pack, size],
    })
}

/// Prints a part, and adds it to `text` for the docs, with its chart beside them.
fn told(part: &Part, write_docs: bool, text: &mut String) -> Result<()> {
    let table = table(part.title, &part.rows, part.shown, part.against);
    println!("{table}");
    let _ = write!(text, "\n![{}](benchmarks/{}.svg)\n\n{table}", part.title, part.file);
    if write_docs {
        let charts = workspace().join("docs/benchmarks");
        fs::create_dir_all(&charts)?;
        fs::write(charts.join(format!("{}.svg", part.file)), svg(part.title, &part.rows, part.shown))?;
    }
    Ok(())
}

/// Runs what is named, with these options.
pub(super) fn run(what: &str, options: &[&str]) -> Result<()> {
    let asked = Asked::read(options)?;
    if matches!(what, "cold" | "all") && !asked.own_mounts {
        interrupted::with_own_mounts()?;
    }
    let Some(place) = Place::new(asked.tree.as_deref())? else {
        println!("NOT RUN: bench {what}: the mirror does not have the packages of the tree");
        return Ok(());
    };
    let peers = peers::all();
    let cpus = workspace::cpus();
    let megabytes = place.size()? / 1_000_000;
    let mut text = format!("A tree of {megabytes} MB, on {cpus} CPUs; medians of runs in turn.\n");
    println!("{text}");
    if matches!(what, "cold" | "all") {
        let part = cold(&place, &peers, asked.runs, &mut text)?;
        told(&part, asked.write_docs, &mut text)?;
    }
    if what != "cold" {
        for part in packed(&place, &peers, asked.runs, what)? {
            told(&part, asked.write_docs, &mut text)?;
        }
    }
    if asked.write_docs && what == "all" {
        marked_page::write(&workspace().join(Path::new("docs/benchmarks.md")), BEGIN, &text)?;
    }
    Ok(())
}
