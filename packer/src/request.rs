//! What `pack` was asked for, checked once at the edge: from here on nothing is parsed again.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::cli::values::{Children, Head, Hosts, Libs, Native};
use crate::cli::{ArchiveArgs, PackArgs, StartArgs, TreeArgs};
use crate::error::{Error, kind_of, readable};
use crate::relocate::patch_paths::find;
use crate::say;
use crate::tree::app_tree;

/// A checked request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) source: Source,
    /// Entries that were asked for; none means the default one.
    pub(crate) entries: Vec<Entry>,
    pub(crate) target: Option<Arch>,
    /// The same app as built for other CPUs, or for other levels of this one.
    pub(crate) natives: Vec<NativeRequest>,
    pub(crate) output: PathBuf,
    pub(crate) hosts: Vec<Arch>,
    /// Whether a host without an emulator is left out (else it is an error).
    pub(crate) skip_hosts: bool,
    pub(crate) emulators: Vec<(Arch, PathBuf)>,
    /// CPUs besides whose programs the app starts; each once, in the order of the table.
    pub(crate) also_targets: Vec<Arch>,
    pub(crate) head: Head,
    pub(crate) children: Children,
    pub(crate) level: i32,
    pub(crate) dry_run: bool,
    pub(crate) archive: ArchiveArgs,
    pub(crate) tree: TreeRequest,
    /// What `--env`, `--unset` and `--arg` ask for.
    pub(crate) rules: Vec<Rule>,
}

/// A variant besides the first one.
#[derive(Debug)]
pub(crate) struct NativeRequest {
    pub(crate) target: Arch,
    /// Of that CPU; 0 for the baseline.
    pub(crate) level: u16,
    /// Whether it is a file that stands in for the first variant's default entry.
    pub(crate) stands_in: bool,
    pub(crate) request: Request,
}

/// A rule of the app's.
pub(crate) type Rule = bundle::OwnedRule;

/// Where libraries and data come from.
#[derive(Debug)]
pub(crate) struct TreeRequest {
    pub(crate) sysroots: Vec<PathBuf>,
    pub(crate) library_paths: Vec<PathBuf>,
    pub(crate) libs: Option<Libs>,
    /// Files and directories, and where in the tree they go, where that was said.
    pub(crate) adds: Vec<(PathBuf, Option<Vec<u8>>)>,
    pub(crate) excludes: Vec<Vec<u8>>,
    pub(crate) preloads: Vec<Vec<u8>>,
    /// Arguments of the run that shows which files are opened.
    pub(crate) trace: Option<Vec<std::ffi::OsString>>,
}

/// Where the app comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// One program.
    Program {
        /// The open file.
        file: File,
        path: PathBuf,
        /// Its place in the tree.
        name: Vec<u8>,
    },
    /// Debian packages.
    Debs(Vec<String>),
    /// A system's tree; its entries say what of it.
    Sysroot,
    /// Nowhere: the emulator itself is packed.
    Emulator,
}

/// A program of the app that shall be startable by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) path: Vec<u8>,
    /// Arguments of its own, before all others.
    pub(crate) rules: Vec<Rule>,
}

impl Entry {
    /// The program at `path`, without arguments of its own.
    pub(crate) fn new(name: &[u8], path: &[u8]) -> Self {
        Self { name: name.to_vec(), path: path.to_vec(), rules: Vec::new() }
    }
}

impl Request {
    /// How `--libs` asks for an archive; `None` where it was not given.
    pub(crate) fn libs_archive(&self) -> Option<ArchiveArgs> {
        let libs = self.tree.libs.as_ref()?;
        let suite = libs.suite.clone().or_else(|| self.archive.suite.clone());
        Some(ArchiveArgs { suite, ..self.archive.clone() })
    }

    /// Whether the bundle is to be the emulator itself.
    pub(crate) fn is_emulator_only(&self) -> bool {
        matches!(self.source, Source::Emulator)
    }

    /// Checks `args`; opens the program, writes nothing.
    pub(crate) fn check(args: PackArgs) -> Result<Self, Error> {
        let natives = args.native.iter().map(|native| native_request(&args, native));
        let natives = natives.collect::<Result<Vec<_>, Error>>()?;
        let source = match (args.program, args.deb) {
            (Some(path), _) => open_program(path)?,
            (None, _) if args.emulator_only => Source::Emulator,
            (None, packages) if packages.is_empty() => Source::Sysroot,
            (None, packages) => Source::Debs(packages),
        };
        let mut entries = Vec::new();
        for text in &args.entry {
            let entry = parse_entry(text)?;
            if entries.iter().any(|other: &Entry| other.name == entry.name) {
                return Err(Error::SameEntry { name: readable(&entry.name) });
            }
            entries.push(entry);
        }
        let skip_hosts = !matches!(args.hosts, Some(Hosts::Listed(_)));
        let hosts = match (args.head, args.hosts) {
            // Only that CPU can start the file, so that other hosts' parts would be dead weight.
            (Head::Elf(host), _) => {
                say::warning(&format!(
                    "the bundle will start on {host} only: launchers and emulators for other hosts are omitted"
                ));
                vec![host]
            }
            (Head::Sh, None) => Arch::DEFAULT_HOSTS.to_vec(),
            (Head::Sh, Some(Hosts::All)) => Arch::HOSTS.to_vec(),
            (Head::Sh, Some(Hosts::Listed(hosts))) => hosts,
        };
        if let Some(native) = natives.iter().find(|native| !hosts.contains(&native.target)) {
            return Err(Error::NativeForOtherHost { host: native.target });
        }
        if let Some((host, _)) = args.emulator.iter().find(|(host, _)| !hosts.contains(host)) {
            return Err(Error::EmulatorForOtherHost { host: *host });
        }
        let output = match (args.output, &source, args.target) {
            (Some(output), ..) => output,
            (None, Source::Emulator, Some(target)) => format!("qemu-{}", target.qemu_name()).into(),
            (None, ..) => default_output(&source, &entries),
        };
        check_output(&output, &source)?;
        let rules = start_rules(&args.start)?;
        let tree = tree_request(args.tree, &args.start)?;
        Ok(Self {
            natives,
            tree,
            rules,
            source,
            entries,
            target: args.target,
            output,
            hosts,
            skip_hosts: skip_hosts && args.head == Head::Sh,
            emulators: args.emulator,
            also_targets: Arch::ALL.iter().filter(|arch| args.also_target.contains(arch)).copied().collect(),
            head: args.head,
            children: args.children,
            level: args.level,
            dry_run: args.dry_run,
            archive: args.archive,
        })
    }
}

/// The request that `--native` stands for: this one, for another CPU.
fn native_request(args: &PackArgs, native: &Native) -> Result<NativeRequest, Error> {
    let mut own = PackArgs { native: Vec::new(), target: Some(native.target), ..args.clone() };
    own.tree.trace = false;
    own.tree.trace_args = Vec::new();
    // Said already, by the request itself.
    (own.head, own.emulator, own.also_target) = (Head::Sh, Vec::new(), Vec::new());
    if let Some(file) = &native.file {
        (own.program, own.deb, own.entry) = (Some(file.clone()), Vec::new(), Vec::new());
    } else if args.deb.is_empty() {
        return Err(Error::NativeWithoutFile { target: native.target });
    }
    own.hosts = Some(Hosts::Listed(vec![native.target]));
    Ok(NativeRequest {
        target: native.target,
        level: native.level,
        stands_in: native.file.is_some(),
        request: Request::check(own)?,
    })
}

fn open_program(path: PathBuf) -> Result<Source, Error> {
    // Looked at before it is opened: opening a fifo would wait for its other end.
    let found = fs::metadata(&path).map_err(|source| Error::io("open", &path, source))?.file_type();
    if !found.is_file() {
        return Err(Error::NotAFile { path, found: kind_of(found) });
    }
    let file = File::open(&path).map_err(|source| Error::io("open", &path, source))?;
    match path.file_name().map(|name| name.as_bytes().to_vec()) {
        Some(name) => Ok(Source::Program { file, path, name }),
        None => Err(Error::NoFileName { path }),
    }
}

/// `[NAME=]PATH`; the name is the last part of the path unless given.
fn parse_entry(text: &OsStr) -> Result<Entry, Error> {
    let text = text.as_bytes();
    let (name, path) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    };
    let path = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")).unwrap_or(path);
    app_tree::check(path)?;
    let name = name.unwrap_or_else(|| last_part(path));
    if name.is_empty() || name.contains(&b'/') {
        return Err(Error::EntryName { name: readable(name) });
    }
    Ok(Entry::new(name, path))
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
        preloads: bytes(&start.preload),
        trace: args.trace.then_some(args.trace_args),
    })
}

/// `SRC[:DEST]`; a colon counts only when what is before it exists, so that names with colons can be given.
fn parse_add(text: &OsStr) -> Result<(PathBuf, Option<Vec<u8>>), Error> {
    let bytes = text.as_bytes();
    let colons = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    for at in colons.filter(|_| fs::symlink_metadata(text).is_err()) {
        let source = PathBuf::from(OsStr::from_bytes(&bytes[..at]));
        if source.exists() {
            let to = bytes[at + 1..].strip_prefix(b"/").unwrap_or(&bytes[at + 1..]);
            let to = to.strip_suffix(b"/").unwrap_or(to);
            app_tree::check(to)?;
            return Ok((source, Some(to.to_vec())));
        }
    }
    let source = PathBuf::from(text);
    fs::metadata(&source).map_err(|error| Error::io("open", &source, error))?;
    Ok((source, None))
}

/// What the program is started with, in the order in which rules are followed.
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

/// What stands before and after a placeholder; `None` where there is none.
type Around<'t> = Option<(&'t [u8], &'t [u8])>;

/// What stands before and after the placeholder for the unpacked tree's path.
fn around_tree(text: &[u8]) -> Result<Around<'_>, Error> {
    const TREE: &[u8] = b"{tree}";
    let Some(at) = find(text, TREE) else { return Ok(None) };
    let (before, after) = (&text[..at], &text[at + TREE.len()..]);
    if find(after, TREE).is_some() {
        Err(Error::TreeInside { text: readable(text) })
    } else {
        Ok(Some((before, after)))
    }
}

/// A path's last part.
pub(crate) fn last_part(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn default_output(source: &Source, entries: &[Entry]) -> PathBuf {
    let name = match (source, entries.first()) {
        (_, Some(entry)) => &entry.name[..],
        (Source::Program { name, .. }, None) => name,
        (Source::Debs(packages), None) => packages.first().map_or(&b"app"[..], |name| name.as_bytes()),
        (Source::Sysroot, None) => &b"app"[..],
        (Source::Emulator, None) => b"emulator",
    };
    let mut output = OsStr::from_bytes(name).to_owned();
    output.push(".bundle");
    output.into()
}

/// The output will be put in place by rename: it must not be a directory, nor something like /dev/null.
fn check_output(path: &Path, source: &Source) -> Result<(), Error> {
    if path.file_name().is_none() || path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(Error::OutputNotAFile { path: path.to_owned(), found: "a directory" });
    }
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(directory).map_err(|source| Error::io("write", path, source))?;
    let Ok(there) = fs::metadata(path) else { return Ok(()) };
    let kind = there.file_type();
    if !kind.is_file() {
        return Err(Error::OutputNotAFile { path: path.to_owned(), found: kind_of(kind) });
    }
    if let Source::Program { file, path: program, .. } = source {
        let own = file.metadata().map_err(|source| Error::io("read", program, source))?;
        if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
            return Err(Error::OutputIsProgram { path: path.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_after_its_file_unless_it_says_otherwise() {
        let entry = |text: &str| parse_entry(OsStr::new(text)).map(|entry| (entry.name, entry.path)).ok();
        assert_eq!(entry("/usr/bin/sh"), Some((b"sh".to_vec(), b"usr/bin/sh".to_vec())));
        assert_eq!(entry("shell=usr/bin/sh"), Some((b"shell".to_vec(), b"usr/bin/sh".to_vec())));
        for refused in ["", "/", "a=", "=a", "a/b=c", "../a", "a/../b"] {
            assert_eq!(entry(refused), None, "{refused}");
        }
    }

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
