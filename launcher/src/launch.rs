//! What is executed: path, arguments and environment, built from the manifest's rules. Arguments and
//! variables are bytes; nothing is parsed, split or quoted.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, Manifest, QEMU_RULES, Rule, Translator, cut, has};

use crate::absolute::absolute;
use crate::attempt::Run;
use crate::bytes::{c_string, join};
use crate::controls::Controls;
#[cfg(feature = "children")]
use crate::controls::View;
use crate::named;
use crate::route::{HOST, base_name};
use crate::sys::{self, Argv, At, Follow};

/// By what the app is run.
#[derive(Clone, Copy)]
pub enum Translation<'t> {
    /// By the kernel.
    Native,
    /// By an emulator of the bundle.
    By(&'t Translator<'t>),
    /// By the emulator that `UNIBIN_EMULATOR` names.
    UsersEmulator,
}

impl Translation<'_> {
    /// Whether the tree lies over the root for what runs: its paths are then those of a system of its own.
    pub fn has_view(self, manifest: &Manifest<'_>) -> bool {
        match self {
            Self::By(translator) => manifest.rules(translator.rules).any(|rule| rule.is_view()),
            Self::Native | Self::UsersEmulator => false,
        }
    }
}

/// Arguments and environment of one execution.
pub struct Launch<'a> {
    arguments: Vec<&'a CStr>,
    environment: Environment<'a>,
}

/// What the rules' placeholders stand for.
pub struct Places<'a> {
    /// The program's path.
    pub program: &'a CStr,
    /// The tree's path.
    pub tree: &'a CStr,
}

impl<'a> Places<'a> {
    /// The same as a program sees them whose tree lies over the root.
    pub fn over_the_root(run: &Run<'_>) -> Self {
        Self { program: c_string(&[b"/", run.entry.path]), tree: c"" }
    }

    /// Where a translator finds the tree's files: in the root, where mounts have laid the tree over it.
    pub fn tree_of_translators(&self) -> &'a [u8] {
        if cfg!(feature = "children") && self.tree.is_empty() { b"/" } else { self.tree.to_bytes() }
    }

    /// Whether a translator may lay the tree over the root: a program in memory has no tree, and mounts have
    /// done it already.
    fn are_in_a_tree(&self) -> bool {
        self.tree_of_translators() != b"/"
    }
}

/// The program's path as its `argv[0]`, so that it finds itself and what lies beside it. Its last part is the
/// name that the bundle was called by, where that is a name of the program.
fn called_by_path<'a>(run: &Run<'a>, places: &Places<'a>, seen: &Places<'a>) -> &'a CStr {
    let Run { start, entry, .. } = run;
    let called = start.argv0.to_bytes();
    // A shell that is called so is a login shell.
    if called.starts_with(b"-") {
        return start.argv0;
    }
    let called = base_name(called);
    let beside = |program: &CStr| {
        let directory = program.to_bytes().strip_suffix(base_name(program.to_bytes()));
        c_string(&[directory.unwrap_or_default(), called])
    };
    let file = |path| sys::statat(At::CWD, path, Follow::Yes);
    let is_the_program = || match (file(places.program), file(beside(places.program))) {
        (Ok(program), Ok(other)) => program.same_file(&other),
        _ => false,
    };
    let is_its_name = called != base_name(entry.path) && named::is_file_name(called) && is_the_program();
    if is_its_name { beside(seen.program) } else { seen.program }
}

/// What attending to the programs that the app starts adds to its environment; empty where nothing attends to
/// them.
#[derive(Default)]
pub struct Attended {
    /// Variables that the kernel's way of starting emulators needs, `NAME=VALUE`.
    pub variables: Vec<&'static CStr>,
    /// The tree's directories of programs, which come before the caller's in `PATH`.
    pub programs: &'static [u8],
    /// Whether the emulator itself does it.
    pub by_emulator: bool,
    /// Whether changes are kept for this app: not for other bundles that it starts.
    #[cfg(feature = "children")]
    pub keeps: bool,
}

impl<'a> Launch<'a> {
    /// `argv` for execve(2).
    pub fn arguments(&self) -> Argv<'_> {
        list(&self.arguments)
    }

    /// `envp` for execve(2).
    pub fn environment(&self) -> Argv<'_> {
        list(&self.environment.0)
    }

    /// The same as strings.
    pub fn environment_strings(self) -> Vec<&'a CStr> {
        self.environment.0
    }

    /// Builds what is needed to execute the run's entry.
    pub fn build(
        run: &Run<'a>,
        translation: Translation<'_>,
        places: &Places<'a>,
        attended: &Attended,
    ) -> Self {
        let &Run { start, controls, manifest, ref route, ref entry, .. } = run;
        let tree = places.tree_of_translators();
        let view = translation.has_view(manifest) && places.are_in_a_tree();
        let seen = if view { &Places::over_the_root(run) } else { places };
        let mut environment = Environment(start.process.env().to_vec());
        let mut app = App { arguments: Vec::new(), by_path: false };
        for rule in manifest.rules(route.variant().rules).chain(manifest.rules(entry.rules)) {
            rule.change_environment(seen.tree.to_bytes(), &mut environment);
        }
        // An entry that is a script is its interpreter, and the script the first argument.
        for rule in manifest.rules(entry.rules).chain(manifest.rules(route.variant().rules)) {
            rule.start_app(seen.tree.to_bytes(), &mut app);
        }
        app.arguments.extend_from_slice(&start.arguments);
        let argv0 = if app.by_path { called_by_path(run, places, seen) } else { start.argv0 };

        let arguments = match translation {
            Translation::Native => {
                let mut arguments = Vec::from([argv0]);
                arguments.append(&mut app.arguments);
                arguments
            }
            Translation::By(_) | Translation::UsersEmulator => {
                bundle::Environment::unset_prefix(&mut environment, b"QEMU_");
                let mut call = Call {
                    arguments: Vec::from([start.argv0]),
                    argv0,
                    program: seen.program,
                    rest: app.arguments,
                    children: attended.by_emulator,
                    view,
                };
                call.arguments.extend(option_words(controls).map(|word| c_string(&[word])));
                for rule in rules_of(manifest, route.variant().target, translation) {
                    rule.change_environment(tree, &mut environment);
                    rule.call_translator(tree, &mut call);
                }
                call.arguments
            }
        };
        environment.finish(run, attended);
        Self { arguments, environment }
    }
}

/// The user's options for QEMU: `UNIBIN_STRACE`, `UNIBIN_GDB`, and the words of `UNIBIN_EMULATOR_OPTIONS`,
/// line by line where there are lines, so that a word can hold a blank.
pub fn option_words<'a>(controls: &Controls<'a>) -> impl Iterator<Item = &'a [u8]> {
    let strace = controls.strace.then_some(&b"-strace"[..]);
    let gdb = controls.gdb.map(|to| [b"-g", to.to_bytes()]).into_iter().flatten();
    let options = controls.options.map_or(&b""[..], CStr::to_bytes);
    let end = if has(options, b'\n') { b'\n' } else { b' ' };
    let words = options.split(move |byte| *byte == end).filter(|word| !word.is_empty());
    strace.into_iter().chain(gdb).chain(words)
}

/// How an emulator for programs of `target` is called: one of the user's like the bundle's own for that
/// target, this host's before any other's, and as QEMU is where the bundle has none.
pub fn rules_of<'m>(
    manifest: &Manifest<'m>,
    target: Arch,
    translation: Translation<'_>,
) -> Vec<Rule<&'m [u8]>> {
    let rules = match translation {
        Translation::Native => return Vec::new(),
        Translation::By(translator) => Some(translator.rules),
        Translation::UsersEmulator => {
            let of_target = || manifest.translators().filter(|each| each.key.target == target);
            let of_host = of_target().find(|each| each.key.host == HOST);
            of_host.or_else(|| of_target().next()).map(|translator| translator.rules)
        }
    };
    rules.map_or_else(|| QEMU_RULES.to_vec(), |rules| manifest.rules(rules).collect())
}

/// The arguments that an app's rules give it.
struct App<'a> {
    arguments: Vec<&'a CStr>,
    by_path: bool,
}

impl bundle::AppArguments for App<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.arguments.push(c_string(&parts));
    }

    fn argv0_is_program(&mut self) {
        self.by_path = true;
    }
}

/// A translator's arguments, and what stands in them for the app.
struct Call<'a> {
    arguments: Vec<&'a CStr>,
    argv0: &'a CStr,
    program: &'a CStr,
    rest: Vec<&'a CStr>,
    children: bool,
    view: bool,
}

impl bundle::TranslatorArguments for Call<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.arguments.push(c_string(&parts));
    }

    fn argv0(&mut self) {
        self.arguments.push(self.argv0);
    }

    fn program(&mut self) {
        self.arguments.push(self.program);
    }

    fn rest(&mut self) {
        self.arguments.append(&mut self.rest);
    }

    fn children(&mut self, argument: &[u8]) {
        if self.children {
            self.arguments.push(c_string(&[argument]));
        }
    }

    /// Without a view, as stock QEMU is told where to look first.
    fn view(&mut self, option: &[u8], tree: &[u8]) {
        let option = if self.view { option } else { b"-L" };
        self.arguments.push(c_string(&[option]));
        self.arguments.push(c_string(&[tree]));
    }
}

/// The app's environment: the caller's, in the caller's order, changed only as documented.
pub struct Environment<'a>(pub Vec<&'a CStr>);

impl Environment<'_> {
    /// What is done for every app, after its rules.
    pub fn finish(&mut self, run: &Run<'_>, attended: &Attended) {
        use bundle::Environment as _;

        let controls = run.controls;
        self.remove(&|name| Controls::is_of_this_run(name, run.is_system()));
        #[cfg(feature = "children")]
        if attended.keeps {
            self.unset(b"UNIBIN_KEEP");
        }
        #[cfg(feature = "children")]
        if run.is_system() && matches!(controls.view, View::Mounts | View::Emulator) {
            self.unset(b"UNIBIN_VIEW");
        }
        for (name, value) in
            [(&b"LD_LIBRARY_PATH"[..], controls.library_path), (b"LD_PRELOAD", controls.preload)]
        {
            if let Some(value) = value {
                self.set(name, [value.to_bytes(), b""]);
            }
        }
        for variable in &attended.variables {
            let (name, value) = cut(variable.to_bytes(), b'=');
            self.set(name, [value.unwrap_or_default(), b""]);
        }
        self.prepend_to_path(attended.programs);
        self.set(b"UNIBIN_FILE", [absolute(run.start.bundle.to_bytes()), b""]);
        self.set(b"UNIBIN_HOST", [HOST.name().as_bytes(), b""]);
        self.set(b"UNIBIN_TARGET", [run.route.variant().target.name().as_bytes(), b""]);
    }

    /// The value of the variable of this name.
    #[cfg(feature = "children")]
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let variable = self.0.iter().find(|variable| name_of(variable) == name)?;
        cut(variable.to_bytes(), b'=').1
    }

    /// Where there is no `PATH`, each libc has directories of its own to look in; so it stays.
    fn prepend_to_path(&mut self, directories: &[u8]) {
        let path = self.0.iter_mut().find(|variable| name_of(variable) == b"PATH");
        if let (Some(path), false) = (path, directories.is_empty()) {
            let (_, value) = cut(path.to_bytes(), b'=');
            *path = c_string(&[b"PATH=", directories, b":", value.unwrap_or_default()]);
        }
    }

    fn remove(&mut self, goes: &dyn Fn(&[u8]) -> bool) {
        self.0.retain(|variable| !goes(name_of(variable)));
    }
}

impl bundle::Environment for Environment<'_> {
    fn is_set(&self, name: &[u8]) -> bool {
        self.0.iter().any(|variable| name_of(variable) == name)
    }

    fn set(&mut self, name: &[u8], value: [&[u8]; 2]) {
        self.unset(name);
        self.0.push(c_string(&[name, b"=", join(&value)]));
    }

    fn unset(&mut self, name: &[u8]) {
        self.remove(&|other| other == name);
    }

    fn unset_prefix(&mut self, prefix: &[u8]) {
        self.remove(&|name| name.starts_with(prefix));
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

#[cfg(test)]
mod tests {
    use bundle::{
        BlobKind, Digest, EmulatorKey, Encoding, ManifestBuilder, NewBlob, NewEntry, NewTranslator,
        NewVariant,
    };

    use super::*;

    /// A manifest with one translator for each of these hosts, whose only rule is an argument that names it.
    fn manifest(hosts: &[Arch]) -> Vec<u8> {
        let mut manifest = ManifestBuilder::new();
        let mut blob = |kind, encoding, offset| {
            manifest.blob(&NewBlob {
                kind,
                encoding,
                offset,
                stored: 1,
                length: 1,
                stored_digest: Digest([0; 32]),
                digest: Digest([0; 32]),
            })
        };
        let app = blob(BlobKind::App, Encoding::TarZstd, 0);
        let emulator = blob(BlobKind::Emulator, Encoding::Zstd, 1);
        let target = Arch::Alpha;
        let variant =
            manifest.variant(&NewVariant { target, level: 0, app, shared: None, loader: b"", rules: &[] });
        manifest.entry(&NewEntry { variant, name: b"app", path: b"app", rules: &[] });
        for host in hosts {
            manifest.translator(&NewTranslator {
                key: EmulatorKey { host: *host, target },
                blob: emulator,
                member: b"",
                name: b"emulator",
                version: b"1",
                rules: &[Rule::Argument(host.name().as_bytes())],
            });
        }
        manifest.finish(2).expect("the format allows it")
    }

    #[test]
    fn an_emulator_of_the_users_is_called_as_this_hosts_own_before_any_other_is() {
        let other = Arch::HOSTS.into_iter().find(|host| *host != HOST).expect("there are eight");
        let rules = |hosts: &[Arch], target| {
            let bytes = manifest(hosts);
            let manifest = Manifest::decode(&bytes, 2).expect("it decodes");
            let rules = rules_of(&manifest, target, Translation::UsersEmulator);
            rules.iter().map(Rule::owned).collect::<Vec<_>>()
        };
        let named = |host: Arch| vec![Rule::Argument(host.name().as_bytes().to_vec())];
        assert_eq!(rules(&[other, HOST], Arch::Alpha), named(HOST));
        assert_eq!(rules(&[other], Arch::Alpha), named(other), "better than none");
        assert_eq!(rules(&[other, HOST], Arch::Sparc), QEMU_RULES.map(|rule| rule.owned()), "as QEMU is");
    }
}
