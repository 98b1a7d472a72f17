//! `unibin cache --packed`: lists and removes what `unibin pack` keeps in the store to be faster next time.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use emulator::{Kept, Store};
use serde::Serialize;

use crate::error::{Error, shown};
use crate::json;
use crate::packages::suites;
use crate::units::size;

#[derive(Serialize)]
struct Row {
    path: PathBuf,
    size: u64,
    /// Days since it was last used.
    days: u64,
}

/// Everything that is kept, what was used last first.
pub(super) fn list(as_json: bool) -> Result<String, Error> {
    let (_, kept) = kept()?;
    let row = |kept: &Kept| Row { path: kept.path.clone(), size: kept.size, days: days(kept) };
    let rows: Vec<Row> = kept.iter().map(row).collect();
    if as_json {
        return Ok(json::text(&rows));
    }
    let mut text = String::new();
    for row in &rows {
        let _ = writeln!(text, "{:>10} {:>4} days  {}", size(row.size), row.days, shown(&row.path));
    }
    let all = rows.iter().map(|row| row.size).sum();
    let _ = writeln!(text, "{} in {} files", size(all), rows.len());
    Ok(text)
}

/// Removes what was not used for so many days.
pub(super) fn remove(unused: u64) -> Result<String, Error> {
    let (store, kept) = kept()?;
    let (mut bytes, mut count) = (0, 0);
    for kept in kept.iter().filter(|kept| days(kept) >= unused) {
        store.forget(kept)?;
        bytes += kept.size;
        count += 1;
    }
    Ok(format!("{} in {count} files removed\n", size(bytes)))
}

fn kept() -> Result<(Store, Vec<Kept>), Error> {
    let store = Store::open(suites::store_root()?)?;
    let kept = store.kept()?;
    Ok((store, kept))
}

fn days(kept: &Kept) -> u64 {
    SystemTime::now().duration_since(kept.used).unwrap_or_default().as_secs() / 86_400
}
