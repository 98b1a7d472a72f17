//! What rules do: the one interpreter of them, for the launcher, its broker and the command line alike. It
//! drives what the caller implements, and holds nothing itself.

use crate::Rule;

/// The arguments of a translator in the making, behind `argv[0]`.
pub trait TranslatorArguments {
    /// Appends one argument: these bytes, joined.
    fn argument(&mut self, parts: [&[u8]; 3]);

    /// Appends the name by which the program was called.
    fn argv0(&mut self);

    /// Appends the program's path.
    fn program(&mut self);

    /// Appends the program's own arguments.
    fn rest(&mut self);

    /// Appends an argument by which the translator runs the programs that its program starts; unless others
    /// do.
    fn children(&mut self, _argument: &[u8]) {}

    /// Appends the arguments by which the translator lays the tree over the host's root.
    fn view(&mut self, option: &[u8], tree: &[u8]) {
        self.argument([b"", b"", option]);
        self.argument([b"", b"", tree]);
    }

    /// Appends the arguments by which the translator keeps a system's ids; unless it runs none.
    fn ids(&mut self, _option: &[u8]) {}

    /// Appends the arguments by which the translator makes a directory the root; unless that is one already.
    fn chroot(&mut self, _option: &[u8]) {}
}

/// The arguments of an app in the making: those of its rules come before the user's.
pub trait AppArguments {
    /// Appends one argument: these bytes, joined.
    fn argument(&mut self, parts: [&[u8]; 3]);

    /// The app's `argv[0]` is the path of its program: by this it finds its files, and itself.
    fn argv0_is_program(&mut self);

    /// Appends one argument of those that a system's program gets if the user gives none.
    fn default_argument(&mut self, _argument: &[u8]) {}
}

/// An environment in the making.
pub trait Environment {
    /// Whether there is a variable of this name.
    fn is_set(&self, name: &[u8]) -> bool;

    /// Sets a variable to these bytes, joined.
    fn set(&mut self, name: &[u8], value: [&[u8]; 2]);

    /// Removes the variable of this name.
    fn unset(&mut self, name: &[u8]);

    /// Removes every variable whose name starts with this.
    fn unset_prefix(&mut self, prefix: &[u8]);
}

/// The rules that change an environment and nothing else.
macro_rules! of_environment {
    () => {
        Self::SetVariable { .. }
            | Self::DefaultVariable { .. }
            | Self::UnsetVariable(_)
            | Self::UnsetPrefix(_)
            | Self::TreeVariable { .. }
    };
}

/// The rules that add to nothing: whoever chooses an emulator or starts a system reads them.
macro_rules! read_elsewhere {
    () => {
        Self::Probe(_)
            | Self::Pages(_)
            | Self::Root(_)
            | Self::Directory(_)
            | Self::User(_)
            | Self::Command
            | Self::StopSignal(_)
            | Self::Keep(_)
            | Self::Seen { .. }
    };
}

#[expect(clippy::unnested_or_patterns, reason = "lists of rules with names")]
impl<S: AsRef<[u8]>> Rule<S> {
    /// What a translator's rule adds to its arguments. `tree` is the path of the unpacked tree.
    pub fn call_translator(&self, tree: &[u8], arguments: &mut impl TranslatorArguments) {
        match self {
            Self::Argument(value) => arguments.argument([b"", b"", value.as_ref()]),
            Self::Argv0 => arguments.argv0(),
            Self::Program => arguments.program(),
            Self::Tree { before, after } => arguments.argument([before.as_ref(), tree, after.as_ref()]),
            Self::Rest => arguments.rest(),
            Self::Children(argument) => arguments.children(argument.as_ref()),
            Self::View(option) => arguments.view(option.as_ref(), tree),
            Self::Ids(option) => arguments.ids(option.as_ref()),
            Self::Chroot(option) => arguments.chroot(option.as_ref()),
            Self::DefaultArgument(_) | read_elsewhere!() | of_environment!() => {}
        }
    }

    /// What a rule of a variant or an entry adds to the app's arguments; those of translators mean nothing
    /// here. `tree` is the path of the tree as the app sees it: empty where it lies over the root.
    pub fn start_app(&self, tree: &[u8], arguments: &mut impl AppArguments) {
        match self {
            Self::Argument(value) => arguments.argument([b"", b"", value.as_ref()]),
            Self::Tree { before, after } => {
                let [tree, after] = in_tree(tree, after.as_ref());
                arguments.argument([before.as_ref(), tree, after]);
            }
            Self::Program => arguments.argv0_is_program(),
            Self::DefaultArgument(value) => arguments.default_argument(value.as_ref()),
            Self::Argv0
            | Self::Rest
            | Self::Children(_)
            | Self::View(_)
            | Self::Ids(_)
            | Self::Chroot(_)
            | read_elsewhere!()
            | of_environment!() => {}
        }
    }

    /// What a rule changes in the environment, whoever has it. `tree` is the path of the tree as the program
    /// sees it: empty where it lies over the root.
    pub fn change_environment(&self, tree: &[u8], environment: &mut impl Environment) {
        match self {
            Self::SetVariable { name, value } => environment.set(name.as_ref(), [b"", value.as_ref()]),
            Self::DefaultVariable { name, value } => {
                if !environment.is_set(name.as_ref()) {
                    environment.set(name.as_ref(), [b"", value.as_ref()]);
                }
            }
            Self::UnsetVariable(name) => environment.unset(name.as_ref()),
            Self::UnsetPrefix(prefix) => environment.unset_prefix(prefix.as_ref()),
            Self::TreeVariable { name, after } => {
                environment.set(name.as_ref(), in_tree(tree, after.as_ref()));
            }
            Self::Argument(_)
            | Self::Argv0
            | Self::Program
            | Self::Tree { .. }
            | Self::Rest
            | Self::Children(_)
            | Self::View(_)
            | Self::Ids(_)
            | Self::Chroot(_)
            | Self::DefaultArgument(_)
            | read_elsewhere!() => {}
        }
    }
}

/// A place in a tree; the tree itself, where it lies over the root, is `/`.
fn in_tree<'p>(tree: &'p [u8], after: &'p [u8]) -> [&'p [u8]; 2] {
    if tree.is_empty() && after.is_empty() { [b"/", b""] } else { [tree, after] }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// Every kind of rule once, and one default more.
    const RULES: [Rule<&[u8]>; 25] = [
        Rule::Argument(b"-a"),
        Rule::Argv0,
        Rule::Program,
        Rule::Tree { before: b"--tree=", after: b"/etc" },
        Rule::Rest,
        Rule::Probe(b"--probe"),
        Rule::Pages(b"4096"),
        Rule::Children(b"--children"),
        Rule::View(b"--view"),
        Rule::Root(b"system"),
        Rule::Directory(b"/srv"),
        Rule::User(b"games"),
        Rule::DefaultArgument(b"-d"),
        Rule::Command,
        Rule::StopSignal(b"15"),
        Rule::SetVariable { name: b"SET", value: b"1" },
        Rule::DefaultVariable { name: b"THERE", value: b"2" },
        Rule::DefaultVariable { name: b"LACKING", value: b"3" },
        Rule::UnsetVariable(b"GONE"),
        Rule::UnsetPrefix(b"QEMU_"),
        Rule::TreeVariable { name: b"TREE", after: b"/lib" },
        Rule::Keep(b"TERM"),
        Rule::Ids(b"-ids"),
        Rule::Seen { path: b"usr", what: b"over" },
        Rule::Chroot(b"-root"),
    ];

    /// Writes down what it is told.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Told {
        fn tell(&mut self, what: &str, parts: &[&[u8]]) {
            self.0.push([what, &String::from_utf8_lossy(&parts.concat())].concat());
        }
    }

    impl TranslatorArguments for Told {
        fn argument(&mut self, parts: [&[u8]; 3]) {
            self.tell("", &parts);
        }
        fn argv0(&mut self) {
            self.tell("ARGV0", &[]);
        }
        fn program(&mut self) {
            self.tell("PROGRAM", &[]);
        }
        fn rest(&mut self) {
            self.tell("REST", &[]);
        }
        fn children(&mut self, argument: &[u8]) {
            self.tell("CHILDREN ", &[argument]);
        }
        fn ids(&mut self, option: &[u8]) {
            self.tell("IDS ", &[option]);
        }
        fn chroot(&mut self, option: &[u8]) {
            self.tell("CHROOT ", &[option]);
        }
    }

    impl AppArguments for Told {
        fn argument(&mut self, parts: [&[u8]; 3]) {
            self.tell("", &parts);
        }
        fn argv0_is_program(&mut self) {
            self.tell("BY PATH", &[]);
        }
        fn default_argument(&mut self, argument: &[u8]) {
            self.tell("DEFAULT ", &[argument]);
        }
    }

    impl Environment for Told {
        fn is_set(&self, name: &[u8]) -> bool {
            name == b"THERE"
        }
        fn set(&mut self, name: &[u8], [start, value]: [&[u8]; 2]) {
            self.tell("", &[name, b"=", start, value]);
        }
        fn unset(&mut self, name: &[u8]) {
            self.tell("-", &[name]);
        }
        fn unset_prefix(&mut self, prefix: &[u8]) {
            self.tell("-", &[prefix, b"*"]);
        }
    }

    fn told(apply: impl Fn(&Rule<&[u8]>, &mut Told)) -> Vec<String> {
        let mut told = Told::default();
        for rule in &RULES {
            apply(rule, &mut told);
        }
        told.0
    }

    #[test]
    fn each_kind_of_rule_does_what_the_format_says() {
        let translator = told(|rule, told| rule.call_translator(b"/t", told));
        assert_eq!(
            translator,
            [
                "-a",
                "ARGV0",
                "PROGRAM",
                "--tree=/t/etc",
                "REST",
                "CHILDREN --children",
                "--view",
                "/t",
                "IDS -ids",
                "CHROOT -root"
            ]
        );
        let app = told(|rule, told| rule.start_app(b"/t", told));
        assert_eq!(app, ["-a", "BY PATH", "--tree=/t/etc", "DEFAULT -d"]);
        let environment = told(|rule, told| rule.change_environment(b"/t", told));
        let over_the_root = told(|rule, told| rule.start_app(b"", told));
        assert_eq!(over_the_root, ["-a", "BY PATH", "--tree=/etc", "DEFAULT -d"]);
        let mut root = Told::default();
        Rule::Tree { before: &b"--tree="[..], after: b"" }.start_app(b"", &mut root);
        Rule::TreeVariable { name: &b"TREE"[..], after: b"" }.change_environment(b"", &mut root);
        assert_eq!(root.0, ["--tree=/", "TREE=/"]);
        assert_eq!(environment, ["SET=1", "LACKING=3", "-GONE", "-QEMU_*", "TREE=/t/lib"]);
    }
}
