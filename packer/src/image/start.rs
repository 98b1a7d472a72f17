//! How an image's program is started: the bundle's rules, applied when the image is made. The tree is the
//! root, so rules that lay it over the host's root are left out. An image cannot unset variables that its
//! user sets.

use bundle::{AppArguments, Entry, Environment, Manifest, Rule, TranslatorArguments, directory_of};
use oci::{DEFAULT_PATH, NewConfig};

use crate::error::{Error, ImageError, readable};
use crate::image::OWN;
use crate::image::route::Route;

/// The user of an app unless another one is named: `nonroot`, as in common base images.
pub(crate) const NONROOT: &str = "65532:65532";

/// The shell that runs a system's commands where they are emulated.
const SHELL: &str = "bin/sh";

/// The configuration of an image. The user's arguments may replace a system's program.
pub(crate) fn config(
    manifest: &Manifest<'_>,
    route: &Route<'_>,
    entry: &Entry<'_>,
    user: Option<&str>,
    has_shell: bool,
) -> Result<NewConfig, Error> {
    let rules: Vec<Rule<&[u8]>> = manifest.rules(route.variant.rules).collect();
    let of_entry: Vec<Rule<&[u8]>> = manifest.rules(entry.rules).collect();
    let is_system = rules.iter().any(|rule| rule.root().is_some());
    let last = |value: fn(&Rule<&[u8]>) -> Option<Vec<u8>>| {
        of_entry.iter().rev().find_map(value).or_else(|| rules.iter().rev().find_map(value))
    };

    let mut variables = Variables::default();
    for rule in rules.iter().chain(&of_entry) {
        rule.change_environment(b"", &mut variables);
    }
    let mut app = App::default();
    for rule in of_entry.iter().chain(&rules) {
        rule.start_app(b"", &mut app);
    }
    let program = [b"/", entry.path].concat();
    let replaceable = of_entry.iter().chain(&rules).any(|rule| matches!(rule, Rule::Command));
    let whole = [vec![program.clone()], app.arguments.clone()].concat();

    let (entrypoint, command) = match route.translator {
        None if replaceable => (Vec::new(), [whole, app.default_arguments].concat()),
        None => (whole, app.default_arguments),
        Some(_) if is_system && !route.runs_children(manifest) => {
            return Err(ImageError::NoChildren { host: route.host }.into());
        }
        // The emulator runs one program, and does not look for it: a shell does, and runs scripts too.
        Some(_) if is_system && has_shell => {
            let words = ["-c", "exec \"$@\"", "sh"].map(|word| word.as_bytes().to_vec());
            let shell = [b"/", SHELL.as_bytes()].concat();
            let first = emulated(manifest, route, b"sh", &shell, words.to_vec(), &mut variables);
            if replaceable {
                (first, [whole, app.default_arguments].concat())
            } else {
                ([first, whole].concat(), app.default_arguments)
            }
        }
        Some(_) if is_system => return Err(ImageError::NoShell { host: route.host }.into()),
        Some(_) => {
            let first =
                emulated(manifest, route, entry.name, &program, app.arguments.clone(), &mut variables);
            (first, app.default_arguments)
        }
    };
    if !variables.is_set(b"PATH") {
        let own = [b"/", directory_of(entry.path)].concat();
        let is_known = DEFAULT_PATH.split(':').any(|known| known.as_bytes() == own);
        let parts: [&[u8]; 2] = if is_known || own.contains(&b':') {
            [b"", DEFAULT_PATH.as_bytes()]
        } else {
            [&[&own[..], b":"].concat(), DEFAULT_PATH.as_bytes()]
        };
        variables.set(b"PATH", parts);
    }
    variables.set(b"UNIBIN_HOST", [b"", route.host.name().as_bytes()]);
    variables.set(b"UNIBIN_TARGET", [b"", route.variant.target.name().as_bytes()]);

    let of_rules = last(|rule| if let Rule::User(user) = rule { Some(user.to_vec()) } else { None });
    let user = match (user, of_rules) {
        (Some(user), _) => user.to_owned(),
        (None, Some(user)) => text(user)?,
        (None, None) if is_system => String::new(),
        (None, None) => NONROOT.to_owned(),
    };
    let directory =
        last(|rule| if let Rule::Directory(directory) = rule { Some(directory.to_vec()) } else { None });
    let signal = last(|rule| if let Rule::StopSignal(signal) = rule { Some(signal.to_vec()) } else { None });
    let texts = |list: Vec<Vec<u8>>| list.into_iter().map(text).collect::<Result<Vec<_>, Error>>();
    Ok(NewConfig {
        user,
        environment: texts(variables.0)?,
        entrypoint: texts(entrypoint)?,
        command: texts(command)?,
        directory: directory.map_or_else(|| Ok("/".to_owned()), text)?,
        stop_signal: signal.map(text).transpose()?,
        labels: std::collections::BTreeMap::new(),
    })
}

/// The name of an emulator in an image.
pub(crate) fn emulator_name(route: &Route<'_>) -> Option<String> {
    let row = route.translator?;
    Some(match readable(row.name) {
        name if name.starts_with("qemu") => format!("qemu-{}", row.key.target.qemu_name()),
        name => format!("{}-{}", name.replace('/', "_"), row.key.target),
    })
}

/// The call of an emulator, through a link that gives the process the app's name.
fn emulated(
    manifest: &Manifest<'_>,
    route: &Route<'_>,
    name: &[u8],
    program: &[u8],
    rest: Vec<Vec<u8>>,
    variables: &mut Variables,
) -> Vec<Vec<u8>> {
    let first = [b"/", OWN.as_bytes(), b"/as/", name].concat();
    let mut call = Call::new(first, program.to_vec(), rest);
    variables.unset_prefix(b"QEMU_");
    for rule in route.translator.into_iter().flat_map(|row| manifest.rules(row.rules)) {
        // The tree is the root: QEMU looks nowhere else where it is told to look in `/` (`init_paths`).
        rule.change_environment(b"/", variables);
        rule.call_translator(b"/", &mut call);
    }
    // What the user adds comes last in any case.
    call.arguments.append(&mut call.rest);
    call.arguments
}

/// What stands before the path of a program that is started from outside: nothing where it is native, else
/// the emulator's call, in which `argv[0]` is that path. `None` for an emulator that wants it otherwise.
pub(super) fn any_program(manifest: &Manifest<'_>, route: &Route<'_>) -> Option<Vec<Vec<u8>>> {
    let Some(name) = emulator_name(route) else { return Some(Vec::new()) };
    let first = format!("/{OWN}/{name}").into_bytes();
    let mut call = Call::new(first, Vec::new(), Vec::new());
    for rule in route.translator.into_iter().flat_map(|row| manifest.rules(row.rules)) {
        rule.call_translator(b"/", &mut call);
    }
    let mut words = call.arguments;
    // What follows the program would follow its own arguments.
    if words.len() != call.program_at? + 1 {
        return None;
    }
    words.pop();
    // The option, and its value.
    if let Some(argv0) = call.argv0_at {
        words.drain(argv0.checked_sub(1)?..=argv0);
    }
    Some(words)
}

/// Images are described in JSON, which is text.
fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| ImageError::NotText { what: readable(error.as_bytes()) }.into())
}

/// `NAME=VALUE`, in the order in which they were set.
#[derive(Default)]
struct Variables(Vec<Vec<u8>>);

impl Variables {
    fn remove(&mut self, goes: impl Fn(&[u8]) -> bool) {
        self.0.retain(|variable| {
            let name = variable.split(|byte| *byte == b'=').next();
            !name.is_some_and(&goes)
        });
    }
}

impl Environment for Variables {
    fn is_set(&self, name: &[u8]) -> bool {
        self.0.iter().any(|variable| variable.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"=")))
    }

    fn set(&mut self, name: &[u8], value: [&[u8]; 2]) {
        self.unset(name);
        self.0.push([name, b"=", value[0], value[1]].concat());
    }

    fn unset(&mut self, name: &[u8]) {
        self.remove(|other| other == name);
    }

    fn unset_prefix(&mut self, prefix: &[u8]) {
        self.remove(|other| other.starts_with(prefix));
    }
}

#[derive(Default)]
struct App {
    arguments: Vec<Vec<u8>>,
    default_arguments: Vec<Vec<u8>>,
}

impl AppArguments for App {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.arguments.push(parts.concat());
    }

    /// It always is: whoever starts an image names its program by its path.
    fn argv0_is_program(&mut self) {}

    fn default_argument(&mut self, argument: &[u8]) {
        self.default_arguments.push(argument.to_vec());
    }
}

struct Call {
    arguments: Vec<Vec<u8>>,
    program: Vec<u8>,
    rest: Vec<Vec<u8>>,
    /// Where the program is among the arguments, and where its `argv[0]` is.
    program_at: Option<usize>,
    argv0_at: Option<usize>,
}

impl Call {
    fn new(first: Vec<u8>, program: Vec<u8>, rest: Vec<Vec<u8>>) -> Self {
        Self { arguments: vec![first], program, rest, program_at: None, argv0_at: None }
    }
}

impl TranslatorArguments for Call {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        self.arguments.push(parts.concat());
    }

    fn argv0(&mut self) {
        self.argv0_at = Some(self.arguments.len());
        self.arguments.push(self.program.clone());
    }

    fn program(&mut self) {
        self.program_at = Some(self.arguments.len());
        self.arguments.push(self.program.clone());
    }

    fn rest(&mut self) {
        self.arguments.append(&mut self.rest);
    }

    /// Nobody else is there who could.
    fn children(&mut self, argument: &[u8]) {
        self.arguments.push(argument.to_vec());
    }

    /// Nothing lies over the root.
    fn view(&mut self, _option: &[u8], _tree: &[u8]) {}
}
