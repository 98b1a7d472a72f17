//! What `pack` was asked for, checked once at the start: from here on nothing is parsed again.

mod entry;
mod given;
mod inputs;
pub(crate) mod machine;
pub(crate) mod system;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::atomic_file::directory_of;
use crate::byte_search;
use crate::cli::values::{Argv0, Children, Configure, Head, Hosts, Level, Libs, Native, View};
use crate::cli::{ArchiveArgs, PackArgs, StartArgs, TreeArgs};
use crate::error::{Error, kind_of, readable};
pub(crate) use crate::request::entry::Entry;
pub(crate) use crate::request::given::{AppSource, LocalDeb, TreeForm};
use crate::request::machine::MachineRequest;
use crate::request::system::SystemRequest;
use crate::say;
use crate::tree::app_tree;

/// A checked request: what the bundle will contain, and where it will run.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) contents: Contents,
    /// The same app built for other architectures, or for other levels of this one.
    pub(crate) natives: Vec<NativeRequest>,
    pub(crate) output: PathBuf,
    pub(crate) hosts: Vec<Arch>,
    /// Whether a host without an emulator is left out (otherwise it is an error).
    pub(crate) skip_hosts: bool,
    pub(crate) emulators: Vec<(Arch, PathBuf)>,
    /// Whether the app's own architecture gets an emulator, too.
    pub(crate) emulates_own: bool,
    /// Further architectures whose programs the app starts; each once, in the order of the table.
    pub(crate) also_targets: Vec<Arch>,
    pub(crate) head: Head,
    pub(crate) children: Children,
    /// The CPU model that was asked for.
    pub(crate) cpu: Option<Vec<u8>>,
    pub(crate) level: Level,
    pub(crate) dry_run: bool,
    pub(crate) archive: ArchiveArgs,
}

/// What a bundle contains.
#[derive(Debug)]
pub(crate) enum Contents {
    /// An app.
    App(Box<AppRequest>),
    /// The emulator for the programs of `target` itself.
    Emulator {
        target: Arch,
        /// What `--env`, `--unset` and `--arg` ask for.
        rules: Vec<Rule>,
    },
    /// A whole system.
    System(Box<SystemRequest>),
    /// A machine.
    Machine(Box<MachineRequest>),
}

/// An app built for one architecture.
#[derive(Debug)]
pub(crate) struct AppRequest {
    pub(crate) source: AppSource,
    /// Requested entries; none means the default one.
    pub(crate) entries: Vec<Entry>,
    /// The architecture that its programs must have; `None` means that of the first one.
    pub(crate) target: Option<Arch>,
    /// Where it will run: on its own architecture it runs natively.
    pub(crate) hosts: Vec<Arch>,
    /// The bundle's path: its name selects the default entry among the programs of a package, and it is no
    /// part of a directory that it is written into.
    pub(crate) output: PathBuf,
    pub(crate) archive: ArchiveArgs,
    pub(crate) tree: TreeRequest,
    /// Its `argv[0]`, if `--argv0` was given.
    pub(crate) argv0: Option<Argv0>,
    /// What it sees of files where it runs natively.
    /// `None`: what is usual.
    pub(crate) view: Option<View>,
    /// What `--env`, `--unset` and `--arg` ask for.
    pub(crate) rules: Vec<Rule>,
}

/// A variant besides the first one.
#[derive(Debug)]
pub(crate) struct NativeRequest {
    pub(crate) target: Arch,
    /// Level of that architecture; 0 for the baseline.
    pub(crate) level: u16,
    /// Whether it is a file that replaces the first variant's default entry.
    pub(crate) stands_in: bool,
    pub(crate) app: AppRequest,
}

/// Kind, name and value of a rule.
pub(crate) type Rule = bundle::OwnedRule;

/// Whether an emulator with these rules is told of the tree.
pub(crate) fn is_told_of_tree(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.is_view() || matches!(rule, Rule::Tree { .. }))
}

/// Where libraries and data come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeRequest {
    pub(crate) sysroots: Vec<PathBuf>,
    pub(crate) library_paths: Vec<PathBuf>,
    pub(crate) libs: Option<Libs>,
    /// Files and directories, and where in the tree they go, if that was given.
    pub(crate) adds: Vec<(PathBuf, Option<Vec<u8>>)>,
    pub(crate) excludes: Vec<Vec<u8>>,
    /// Patterns: of packages, only files that match, the entries, and the libraries of both are kept.
    pub(crate) only: Option<Vec<Vec<u8>>>,
    pub(crate) preloads: Vec<Vec<u8>>,
    /// Whether programs of this machine make what packages make when they are installed.
    pub(crate) configure: Configure,
    /// Arguments for the traced run.
    pub(crate) trace: Option<Vec<std::ffi::OsString>>,
}

impl AppRequest {
    /// The bundle's file name.
    pub(crate) fn output_name(&self) -> &[u8] {
        self.output.file_name().unwrap_or_default().as_bytes()
    }

    /// The archive for `--libs`; `None` if the option was not given.
    pub(crate) fn libs_archive(&self) -> Option<ArchiveArgs> {
        let libs = self.tree.libs.as_ref()?;
        let suite = libs.suite.clone().or_else(|| self.archive.suite.clone());
        Some(ArchiveArgs { suite, ..self.archive.clone() })
    }

    /// The same app, built for another architecture as `native` says, and for hosts of that architecture
    /// only. It is not traced: the run of one app shows what all of them open.
    fn built_for(&self, native: Native) -> Result<NativeRequest, Error> {
        let Native { target, level, file } = native;
        let source = file.map(|file| given::open(file, Some(target))).transpose()?;
        let stands_in = matches!(source, Some(AppSource::Program { .. }));
        let (source, entries) = match (source, &self.source) {
            (Some(source @ AppSource::Program { .. }), _) => (source, Vec::new()),
            (Some(source), _) => (source, self.entries.clone()),
            (None, AppSource::Packages { names, local, .. }) if local.is_empty() => {
                (AppSource::packages(names.clone(), Vec::new(), target)?, self.entries.clone())
            }
            (
                None,
                AppSource::Packages { .. }
                | AppSource::Program { .. }
                | AppSource::Tree { .. }
                | AppSource::Sysroot,
            ) => {
                return Err(Error::NativeWithoutFile { target });
            }
        };
        let app = Self {
            source,
            entries,
            target: Some(target),
            hosts: vec![target],
            output: self.output.clone(),
            archive: self.archive.clone(),
            tree: TreeRequest { trace: None, ..self.tree.clone() },
            argv0: self.argv0,
            view: self.view,
            rules: self.rules.clone(),
        };
        Ok(NativeRequest { target, level, stands_in, app })
    }
}

impl Request {
    /// Whether the bundle is to be the emulator itself.
    pub(crate) fn is_emulator_only(&self) -> bool {
        matches!(self.contents, Contents::Emulator { .. })
    }

    /// Whether a whole system is packed.
    pub(crate) fn is_system(&self) -> bool {
        matches!(self.contents, Contents::System(_))
    }

    /// Whether a machine is packed.
    pub(crate) fn is_machine(&self) -> bool {
        matches!(self.contents, Contents::Machine(_))
    }

    /// A system for one host, packed as fast as can be.
    pub(crate) fn for_one_host(host: Arch, head: Head, system: SystemRequest) -> Self {
        Self {
            natives: Vec::new(),
            output: system.output.clone(),
            hosts: vec![host],
            skip_hosts: false,
            emulators: Vec::new(),
            emulates_own: false,
            also_targets: Vec::new(),
            head,
            children: Children::Auto,
            cpu: None,
            level: Level::FAST,
            dry_run: false,
            archive: system.archive.clone(),
            contents: Contents::System(Box::new(system)),
        }
    }

    /// Checks the command line; opens the programs, writes nothing.
    pub(crate) fn from_args(args: PackArgs) -> Result<Self, Error> {
        let target = || args.target.ok_or(Error::NoTarget);
        let is_machine = args.machine.machine;
        let system = if is_machine { None } else { system::source(&args)? };
        let machine = is_machine.then(|| {
            let (of_it, archive) = (args.machine.clone(), args.archive.clone());
            MachineRequest::new(of_it, system::debian(&args)?, target()?, args.output.clone(), archive)
        });
        let machine = machine.transpose()?;
        let has_app = system.is_none() && machine.is_none() && !(args.emulator_only && args.input.is_none());
        let source = has_app.then(|| AppSource::of(args.input, args.deb, args.target)).transpose()?;
        let entries = Entry::all(&args.entry)?;
        let skip_hosts = args.head == Head::Sh && !matches!(args.hosts, Some(Hosts::Listed(_)));
        let hosts = hosts(args.head, args.hosts);
        if let Some(native) = args.native.iter().find(|native| !hosts.contains(&native.target)) {
            return Err(Error::NativeForOtherHost { host: native.target });
        }
        if let Some((host, _)) = args.emulator.iter().find(|(host, _)| !hosts.contains(host)) {
            return Err(Error::EmulatorForOtherHost { host: *host });
        }
        let rules = start_rules(&args.start)?;
        let (contents, output) = match (source, system, machine) {
            (_, _, Some(machine)) => {
                let output = machine.output.clone();
                (Contents::Machine(Box::new(machine)), output)
            }
            (_, Some(source), None) => {
                let output = args.output.unwrap_or_else(|| source.default_output());
                let excludes = tree_request(args.tree, &args.start)?.excludes;
                let (target, archive, output_too) = (args.target, args.archive.clone(), output.clone());
                let system =
                    SystemRequest { source, entries, target, rules, excludes, output: output_too, archive };
                (Contents::System(Box::new(system)), output)
            }
            (None, None, None) => {
                let target = target()?;
                let output = args.output.unwrap_or_else(|| format!("qemu-{}", target.qemu_name()).into());
                (Contents::Emulator { target, rules }, output)
            }
            (Some(source), None, None) => {
                let output = args.output.unwrap_or_else(|| default_output(&source, &entries));
                let app = AppRequest {
                    source,
                    entries,
                    target: args.target,
                    hosts: hosts.clone(),
                    output: output.clone(),
                    archive: args.archive.clone(),
                    tree: tree_request(args.tree, &args.start)?,
                    argv0: args.start.argv0,
                    view: args.start.view,
                    rules,
                };
                (Contents::App(Box::new(app)), output)
            }
        };
        let natives = match &contents {
            Contents::App(app) => args.native.into_iter().map(|native| app.built_for(native)).collect(),
            Contents::Emulator { .. } | Contents::System(_) | Contents::Machine(_) => Ok(Vec::new()),
        };
        let request = Self {
            contents,
            natives: natives?,
            output,
            hosts,
            skip_hosts,
            emulators: args.emulator,
            emulates_own: false,
            also_targets: Arch::ALL.iter().filter(|arch| args.also_target.contains(arch)).copied().collect(),
            head: args.head,
            children: args.children,
            cpu: args.cpu.map(OsStringExt::into_vec),
            level: args.compression.level(),
            dry_run: args.dry_run,
            archive: args.archive,
        };
        request.check_output()?;
        Ok(request)
    }

    /// The output is moved to its place by rename: it must not be a directory, something like /dev/null, or
    /// what is packed.
    fn check_output(&self) -> Result<(), Error> {
        let path = &self.output;
        if path.file_name().is_none() || path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(Error::OutputNotAFile { path: path.clone(), found: "a directory" });
        }
        fs::metadata(directory_of(path)).map_err(|source| Error::io("write", path, source))?;
        let Ok(there) = fs::metadata(path) else { return Ok(()) };
        let kind = there.file_type();
        if !kind.is_file() {
            return Err(Error::OutputNotAFile { path: path.clone(), found: kind_of(kind) });
        }
        let is_there = |input: &&Path| {
            fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (there.dev(), there.ino()))
        };
        if let Some(input) = self.inputs().into_iter().find(is_there) {
            return Err(Error::OutputIsInput { path: path.clone(), input: input.to_owned() });
        }
        Ok(())
    }
}

/// The hosts that a bundle will run on.
fn hosts(head: Head, hosts: Option<Hosts>) -> Vec<Arch> {
    match (head, hosts) {
        // Only that host can start the file, so parts for other hosts would be dead weight.
        (Head::Elf(host), _) => {
            say::warning(&format!(
                "the bundle will start on {host} only: launchers and emulators for other hosts are omitted"
            ));
            vec![host]
        }
        (Head::Sh, None) => Arch::DEFAULT_HOSTS.to_vec(),
        (Head::Sh, Some(Hosts::All)) => Arch::HOSTS.to_vec(),
        (Head::Sh, Some(Hosts::Listed(hosts))) => hosts,
    }
}

fn tree_request(args: TreeArgs, start: &StartArgs) -> Result<TreeRequest, Error> {
    for directory in args.sysroot.iter().chain(&args.library_path) {
        let found = fs::metadata(directory).map_err(|source| Error::io("open", directory, source))?;
        if !found.is_dir() {
            return Err(Error::NotADirectory { path: directory.clone(), found: "a file" });
        }
    }
    let bytes = |texts: &[std::ffi::OsString]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Ok(TreeRequest {
        sysroots: args.sysroot,
        library_paths: args.library_path,
        libs: args.libs,
        adds: args.add.iter().map(|text| parse_add(text)).collect::<Result<_, _>>()?,
        excludes: bytes(&args.exclude),
        only: None,
        preloads: bytes(&start.preload),
        configure: args.configure,
        trace: args.trace.then_some(args.trace_args),
    })
}

/// `SRC[:DEST]`; a colon counts only if what precedes it exists, so that names with colons can be given.
fn parse_add(text: &OsStr) -> Result<(PathBuf, Option<Vec<u8>>), Error> {
    let bytes = text.as_bytes();
    let colons = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    for at in colons.filter(|_| fs::symlink_metadata(text).is_err()) {
        let source = PathBuf::from(OsStr::from_bytes(&bytes[..at]));
        if source.exists() {
            let to = bytes[at + 1..].strip_prefix(b"/").unwrap_or(&bytes[at + 1..]);
            let to = to.strip_suffix(b"/").unwrap_or(to);
            app_tree::tree_path(to)?;
            return Ok((source, Some(to.to_vec())));
        }
    }
    let source = PathBuf::from(text);
    fs::metadata(&source).map_err(|error| Error::io("open", &source, error))?;
    Ok((source, None))
}

/// What the program is started with, in the order in which the rules apply.
fn start_rules(args: &StartArgs) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::new();
    for name in &args.unset {
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return Err(Error::Variable { text: readable(name.as_bytes()) });
        }
        rules.push(Rule::UnsetVariable(name.as_bytes().to_vec()));
    }
    for text in &args.env {
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let at = at.ok_or_else(|| Error::Variable { text: readable(bytes) })?;
        let (name, value) = (bytes[..at].to_vec(), &bytes[at + 1..]);
        rules.push(match around_tree(value)? {
            None => Rule::SetVariable { name, value: value.to_vec() },
            Some(([], after)) => Rule::TreeVariable { name, after: after.to_vec() },
            Some(_) => return Err(Error::TreeInside { text: readable(bytes) }),
        });
    }
    for text in &args.arg {
        let bytes = text.as_bytes();
        rules.push(match around_tree(bytes)? {
            None => Rule::Argument(bytes.to_vec()),
            Some((before, after)) => Rule::Tree { before: before.to_vec(), after: after.to_vec() },
        });
    }
    Ok(rules)
}

/// What comes before and after a placeholder; `None` if there is none.
type Around<'t> = Option<(&'t [u8], &'t [u8])>;

/// What comes before and after the placeholder for the path of the unpacked tree.
fn around_tree(text: &[u8]) -> Result<Around<'_>, Error> {
    const TREE: &[u8] = b"{tree}";
    let Some(at) = byte_search::position(text, TREE) else { return Ok(None) };
    let (before, after) = (&text[..at], &text[at + TREE.len()..]);
    if byte_search::position(after, TREE).is_some() {
        Err(Error::TreeInside { text: readable(text) })
    } else {
        Ok(Some((before, after)))
    }
}

fn default_output(source: &AppSource, entries: &[Entry]) -> PathBuf {
    let name = match (source, entries.first()) {
        (_, Some(entry)) => &entry.name[..],
        (AppSource::Program { name, .. } | AppSource::Tree { name, .. }, None) => name,
        (AppSource::Packages { names, local, .. }, None) => {
            let local = local.iter().map(|local| &local.package.name);
            names.iter().chain(local).next().map_or(&b"app"[..], |name| name.as_bytes())
        }
        (AppSource::Sysroot, None) => &b"app"[..],
    };
    let mut output = OsStr::from_bytes(name).to_owned();
    output.push(".bundle");
    output.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_path_stands_in_an_argument_and_begins_a_variables_value() {
        let rules = |env: &[&str], arg: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(Into::into).collect();
            let args = StartArgs { env: texts(env), arg: texts(arg), ..StartArgs::default() };
            start_rules(&args).map_err(|error| error.to_string())
        };
        let text = |text: &str| text.as_bytes().to_vec();
        let expected = vec![
            Rule::TreeVariable { name: text("A"), after: text("/lib;;") },
            Rule::SetVariable { name: text("B"), value: text("tree") },
            Rule::Tree { before: text("--with="), after: text("/etc/a=b") },
            Rule::Argument(text("{}")),
        ];
        assert_eq!(rules(&["A={tree}/lib;;", "B=tree"], &["--with={tree}/etc/a=b", "{}"]), Ok(expected));
        for env in ["A=/usr:{tree}", "A={tree}/a:{tree}/b"] {
            assert!(rules(&[env], &[]).is_err_and(|error| error.contains("once")), "{env}");
        }
        assert!(rules(&[], &["{tree}{tree}"]).is_err());
    }
}
