//! The two instruments of `tests/programs`: `tell`, an app that prints everything that it inherits, and
//! `caller`, which sets up a state and starts a program in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use bundle::Arch;

use crate::needs::has;
use crate::pack::pack;
use crate::unibin::unibin;
use crate::zig::{compile, own};

/// The program `tell` for `target`; `None`, loudly, where there is no compiler.
pub fn tell(target: Arch) -> Option<PathBuf> {
    compile("tell", &[own("tell.c")], target)
}

/// A bundle of [`tell`] for `target` that runs on this machine.
pub fn tell_bundle(target: Arch) -> Option<PathBuf> {
    let program = tell(target)?;
    // For a foreign CPU it holds an emulator.
    if Some(target) != Arch::HOST && !has("network") {
        return None;
    }
    Some(pack(&[program.to_str().expect("text"), "--hosts", "x86_64"]))
}

/// The program `caller` for this machine, linked to musl.
pub fn caller() -> Option<PathBuf> {
    compile("caller", &[own("caller.c")], Arch::X86_64)
}

/// The emulator that runs programs of `target` on this machine, out of the tests' own store.
pub fn emulator_of(target: Arch) -> PathBuf {
    let fetch = ["emulator", "fetch", "--target", target.name(), "--hosts", "x86_64"];
    let fetched = unibin().args(fetch).output().expect("unibin starts");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let cell = ["emulator", "path", "--target", target.name(), "--host", "x86_64"];
    let told = unibin().args(cell).output().expect("unibin starts");
    let path = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim());
    assert!(path.is_file(), "no emulator for {target}: {told:?}");
    path
}

/// What `tell report` wrote: a line for each thing that a process inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<(String, String)>);

impl Report {
    /// Reads the file that `tell report FILE` wrote.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::of(&text)
    }

    /// What `tell report -` printed.
    pub fn of(text: &str) -> Self {
        // A terminal puts a carriage return before each line feed.
        let lines = text.lines().map(str::trim_end).map(|line| line.split_once(' ').unwrap_or((line, "")));
        let report = Self(lines.map(|(what, value)| (what.to_owned(), value.to_owned())).collect());
        assert!(report.all("pid").len() == 1, "not a whole report: {text}");
        report
    }

    /// The values of all lines about `what`, in their order.
    pub fn all(&self, what: &str) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| name == what).map(|(_, value)| value.as_str()).collect()
    }

    /// The arguments behind `tell report FILE`.
    pub fn arguments(&self) -> Vec<Vec<u8>> {
        self.all("argument").into_iter().map(unhex).collect()
    }

    /// The environment, whose order says nothing.
    pub fn variables(&self) -> BTreeSet<Vec<u8>> {
        self.all("variable").into_iter().map(unhex).collect()
    }

    /// The lines that are not about any of `whats`.
    #[must_use]
    pub fn without(&self, whats: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !whats.contains(&name.as_str())).cloned().collect())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, value)| writeln!(f, "{what} {value}"))
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit");
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("a byte");
    text.as_bytes().chunks(2).map(byte).collect()
}
