//! The directory of committed launchers and brokers: what each is called, and the lists beside them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bundle::Arch;
use sha2::{Digest, Sha256};

/// Where the launchers are committed, from the workspace's directory.
pub(crate) const DIRECTORY: &str = "templates/launchers";
/// The list of their digests, in the format of sha256sum(1).
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The table of their sizes: committed, so that a diff shows how much a change makes them grow.
pub(crate) const SIZES: &str = "SIZES";

/// The programs that are built for every host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// What a bundle starts with.
    Launcher,
    /// What attends to the programs that an app starts: a launcher with more in it.
    Broker,
}

impl Program {
    pub(crate) const ALL: [Self; 2] = [Self::Launcher, Self::Broker];

    /// What the crate's binary is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Launcher => "launcher",
            Self::Broker => "broker",
        }
    }

    /// The file name of a host's.
    pub(crate) fn file_name(self, host: Arch) -> String {
        format!("{}-{host}", self.name())
    }

    pub(super) fn features(self) -> &'static str {
        match self {
            Self::Launcher => "bare",
            Self::Broker => "bare,children",
        }
    }
}

/// Lists the programs that are in `directory`, whichever this run has built.
pub(super) fn write_sums(directory: &Path) -> Result<()> {
    let mut sums = String::new();
    for name in Program::ALL.iter().flat_map(|program| Arch::HOSTS.map(|host| program.file_name(host))) {
        if let Ok(bytes) = fs::read(directory.join(&name)) {
            writeln!(sums, "{}  {name}", sha256(&bytes))?;
        }
    }
    fs::write(directory.join(SUMS), sums).with_context(|| format!("cannot write `{SUMS}`"))
}

/// The size in bytes of each program in `directory`: a row for each host, a column for each program, and the
/// largest of each.
pub(crate) fn sizes(directory: &Path) -> Result<String> {
    let [launcher, broker] = Program::ALL.map(Program::name);
    let mut table = format!("{:<12} {launcher:>8} {broker:>8}\n", "host");
    let mut largest = [0; 2];
    for host in Arch::HOSTS {
        let mut row = [0; 2];
        for ((program, size), most) in Program::ALL.into_iter().zip(&mut row).zip(&mut largest) {
            let path = directory.join(program.file_name(host));
            // With `--only` into another directory, the others are not there.
            *size = if path.exists() { fs::metadata(&path)?.len() } else { 0 };
            *most = (*most).max(*size);
        }
        writeln!(table, "{:<12} {:>8} {:>8}", host.name(), row[0], row[1])?;
    }
    writeln!(table, "{:<12} {:>8} {:>8}", "largest", largest[0], largest[1])?;
    Ok(table)
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}
