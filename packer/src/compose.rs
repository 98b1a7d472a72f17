//! Bundles out of bundles, each command a file: what is inside is copied as it is stored. Nothing is fetched,
//! compressed again or executed, and the same inputs give the same bytes in any order.

pub(crate) mod check;
pub(crate) mod merge;
mod parts;
mod program;
pub(crate) mod replace;
pub(crate) mod routes;
pub(crate) mod thin;

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::compose::routes::RouteRow;
use crate::error::{Error, shown};
use crate::json;
use crate::units::size;
use crate::write::assemble::{self, Parts};
use crate::write::bundle_file::BundleFile;

/// What was written, for people and as JSON.
#[derive(Serialize)]
struct Composed {
    output: String,
    /// Length of the file in bytes.
    length: u64,
    hosts: Vec<RouteRow>,
}

/// Writes the bundle, and tells what it runs on.
fn written(parts: &Parts, output: &Path, as_json: bool) -> Result<String, Error> {
    let length = assemble::write(parts, output)?.length;
    let hosts = routes::of(&BundleFile::open(output)?.manifest()?);
    if as_json {
        return Ok(json::text(&Composed { output: output.display().to_string(), length, hosts }));
    }
    let mut text = format!("{}: {}\n", shown(output), size(length));
    for row in hosts {
        let _ = writeln!(text, "  {row}"); // writing to a String cannot fail
    }
    Ok(text)
}
