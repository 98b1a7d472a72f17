//! The build script's check, apart so that a test can call it: the launchers and brokers of a directory.
//! Refuses a file that its `SHA256SUMS` does not list, or lists with another sum.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The list of sums, in the format of sha256sum(1).
const SUMS: &str = "SHA256SUMS";

/// The launchers and brokers in `directory`, by file name.
pub(crate) fn checked(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let sums = sums(directory)?;
    for name in names(directory)? {
        if !sums.contains_key(&name) {
            return Err(format!("`{}` is not listed in `{SUMS}`", directory.join(name).display()));
        }
    }
    let mut programs = BTreeMap::new();
    for (name, wanted) in sums {
        let path = directory.join(&name);
        let bytes = fs::read(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        let sum = Sha256::digest(&bytes).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
            hex
        });
        if sum != wanted {
            return Err(format!("`{}` has another SHA-256 sum than `{SUMS}` says", path.display()));
        }
        programs.insert(name, bytes);
    }
    Ok(programs)
}

/// What the list says: names and sums.
fn sums(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let path = directory.join(SUMS);
    let text =
        fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let rows = text.lines().map(|line| match line.split_once("  ") {
        Some((sum, name)) if is_program(name) => Ok((name.to_owned(), sum.to_owned())),
        _ => Err(format!("`{}`: `{line}` is not a launcher's or broker's sum", path.display())),
    });
    let sums = rows.collect::<Result<BTreeMap<_, _>, _>>()?;
    if sums.is_empty() { Err(format!("`{}` lists no launcher", path.display())) } else { Ok(sums) }
}

/// The launchers and brokers that are there.
fn names(directory: &Path) -> Result<Vec<String>, String> {
    let cannot = |error| format!("cannot read `{}`: {error}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        names.extend(name.to_str().filter(|name| is_program(name)).map(str::to_owned));
    }
    Ok(names)
}

/// Whether a file is called as a launcher or broker is.
fn is_program(name: &str) -> bool {
    let host = name.strip_prefix("launcher-").or_else(|| name.strip_prefix("broker-"));
    host.is_some_and(|host| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}
