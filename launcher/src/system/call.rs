//! How a system's program is called: arguments and environment, built from the rules of variant, entry and
//! emulator for what is seen inside.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Environment as _, Root, Rule, cut};

use super::command::{self, Command};
use super::files::Files;
use super::identity::Identity;
use crate::attempt::Run;
use crate::bytes::{c_string, decimal, join, list};
use crate::error::Error;
use crate::launch::{Attended, Environment, Translation, list as strings, option_words, rules_of};
use crate::sys::Argv;

/// Where programs are looked for in a machine's root, by its root and by others (Debian's login(1)).
const ROOTS_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const USERS_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/// The user that a start asks for: `UNIBIN_USER`, else the entry's or the variant's.
pub fn user<'a>(run: &Run<'a>) -> Option<&'a [u8]> {
    let user = |rule| if let Rule::User(user) = rule { Some(user) } else { None };
    run.controls.user.map(CStr::to_bytes).or_else(|| last(run, user))
}

/// The working directory that the entry or the variant asks for.
pub fn directory<'a>(run: &Run<'a>) -> Option<&'a [u8]> {
    last(run, |rule| if let Rule::Directory(directory) = rule { Some(directory) } else { None })
}

/// The last rule of the entry that says something, else of the variant.
fn last<'a>(run: &Run<'a>, says: impl Fn(Rule<&'a [u8]>) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    let of_entry = run.manifest.rules(run.entry.rules).filter_map(&says).last();
    of_entry.or_else(|| run.manifest.rules(run.route.variant().rules).filter_map(&says).last())
}

/// A call in the making, before the working directory is known.
pub struct Call<'a> {
    environment: Environment<'a>,
    arguments: Vec<&'a CStr>,
    /// The user's command takes the place of the entry's program.
    is_command: bool,
}

/// What is executed inside.
pub struct Executed<'a> {
    /// The program's path in the root.
    pub path: &'a CStr,
    /// Whether an emulator runs it.
    pub emulated: bool,
    /// Whether that keeps the ids of users and groups.
    pub keeps_ids: bool,
    arguments: Vec<&'a CStr>,
    environment: Environment<'a>,
}

impl Executed<'_> {
    /// `argv` for execve(2).
    pub fn arguments(&self) -> Argv<'_> {
        strings(&self.arguments)
    }

    /// `envp` for execve(2).
    pub fn environment(&self) -> Argv<'_> {
        strings(&self.environment.0)
    }
}

impl<'a> Call<'a> {
    /// The environment and the app's own arguments.
    pub fn build(
        run: &Run<'a>,
        root: Root,
        translation: Translation<'_>,
        identity: &Identity<'_>,
    ) -> Result<Self, Error> {
        let (of_variant, of_entry) = (run.route.variant().rules, run.entry.rules);
        let rules = || run.manifest.rules(of_variant).chain(run.manifest.rules(of_entry));
        let mut environment = Environment(run.start.process.env().to_vec());
        let kept: Vec<&[u8]> =
            rules().filter_map(|rule| if let Rule::Keep(name) = rule { Some(name) } else { None }).collect();
        if !kept.is_empty() {
            environment.0.retain(|variable| kept.contains(&cut(variable.to_bytes(), b'=').0));
        }
        // They name files of the host.
        environment.unset_prefix(b"LD_");
        if root == Root::System {
            let path = if identity.uid == 0 { ROOTS_PATH } else { USERS_PATH };
            let own = [
                (&b"HOME"[..], identity.home),
                (b"USER", identity.name),
                (b"LOGNAME", identity.name),
                (b"SHELL", identity.shell),
                (b"PATH", path),
            ];
            for (name, value) in own {
                environment.set(name, [value, b""]);
            }
        }
        for rule in rules() {
            rule.change_environment(b"", &mut environment);
        }
        for (name, value) in [(&b"HOME"[..], identity.home), (b"PATH", ROOTS_PATH)] {
            if !environment.is_set(name) {
                environment.set(name, [value, b""]);
            }
        }
        if !matches!(translation, Translation::Native) {
            environment.unset_prefix(b"QEMU_");
        }

        let given = &run.start.arguments;
        let is_command = !given.is_empty() && rules().any(|rule| rule == Rule::Command);
        let mut arguments = Arguments::default();
        if !is_command {
            for rule in run.manifest.rules(of_entry).chain(run.manifest.rules(of_variant)) {
                rule.start_app(b"", &mut arguments);
            }
        }
        let Arguments { mut own, mut default } = arguments;
        if given.is_empty() {
            own.append(&mut default);
        }
        own.extend_from_slice(given);
        Ok(Self { environment, arguments: own, is_command })
    }

    /// The whole call, for the working directory in which this process stands.
    pub fn finish(
        self,
        run: &Run<'a>,
        files: &Files,
        translation: Translation<'_>,
        identity: &Identity<'_>,
    ) -> Result<Executed<'a>, Error> {
        let Self { mut environment, mut arguments, is_command } = self;
        let path = match arguments.first() {
            Some(name) if is_command => {
                command::find(files, name, environment.value(b"PATH").unwrap_or_default())?
            }
            _ => {
                let path = c_string(&[b"/", run.entry.path]);
                arguments.insert(0, path);
                path
            }
        };
        let mut command = Command { path, arguments };
        let target = run.route.variant().target;
        let emulated = !matches!(translation, Translation::Native)
            && command::follow_scripts(files, &mut command, target)?;
        let mut keeps_ids = false;
        if emulated {
            let argv0 = command.arguments.first().copied().unwrap_or_default();
            let ids = [
                decimal(u64::from(identity.uid)),
                b":",
                decimal(u64::from(identity.gid)),
                b":",
                list(identity.groups.iter().map(|gid| decimal(u64::from(*gid))), b","),
            ];
            let mut call = TranslatorCall {
                arguments: Vec::from([argv0]),
                argv0,
                program: command.path,
                rest: command.arguments.get(1..).unwrap_or_default().to_vec(),
                ids: join(&ids),
                root: if let Files::Apart(apart) = files { apart.told() } else { Vec::new() },
                keeps_ids: false,
                is_own: matches!(translation, Translation::By(_)),
            };
            call.arguments.extend(option_words(run.controls).map(|word| c_string(&[word])));
            for rule in rules_of(run.manifest, target, translation) {
                rule.change_environment(b"/", &mut environment);
                rule.call_translator(b"/", &mut call);
            }
            keeps_ids = call.keeps_ids;
            command.arguments = call.arguments;
        }
        environment.finish(run, &Attended::default());
        Ok(Executed { path: command.path, emulated, keeps_ids, arguments: command.arguments, environment })
    }
}

/// The arguments that rules give the app, and those that it gets if the user gives none.
#[derive(Default)]
struct Arguments<'a> {
    own: Vec<&'a CStr>,
    default: Vec<&'a CStr>,
}

impl bundle::AppArguments for Arguments<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.own.push(c_string(&parts));
    }

    /// It is in any case: by which name the bundle was called says nothing inside.
    fn argv0_is_program(&mut self) {}

    fn default_argument(&mut self, argument: &[u8]) {
        self.default.push(c_string(&[argument]));
    }
}

/// An emulator's arguments, and what stands in them for the system's program.
struct TranslatorCall<'a> {
    arguments: Vec<&'a CStr>,
    argv0: &'a CStr,
    program: &'a CStr,
    rest: Vec<&'a CStr>,
    ids: &'static [u8],
    keeps_ids: bool,
    /// What it is told of the root that it makes.
    root: Vec<&'static CStr>,
    /// Whether it is the bundle's own: of another nobody knows which options it has.
    is_own: bool,
}

impl bundle::TranslatorArguments for TranslatorCall<'_> {
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
        if self.is_own {
            self.arguments.push(c_string(&[argument]));
        }
    }

    /// The tree is the root and covers nothing.
    fn view(&mut self, _option: &[u8], _tree: &[u8]) {}

    fn ids(&mut self, option: &[u8]) {
        if self.is_own {
            self.arguments.push(c_string(&[option]));
            self.arguments.push(c_string(&[self.ids]));
            self.keeps_ids = true;
        }
    }

    fn chroot(&mut self, option: &[u8]) {
        for value in &self.root {
            self.arguments.push(c_string(&[option]));
            self.arguments.push(value);
        }
    }
}
