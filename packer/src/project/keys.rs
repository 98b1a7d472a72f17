//! The keys of `unibin.toml`. A key of a table below is the option of `pack` of the same name; what is listed
//! under [`OTHERS`] belongs to a release, or says what `{name}` and `{version}` stand for.

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One word.
    Word,
    /// A list of words: one option.
    Commas,
    /// A list of words: an option for each.
    Each,
    /// A file: relative to the project's.
    Path,
    /// Files, an option for each.
    EachPath,
    /// The same, where only a word with a slash is a file.
    EachPathIfSlash,
    /// `NAME=FILE`, an option for each.
    EachPathAfterEquals,
    /// A number.
    Number,
    /// Given or not.
    Flag,
}

/// A table of the file, and its keys that are options.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) options: &'static [(&'static str, Form)],
    /// Keys that are not.
    pub(super) others: &'static [&'static str],
}

pub(super) const SECTIONS: [Section; 5] = [
    Section {
        name: "app",
        options: &[
            ("output", Form::Path),
            ("target", Form::Word),
            ("deb", Form::EachPathIfSlash),
            ("entry", Form::Each),
            ("system", Form::Path),
            ("oci", Form::Word),
            ("platform", Form::Commas),
            ("debootstrap", Form::Word),
            ("include", Form::Commas),
            ("variant", Form::Word),
            ("no-scripts", Form::Flag),
            ("machine", Form::Flag),
            ("kernel", Form::Path),
            ("initrd", Form::Path),
            ("append", Form::Word),
            ("disk", Form::Path),
            ("disk-size", Form::Word),
            ("seed", Form::Path),
            ("firmware", Form::Word),
        ],
        others: &["name", "version", "build"],
    },
    Section {
        name: "libs",
        options: &[
            ("libs", Form::Word),
            ("suite", Form::Word),
            ("sysroot", Form::EachPath),
            ("library-path", Form::EachPath),
            ("add", Form::EachPath),
            ("exclude", Form::Each),
            ("configure", Form::Word),
        ],
        others: &[],
    },
    Section {
        name: "hosts",
        options: &[
            ("hosts", Form::Commas),
            ("also-target", Form::Each),
            ("head", Form::Word),
            ("level", Form::Number),
            ("children", Form::Word),
            ("cpu", Form::Word),
            ("emulator", Form::EachPathAfterEquals),
            ("debian-emulators", Form::Flag),
            ("translators", Form::Path),
            ("lock", Form::Path),
            ("locked", Form::Flag),
        ],
        others: &[],
    },
    Section {
        name: "start",
        options: &[
            ("env", Form::Each),
            ("unset", Form::Each),
            ("arg", Form::Each),
            ("argv0", Form::Word),
            ("view", Form::Word),
            ("preload", Form::EachPathIfSlash),
        ],
        others: &[],
    },
    Section {
        name: "release",
        options: &[],
        others: &["dist", "thin", "sources", "sbom", "sign", "detach", "builder"],
    },
];

/// Keys of `[[app.build]]`.
pub(super) const BUILD: [&str; 3] = ["arch", "file", "command"];

/// Options of `pack` that are no keys: what `build` says, how this run goes, where this machine fetches from.
#[cfg(test)]
const NOT_OF_A_PROJECT: [&str; 14] = [
    "native",
    "project",
    "dry-run",
    "fast",
    "ultra",
    "json",
    "trace",
    "emulator-only",
    "offline",
    "mirror",
    "emulators",
    "allow-stale",
    "help",
    "version",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_option_of_pack_is_a_key_or_is_left_out_on_purpose() {
        let definition = Cli::definition();
        let pack = definition.find_subcommand("pack").expect("pack");
        let options: Vec<_> = pack.get_arguments().filter_map(|option| option.get_long()).collect();
        let keys: Vec<_> = SECTIONS.iter().flat_map(|section| section.options).map(|(key, _)| *key).collect();
        for option in &options {
            let known = keys.contains(option) != NOT_OF_A_PROJECT.contains(option);
            assert!(known, "`--{option}`: a key of `unibin.toml`, or not of a project?");
        }
        for key in keys {
            assert!(options.contains(&key), "`{key}` is no option of `pack`");
        }
    }
}
