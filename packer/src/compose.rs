//! Makes bundles out of bundles; each command is a file. Their contents are copied as they are stored.
//! Nothing is fetched, compressed again or executed, and the same inputs give the same bytes in any order.

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
use crate::error::{ComposeError, Error, shown};
use crate::json;
use crate::units::size;
use crate::write::assemble::{self, PackedVariant, Parts};
use crate::write::bundle_file::BundleFile;

/// What was written, for people and as JSON.
#[derive(Serialize)]
struct Composed {
    output: String,
    /// Length of the file in bytes.
    length: u64,
    hosts: Vec<RouteRow>,
}

/// A bundle's variants are systems, or none of them is.
fn require_same_kind(
    (first, one): (&Path, &PackedVariant),
    (second, other): (&Path, &PackedVariant),
) -> Result<(), Error> {
    if one.encoding == other.encoding {
        return Ok(());
    }
    Err(ComposeError::SystemAndApp { first: first.to_owned(), second: second.to_owned() }.into())
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
