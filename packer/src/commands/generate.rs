//! `unibin generate`: man pages and shell completions out of the command line's own definition, for
//! packagers. The only file that touches `clap_mangen` and `clap_complete`.

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::Cli;
use crate::cli::parser::{Definition, DefinitionOfOption as Arg};
use crate::error::Error;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes `man/*.1` and `completions/*` into `directory`, for `cargo xtask man` and packagers.
pub(crate) fn generate(directory: &Path) -> Result<String, Error> {
    let man = directory.join("man");
    write(&man, || {
        // Builds the names of the pages: `unibin-emulator-fetch`.
        let mut definition = Cli::definition().disable_help_subcommand(true);
        definition.build();
        pages(definition, &man)
    })?;
    let completions = directory.join("completions");
    for shell in SHELLS {
        write(&completions, || {
            clap_complete::generate_to(shell, &mut Cli::definition(), "unibin", &completions)
        })?;
    }
    Ok(format!("man pages and completions are in `{}`\n", directory.display()))
}

fn write<T>(into: &Path, work: impl FnOnce() -> io::Result<T>) -> Result<T, Error> {
    fs::create_dir_all(into).and_then(|()| work()).map_err(|source| Error::io("write into", into, source))
}

/// The page of a command and those of the commands inside it.
fn pages(definition: Definition, directory: &Path) -> io::Result<()> {
    for inside in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages(inside.clone(), directory)?;
    }
    let before = definition.get_before_long_help().or_else(|| definition.get_before_help());
    let after = definition.get_after_long_help().or_else(|| definition.get_after_help());
    let texts = [before, after].map(|text| text.map(ToString::to_string).unwrap_or_default());
    let nothing = None::<&'static str>;
    let definition = definition.after_help(nothing).after_long_help(nothing).mut_args(with_help);
    let page = Man::new(definition);
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    for text in &texts {
        roff.extend(as_it_stands(text).into_bytes());
    }
    fs::write(directory.join(page.get_filename()), roff)
}

/// An option that `-h` leaves out has its text in the page all the same.
fn with_help(option: Arg) -> Arg {
    let help = option.get_long_help().or_else(|| option.get_help()).cloned();
    match help {
        Some(help) => option.long_help(help),
        None => option,
    }
}

/// The texts around a command's help, which `clap_mangen` would leave out or run together: a line such as
/// `Examples:` becomes a heading, and lines stay lines.
fn as_it_stands(text: &str) -> String {
    let mut roff = Roff::default();
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                roff.control("fi", []).control("SH", [heading.to_uppercase().as_str()]).control("nf", [])
            }
            None => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []).to_roff()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Every command that a user is told of, with those that it stands in.
    fn names(definition: &Definition, prefix: &str) -> Vec<String> {
        let name = format!("{prefix}{}", definition.get_name());
        let inside = definition.get_subcommands().filter(|command| !command.is_hide_set());
        let inside: Vec<_> = inside.flat_map(|command| names(command, &format!("{name}-"))).collect();
        [vec![name], inside].concat()
    }

    #[test]
    fn each_command_has_a_man_page_and_no_other_page_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        generate(directory.path()).expect("generated");
        let pages = fs::read_dir(directory.path().join("man")).expect("pages");
        let mut pages: Vec<_> =
            pages.map(|page| page.expect("a page").file_name().into_string().expect("text")).collect();
        pages.sort();
        let mut wanted: Vec<_> =
            names(&Cli::definition(), "").into_iter().map(|name| format!("{name}.1")).collect();
        wanted.sort();
        assert_eq!(pages, wanted);
        assert!(
            pages.contains(&"unibin-pack.1".to_owned())
                && !pages.iter().any(|page| page.contains("generate"))
        );
        let pack = fs::read_to_string(directory.path().join("man/unibin-pack.1")).expect("a page");
        for wanted in [
            "Fail if an emulator is not in the lock file",
            ".SH EXAMPLES",
            "\\-\\-native",
            "\n  Pack a static program; writes app.bundle:\n",
        ] {
            assert!(pack.contains(wanted), "no `{wanted}` in:\n{pack}");
        }
    }

    #[test]
    fn the_same_definition_gives_the_same_pages() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        generate(one.path()).and_then(|_| generate(two.path())).expect("generated");
        for name in ["man/unibin.1", "completions/unibin.bash"] {
            let read = |directory: &tempfile::TempDir| fs::read(directory.path().join(name)).expect("read");
            assert_eq!(read(&one), read(&two), "{name}");
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a check that cannot run says so")]
    fn each_shell_reads_its_completions() {
        let directory = tempfile::tempdir().expect("a directory");
        generate(directory.path()).expect("generated");
        let bash = "set -eu; . ./unibin.bash; complete -p unibin >/dev/null\n\
            COMP_WORDS=(unibin pa) COMP_CWORD=1; _unibin unibin pa unibin; [ \"${COMPREPLY[*]}\" = pack ]";
        for (shell, arguments) in [
            ("bash", ["--norc", "-c", bash]),
            ("zsh", ["-f", "-n", "_unibin"]),
            ("fish", ["--no-config", "--no-execute", "unibin.fish"]),
        ] {
            let run = Command::new(shell)
                .args(arguments)
                .current_dir(directory.path().join("completions"))
                .output();
            match run {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    eprintln!("NOT RUN: the completions for {shell}, which is not installed");
                }
                run => {
                    let run = run.expect("runs");
                    let said = String::from_utf8_lossy(&run.stderr);
                    assert!(run.status.success() && said.is_empty(), "{shell}: {said}");
                }
            }
        }
    }
}
