//! Commands that are started as the launcher starts what is in a bundle: by the same rules, which crate
//! `bundle` interprets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::Command;

use bundle::{AppArguments, Environment, OwnedRule, TranslatorArguments};

/// A command in the making.
pub(crate) struct Started<'c> {
    /// The emulator's.
    pub(crate) command: &'c mut Command,
    /// The name by which the program is called.
    pub(crate) argv0: &'c OsStr,
    pub(crate) program: &'c Path,
    /// The program's own arguments.
    pub(crate) rest: &'c [OsString],
}

impl Started<'_> {
    /// Follows a translator's rules; `tree` is where the program's files lie.
    pub(crate) fn by_translator(&mut self, rules: &[OwnedRule], tree: &Path) {
        for rule in rules {
            rule.change_environment(tree.as_os_str().as_bytes(), self);
            rule.call_translator(tree.as_os_str().as_bytes(), self);
        }
    }

    /// Follows an app's rules.
    pub(crate) fn by_app(&mut self, rules: &[OwnedRule], tree: &Path) {
        for rule in rules {
            rule.change_environment(tree.as_os_str().as_bytes(), self);
            rule.start_app(tree.as_os_str().as_bytes(), self);
        }
    }

    fn joined(&mut self, parts: [&[u8]; 3]) {
        self.command.arg(OsString::from_vec(parts.concat()));
    }
}

impl TranslatorArguments for Started<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.joined(parts);
    }

    fn argv0(&mut self) {
        self.command.arg(self.argv0);
    }

    fn program(&mut self) {
        self.command.arg(self.program);
    }

    fn rest(&mut self) {
        self.command.args(self.rest);
    }

    /// The emulator starts children itself, since there is no broker here.
    fn children(&mut self, argument: &[u8]) {
        self.command.arg(OsStr::from_bytes(argument));
    }
}

impl AppArguments for Started<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.joined(parts);
    }

    /// Not needed: an emulator gets the program's name in its own way.
    fn argv0_is_program(&mut self) {}
}

impl Environment for Started<'_> {
    fn is_set(&self, name: &[u8]) -> bool {
        let name = OsStr::from_bytes(name);
        let changed = self.command.get_envs().find(|(changed, _)| *changed == name);
        changed.map_or_else(|| std::env::var_os(name).is_some(), |(_, value)| value.is_some())
    }

    fn set(&mut self, name: &[u8], value: [&[u8]; 2]) {
        self.command.env(OsStr::from_bytes(name), OsString::from_vec(value.concat()));
    }

    fn unset(&mut self, name: &[u8]) {
        self.command.env_remove(OsStr::from_bytes(name));
    }

    fn unset_prefix(&mut self, prefix: &[u8]) {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let changed = self.command.get_envs().map(|(name, _)| name.to_owned());
        let named: Vec<_> =
            inherited.chain(changed).filter(|name| name.as_bytes().starts_with(prefix)).collect();
        for name in named {
            self.command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use bundle::Rule;

    use super::*;

    #[test]
    fn a_command_gets_what_the_rules_of_emulator_and_app_say() {
        let mut command = Command::new("/emulator");
        let rest = ["x".into()];
        let mut started = Started {
            command: &mut command,
            argv0: OsStr::new("name"),
            program: Path::new("/t/bin/app"),
            rest: &rest,
        };
        let rules: [Rule<&[u8]>; 6] = [
            Rule::Tree { before: b"--tree=", after: b"/etc" },
            Rule::Argv0,
            Rule::Program,
            Rule::Rest,
            Rule::SetVariable { name: b"MADE_UP", value: b"1" },
            Rule::DefaultVariable { name: b"MADE_UP", value: b"2" },
        ];
        started.by_translator(&rules.map(|rule| rule.owned()), Path::new("/t"));
        let rules: [Rule<&[u8]>; 3] = [
            Rule::Argument(b"-a"),
            Rule::TreeVariable { name: b"LIBRARIES", after: b"/lib" },
            Rule::UnsetPrefix(b"MADE_"),
        ];
        started.by_app(&rules.map(|rule| rule.owned()), Path::new("/t"));
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["--tree=/t/etc", "name", "/t/bin/app", "x", "-a"]);
        let variables: Vec<_> = command.get_envs().collect();
        let libraries = OsStr::new("/t/lib");
        assert_eq!(variables, [(OsStr::new("LIBRARIES"), Some(libraries)), (OsStr::new("MADE_UP"), None)]);
    }
}
