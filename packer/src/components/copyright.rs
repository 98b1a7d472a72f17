//! The licences that a Debian package's copyright file names. Debian's names are not SPDX's, and say which
//! licences occur, not how they go together: so they are names, never an expression.

use std::collections::BTreeSet;

use crate::components::paragraphs;

/// The names in the fields `License` of a file in the machine-readable form (DEP-5), in order; none of any
/// other file.
pub(crate) fn licences(text: &str) -> Vec<String> {
    let paragraphs = paragraphs::read(text);
    let format = paragraphs.first().and_then(|first| first.get("Format")).unwrap_or_default();
    if !format.contains("copyright-format") {
        return Vec::new();
    }
    let fields = paragraphs.iter().filter_map(|paragraph| paragraph.get("License"));
    let names = fields.filter_map(|field| field.lines().next()).map(str::trim);
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::licences;

    #[test]
    fn a_machine_readable_file_names_its_licences_once_and_others_none() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                    Files: *\nLicense: GPL-2+ or MIT\n\nFiles: a\nLicense: BSD-3-clause\n text\n .\n License: x\n\n\
                    License: BSD-3-clause\n";
        assert_eq!(licences(text), ["BSD-3-clause", "GPL-2+ or MIT"]);
        assert!(licences(&text.replace("Format:", "Upstream:")).is_empty());
        assert!(licences("License: GPL").is_empty());
    }
}
