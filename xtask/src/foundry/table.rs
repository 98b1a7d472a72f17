//! `emulators.toml`: what is in a host's frame, and everything that is to be told about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use foundry::Recipe;

use super::build::Built;
use super::pins::{FilePin, RootPins, SourcePins};
use crate::tables::quoted;

/// Names of a host's files.
pub(crate) const FRAME: &str = "emulators.zst";
pub(crate) const TABLE: &str = "emulators.toml";

/// QEMU as a whole (its file LICENSE).
const LICENCE: &str = "GPL-2.0-only";
/// The licences of what may be linked into it, by source package (`debian/copyright` of each): of the files
/// that are in the library, not of all in the package.
const LICENCES: [(&str, &str); 7] = [
    ("attr", "LGPL-2.1-or-later"),
    ("gcc-14", "(GPL-3.0-or-later WITH GCC-exception-3.1)"),
    ("glib2.0", "LGPL-2.1-or-later"),
    ("glibc", "LGPL-2.1-or-later"),
    ("pcre2", "BSD-3-Clause"),
    ("sysprof", "BSD-2-Clause-Patent"),
    ("zlib", "Zlib"),
];

/// The file's text.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(
        built: &Built,
        frame: &[u8],
        recipe: &Recipe,
        source: &SourcePins,
        packages: &RootPins,
    ) -> Result<Self> {
        let used = sources(built, packages)?;
        let using: Vec<String> = used.iter().map(|(name, version)| format!("{name} (= {version})")).collect();
        let mut text = String::from(
            "# The emulators in emulators.zst. Written by `cargo xtask foundry`; not edited by hand.\n",
        );
        for (field, value) in [
            ("host", built.host.name()),
            ("version", &recipe.version()?),
            ("licence", &licence(&used)?),
            ("source", &source.name),
            ("source-version", &source.version),
            ("built-using", &using.join(", ")),
        ] {
            writeln!(text, "{field} = {}", quoted(value))?;
        }
        writeln!(text, "source-files = [")?;
        for FilePin { name, size, sha256 } in &source.files {
            writeln!(text, "    {{ name = {}, size = {size}, sha256 = \"{sha256}\" }},", quoted(name))?;
        }
        writeln!(text, "]\nrecipe = \"{}\"", recipe.digest())?;
        let (size, sha256) = (frame.len(), debian::digest::of(frame));
        let unpacked: usize = built.programs.iter().map(|(_, bytes)| bytes.len()).sum();
        writeln!(
            text,
            "frame = {{ size = {size}, sha256 = \"{sha256}\", unpacked = {unpacked} }}\n\n[members]"
        )?;
        let mut offset = 0;
        for (target, bytes) in &built.programs {
            let (size, sha256) = (bytes.len(), debian::digest::of(bytes));
            let target = target.name();
            writeln!(text, "{target} = {{ offset = {offset}, size = {size}, sha256 = \"{sha256}\" }}")?;
            offset += size;
        }
        Ok(Self(text))
    }
}

/// The source packages, with versions, of which something is linked in.
fn sources(built: &Built, packages: &RootPins) -> Result<BTreeSet<(String, String)>> {
    let pins = packages.of(built.host);
    let source = |name: &String| {
        let pin =
            pins.iter().find(|pin| pin.name == *name).with_context(|| format!("no pin for `{name}`"))?;
        Ok(pin.sources())
    };
    let sources = built.linked.iter().map(source).collect::<Result<Vec<_>>>()?;
    Ok(sources.into_iter().flatten().collect())
}

/// The SPDX expression for QEMU with these source packages.
fn licence(used: &BTreeSet<(String, String)>) -> Result<String> {
    let mut terms = vec![LICENCE];
    for (name, _) in used {
        let term = LICENCES.iter().find(|(known, _)| known == name);
        let (_, term) = term.with_context(|| {
            format!(
                "something of `{name}` is linked in, whose licence xtask/src/foundry/table.rs does not know"
            )
        })?;
        if !terms.contains(term) {
            terms.push(term);
        }
    }
    Ok(terms.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_licence_is_named_once_and_an_unknown_one_is_an_error() {
        let used = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
        let expression = licence(&used(&["glib2.0", "glibc", "gcc-14"])).expect("known");
        let expected = "GPL-2.0-only AND (GPL-3.0-or-later WITH GCC-exception-3.1) AND LGPL-2.1-or-later";
        assert_eq!(expression, expected);
        assert!(licence(&used(&["openssl"])).expect_err("unknown").to_string().contains("openssl"));
    }
}
