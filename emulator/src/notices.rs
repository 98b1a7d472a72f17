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

/// The notices for these emulators: a summary of each, in the order of their keys, then each licence and
/// copyright text once. The user's own files are listed too, with what is unknown about them.
pub fn notices(emulators: &[Emulator]) -> String {
    let mut sorted: Vec<&Emulator> = emulators.iter().collect();
    sorted.sort_by_key(|emulator| emulator.key);
    let mut text = String::from("EMULATORS IN THIS FILE\n");
    for emulator in &sorted {
        // Writing to a string cannot fail.
        let _ = summary(&mut text, emulator);
    }
    let is_qemu = |emulator: &&&Emulator| !matches!(emulator.record.provenance, Provenance::Given { .. });
    let mut copyrights: Vec<&(&str, &str)> = Vec::new();
    for emulator in sorted.iter().filter(is_qemu) {
        let version = &emulator.record.version;
        let fits = |(release, _): &&(&str, &str)| {
            version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let copyright = COPYRIGHTS.iter().find(fits).or(COPYRIGHTS.last());
        copyrights.extend(copyright.filter(|copyright| !copyrights.contains(copyright)));
    }
    for (release, copyright) in &copyrights {
        section(&mut text, &format!("COPYRIGHT OF QEMU {release}, AS DEBIAN STATES IT"), copyright);
    }
    if !copyrights.is_empty() {
        section(&mut text, "GNU GENERAL PUBLIC LICENSE, VERSION 2", GPL_2_0);
        section(&mut text, "GNU LESSER GENERAL PUBLIC LICENSE, VERSION 2.1", LGPL_2_1);
    }
    text
}

/// The facts about one emulator, one per line.
fn summary(text: &mut String, emulator: &Emulator) -> fmt::Result {
    let record = &emulator.record;
    writeln!(text, "\n{}: {} {}", emulator.key, record.translator, record.version)?;
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
    let _ = write!(text, "\n{}\n{title}\n\n{body}", "=".repeat(100));
}
