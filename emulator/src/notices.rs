//! The notices that a bundle must contain for its emulators: the licence texts, Debian's copyright file, and
//! the exact sources that each program was built from. Same emulators, same bytes. This is not legal advice.

use std::fmt::{self, Write as _};

use crate::record::{Emulator, Provenance, SourcePackage, Trust};

/// The GNU General Public License, version 2.
pub const GPL_2_0: &str = include_str!("../notices/GPL-2.0.txt");
/// The GNU Lesser General Public License, version 2.1.
pub const LGPL_2_1: &str = include_str!("../notices/LGPL-2.1.txt");

/// Debian's copyright file of QEMU, for the releases that the catalogue pins; the last is for all others.
const COPYRIGHTS: [(&str, &str); 3] = [
    ("7.2", include_str!("../notices/qemu-7.2-copyright.txt")),
    ("10.0", include_str!("../notices/qemu-10.0-copyright.txt")),
    ("11.1", include_str!("../notices/qemu-11.1-copyright.txt")),
];

/// What is stated about one emulator: its exact source, and how it was built. Of a file of the user's own,
/// what is unknown about it.
pub fn statement(emulator: &Emulator) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = summary(&mut text, emulator);
    text
}

/// The licences of an emulator and the copyright that Debian states: one text for all of a release, whatever
/// their hosts and targets. `None` for a file of the user's own.
pub fn licences(emulator: &Emulator) -> Option<String> {
    if let Provenance::Given { .. } = emulator.record.provenance {
        return None;
    }
    let version = &emulator.record.version;
    let fits = |(release, _): &&(&str, &str)| {
        version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let (release, copyright) = COPYRIGHTS.iter().find(fits).or(COPYRIGHTS.last())?;
    let mut text = String::new();
    section(&mut text, &format!("COPYRIGHT OF QEMU {release}, AS DEBIAN STATES IT"), copyright);
    section(&mut text, "GNU GENERAL PUBLIC LICENSE, VERSION 2", GPL_2_0);
    section(&mut text, "GNU LESSER GENERAL PUBLIC LICENSE, VERSION 2.1", LGPL_2_1);
    Some(text)
}

/// The facts about one emulator, one per line.
fn summary(text: &mut String, emulator: &Emulator) -> fmt::Result {
    let record = &emulator.record;
    writeln!(text, "{}: {} {}", emulator.key, record.translator, record.version)?;
    writeln!(text, "  program:      sha256 {}, {} bytes", record.digest, record.size)?;
    writeln!(text, "  licence:      {}", record.licence)?;
    match &record.provenance {
        Provenance::Given { .. } => {
            writeln!(text, "  source:       not known: the program was given as a file when this was packed")
        }
        Provenance::Built => {
            source(text, &record.source)?;
            let recipe = record.source.recipe.map_or_else(String::new, |recipe| recipe.to_string());
            writeln!(text, "  built by:     unibin, recipe sha256 {recipe}")?;
            writeln!(text, "  changed:      yes; `unibin emulator source` writes changes and recipe")
        }
        Provenance::Debian { deb, deb_sha256, member, trust, .. } => {
            source(text, &record.source)?;
            writeln!(text, "  package:      {deb}, sha256 {deb_sha256}")?;
            writeln!(text, "  file in it:   {member}")?;
            match trust {
                Trust::Index { suite, .. } => writeln!(text, "  suite:        {suite}")?,
                Trust::Lock => writeln!(text, "  known from:   a lock file alone")?,
                Trust::Pin => {}
            }
            Ok(())
        }
    }
}

fn source(text: &mut String, source: &SourcePackage) -> fmt::Result {
    writeln!(text, "  source:       Debian source package {} {}", source.name, source.version)?;
    for file in &source.files {
        writeln!(text, "    {}, {} bytes, sha256 {}", file.name, file.size, file.sha256)?;
    }
    if !source.built_using.is_empty() {
        writeln!(text, "  built using:  {}", source.built_using)?;
    }
    Ok(())
}

fn section(text: &mut String, title: &str, body: &str) {
    let _ = write!(text, "{}\n{title}\n\n{body}\n", "=".repeat(100));
}
