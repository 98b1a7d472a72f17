//! What is executed: path, arguments and environment, built from the manifest's rules. Arguments and variables are
//! bytes; nothing is parsed, split or quoted.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Manifest, Rule, RuleKind, Rules, Translator, cut, has};

use crate::absolute::absolute;
use crate::bytes::c_string;
use crate::controls::Controls;
use crate::route::{HOST, Route};
use crate::run::Run;
use crate::start::Start;
use crate::sys::Argv;

/// How QEMU's user-mode emulators are called when the bundle has no rules for it: `-0 ARGV0 PROGRAM ARGUMENTS`.
pub const QEMU_RULES: [Rule<'static>; 4] = [
    Rule { kind: RuleKind::Argument, name: b"", value: b"-0" },
    Rule { kind: RuleKind::Argv0, name: b"", value: b"" },
    Rule { kind: RuleKind::Program, name: b"", value: b"" },
    Rule { kind: RuleKind::Rest, name: b"", value: b"" },
];

/// Arguments and environment of one execution.
pub struct Launch<'a> {
    arguments: Vec<&'a CStr>,
    environment: Vec<&'a CStr>,
}

/// What the rules' placeholders stand for.
pub struct Places<'a> {
    /// The program's path.
    pub program: &'a CStr,
    /// The tree's path.
    pub tree: &'a CStr,
    /// Variables that the way of attending to children needs, `NAME=VALUE`.
    #[cfg(feature = "children")]
    pub variables: Vec<&'static CStr>,
    /// The tree's directories of programs, which come before the caller's in `PATH`; empty where nothing attends to children.
    #[cfg(feature = "children")]
    pub programs: &'static [u8],
}

impl<'a> Places<'a> {
    /// Where a program and its tree are.
    pub fn new(program: &'a CStr, tree: &'a CStr) -> Self {
        Self {
            program,
            tree,
            #[cfg(feature = "children")]
            variables: Vec::new(),
            #[cfg(feature = "children")]
            programs: b"",
        }
    }
}

impl<'a> Places<'a> {
    /// The argument that a rule of kind argument or tree stands for; one of kind argument has no name.
    fn argument(&self, rule: &Rule<'_>) -> &'a CStr {
        let tree = if rule.kind == RuleKind::Tree { self.tree.to_bytes() } else { b"" };
        c_string(&[rule.name, tree, rule.value])
    }

    /// The variable that a rule stands for that sets one.
    fn variable(&self, rule: &Rule<'_>) -> &'a CStr {
        let tree = if rule.kind == RuleKind::TreeVariable { self.tree.to_bytes() } else { b"" };
        c_string(&[rule.name, b"=", tree, rule.value])
    }
}

impl<'a> Launch<'a> {
    /// `argv` for execve(2).
    pub fn arguments(&self) -> Argv<'_> {
        list(&self.arguments)
    }

    /// `envp` for execve(2).
    pub fn environment(&self) -> Argv<'_> {
        list(&self.environment)
    }

    /// The same as strings.
    #[cfg(feature = "children")]
    pub fn environment_strings(&self) -> impl Iterator<Item = &'a CStr> + use<'_, 'a> {
        self.environment.iter().copied()
    }

    /// Builds what the run's route needs to execute its entry. `translator` is the one that is tried now; `None` for the native
    /// route and for an emulator of the user's.
    pub fn build(
        &Run { start, controls, manifest, ref route, ref entry, .. }: &Run<'a>,
        translator: Option<&Translator<'_>>,
        places: &Places<'a>,
    ) -> Self {
        let mut environment = Environment::of(start);
        let mut rest = Vec::new();
        let mut argv0 = start.argv0;
        for rules in [route.variant().rules, entry.rules] {
            for rule in manifest.rules(rules) {
                environment.apply(&rule, places);
                match rule.kind {
                    RuleKind::Argument | RuleKind::Tree => rest.push(places.argument(&rule)),
                    // Natively it is found by this alone.
                    RuleKind::Program => argv0 = places.program,
                    _ => {}
                }
            }
        }
        rest.extend_from_slice(&start.arguments);

        let mut arguments = Vec::from([start.argv0]);
        if let Route::Emulated(variant, _) = route {
            environment.remove_prefix(b"QEMU_");
            arguments.extend(option_words(controls).map(|word| c_string(&[word])));
            let mut apply = |rule: &Rule<'_>| {
                environment.apply(rule, places);
                match rule.kind {
                    RuleKind::Argument | RuleKind::Tree => arguments.push(places.argument(rule)),
                    RuleKind::Argv0 => arguments.push(start.argv0),
                    RuleKind::Program => arguments.push(places.program),
                    RuleKind::Rest => arguments.append(&mut rest),
                    RuleKind::Probe
                    | RuleKind::Pages
                    | RuleKind::SetVariable
                    | RuleKind::DefaultVariable
                    | RuleKind::UnsetVariable
                    | RuleKind::UnsetPrefix
                    | RuleKind::TreeVariable => {}
                }
            };
            match rules_of(manifest, variant.target, translator) {
                Some(rules) => manifest.rules(rules).for_each(|rule| apply(&rule)),
                None => QEMU_RULES.iter().for_each(apply),
            }
        } else {
            arguments = Vec::from([argv0]);
            arguments.append(&mut rest);
        }
        environment.remove(&|name| Controls::is_of_this_run(name));
        for (name, value) in
            [(&b"LD_LIBRARY_PATH"[..], controls.library_path), (b"LD_PRELOAD", controls.preload)]
        {
            if let Some(value) = value {
                environment.set(name, value.to_bytes());
            }
        }
        #[cfg(feature = "children")]
        {
            for variable in &places.variables {
                let (name, value) = cut(variable.to_bytes(), b'=');
                environment.set(name, value.unwrap_or_default());
            }
            environment.prepend_to_path(places.programs);
        }
        environment.set(b"UNIBIN_FILE", absolute(start.bundle.to_bytes()));
        environment.set(b"UNIBIN_HOST", HOST.name().as_bytes());
        environment.set(b"UNIBIN_TARGET", route.variant().target.name().as_bytes());
        Self { arguments, environment: environment.0 }
    }
}

/// The words of `UNIBIN_EMULATOR_OPTIONS`: line by line where there are lines, so that a word can hold a blank.
pub fn option_words<'a>(controls: &Controls<'a>) -> impl Iterator<Item = &'a [u8]> {
    let options = controls.options.map_or(&b""[..], CStr::to_bytes);
    let end = if has(options, b'\n') { b'\n' } else { b' ' };
    options.split(move |byte| *byte == end).filter(|word| !word.is_empty())
}

/// How an emulator is called: one of the user's like the bundle's own for the same target, this host's before any other's; `None`
/// where the bundle does not say.
pub fn rules_of(
    manifest: &Manifest<'_>,
    target: bundle::Arch,
    translator: Option<&Translator<'_>>,
) -> Option<Rules> {
    translator.map_or_else(
        || {
            let first = |fits: &dyn Fn(&Translator<'_>) -> bool| {
                manifest.translators().find(|each| each.key.target == target && fits(each))
            };
            // The launcher has no room for this host's; where there is a broker, it is the broker that builds the call.
            let own = if cfg!(feature = "children") { first(&|each| each.key.host == HOST) } else { None };
            own.or_else(|| first(&|_| true)).map(|translator| translator.rules)
        },
        |translator| Some(translator.rules),
    )
}

/// The app's environment: the caller's, in the caller's order, changed only as documented.
struct Environment<'a>(Vec<&'a CStr>);

impl<'a> Environment<'a> {
    fn of(start: &Start<'a>) -> Self {
        Self(start.process.env().to_vec())
    }

    fn apply(&mut self, rule: &Rule<'_>, places: &Places<'a>) {
        match rule.kind {
            RuleKind::DefaultVariable if self.has(rule.name) => {}
            RuleKind::SetVariable | RuleKind::DefaultVariable | RuleKind::TreeVariable => {
                self.remove_all(&[rule.name]);
                self.0.push(places.variable(rule));
            }
            RuleKind::UnsetVariable => self.remove_all(&[rule.name]),
            RuleKind::UnsetPrefix => self.remove_prefix(rule.name),
            _ => {}
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|variable| name_of(variable) == name)
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove_all(&[name]);
        self.0.push(c_string(&[name, b"=", value]));
    }

    /// Where there is no `PATH`, each libc has directories of its own to look in; so it stays.
    #[cfg(feature = "children")]
    fn prepend_to_path(&mut self, directories: &[u8]) {
        let path = self.0.iter_mut().find(|variable| name_of(variable) == b"PATH");
        if let (Some(path), false) = (path, directories.is_empty()) {
            let (_, value) = cut(path.to_bytes(), b'=');
            *path = c_string(&[b"PATH=", directories, b":", value.unwrap_or_default()]);
        }
    }

    fn remove_all(&mut self, names: &[&[u8]]) {
        self.remove(&|name| names.contains(&name));
    }

    fn remove_prefix(&mut self, prefix: &[u8]) {
        self.remove(&|name| name.starts_with(prefix));
    }

    /// Takes any condition by reference, so that it is compiled once.
    fn remove(&mut self, goes: &dyn Fn(&[u8]) -> bool) {
        self.0.retain(|variable| !goes(name_of(variable)));
    }
}

fn name_of(variable: &CStr) -> &[u8] {
    cut(variable.to_bytes(), b'=').0
}

/// Strings as execve(2) takes them.
pub fn list<'l>(strings: &[&'l CStr]) -> Argv<'l> {
    let mut list = Argv::new();
    list.extend(strings.iter().copied());
    list
}
