//! The way from a project's file to the options of `pack`.

use std::ffi::OsString;

use crate::cli::parser::{ErrorKind, FromArgMatches as _};
use crate::cli::{Cli, Command, PackArgs};

impl PackArgs {
    /// Whether they say what to pack.
    pub(super) fn names_an_app(&self) -> bool {
        self.input.is_some()
            || !self.deb.is_empty()
            || !self.tree.sysroot.is_empty()
            || self.emulator_only
            || self.system.system.is_some()
            || self.system.oci.is_some()
            || self.system.debootstrap.is_some()
            || self.machine.machine
    }
}

/// Ends the process as for any command line that lacks something.
pub(super) fn nothing_to_pack() -> ! {
    let text = "nothing says what to pack: give a program, a directory or an archive, `--deb PKG`, `--system DIR`, \
                or write a `unibin.toml` (`unibin init`)";
    let mut definition = Cli::definition();
    definition.build();
    let error = match definition.find_subcommand_mut("pack") {
        Some(pack) => pack.error(ErrorKind::MissingRequiredArgument, text),
        None => definition.error(ErrorKind::MissingRequiredArgument, text),
    };
    error.exit()
}

/// What this process was told behind `pack`.
pub(super) fn words_of_pack() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(2)
}

/// What `unibin pack WORDS` would be asked for; a later word overrides an earlier one. The error is what is
/// wrong with them.
pub(super) fn as_pack(words: Vec<OsString>) -> Result<PackArgs, String> {
    let definition = Cli::definition().mut_subcommand("pack", |pack| pack.args_override_self(true));
    let words = ["unibin".into(), "pack".into()].into_iter().chain(words);
    let parsed = definition.try_get_matches_from(words).and_then(|found| Cli::from_arg_matches(&found));
    match parsed.map(|cli| cli.command) {
        Ok(Command::Pack(args)) => Ok(*args),
        Ok(_) => Err("not a command line of `pack`".to_owned()),
        Err(error) => {
            let text = error.render().to_string();
            let first = text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_can_be_packed_is_something_to_pack() {
        let cases: [&[&str]; 8] = [
            &["app"],
            &["--deb=jq", "--target=riscv64"],
            &["--sysroot=/srv", "--entry=bin/app"],
            &["--emulator-only", "--target=riscv64"],
            &["--system=root.tar"],
            &["--oci=image.tar"],
            &["--debootstrap=trixie", "--target=riscv64"],
            &["--machine", "--target=riscv64", "--kernel=vmlinux"],
        ];
        for words in cases {
            let words_of_case = words.iter().map(OsString::from).collect();
            assert!(as_pack(words_of_case).is_ok_and(|args| args.names_an_app()), "{words:?}");
        }
        let nothing = as_pack(vec!["--level=3".into()]);
        assert!(nothing.is_ok_and(|args| !args.names_an_app()));
        let definition = Cli::definition();
        let pack = definition.find_subcommand("pack").expect("there is one");
        let group = pack.get_groups().find(|group| group.get_id() == "app").expect("there is one");
        assert_eq!(group.get_args().count(), cases.len(), "a case for each");
    }
}
