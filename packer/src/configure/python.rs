//! The byte code of Python's modules, which `py3compile` makes when Debian's packages are installed. Without
//! it every start compiles all modules that it imports, since a tree cannot be written. Byte code is the same
//! for every CPU: it is made by this machine's build of the same Python, which compiles the sources and
//! executes nothing of them.

use std::io::{self, BufWriter, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

use bundle::{Digest, MTIME, TreePath, directory_of, file_name_of, join};

use crate::cli::ArchiveArgs;
use crate::configure::made::{Made, Source, kept, part, put_part};
use crate::error::{Error, HostProgramError, readable};
use crate::hash;
use crate::host_program::{HostProgram, temporary};
use crate::tree::app_tree::{App, Node};

/// What compiles, for any Python 3.8 and later.
const COMPILE: &str = include_str!("compile.py");

/// Where Debian has modules for every version.
const SHARED: &[u8] = b"usr/lib/python3/";

/// `NAME_MAX` of `<linux/limits.h>`.
const NAME_MAX: usize = 255;

/// The minor versions of Python 3 whose interpreters the tree has from Debian's packages, and the versions of
/// those.
fn versions(app: &App, version_of: &dyn Fn(&str) -> Option<String>) -> Vec<(u32, String)> {
    let minor = |name: &[u8]| -> Option<u32> {
        std::str::from_utf8(name.strip_prefix(b"python3.")?).ok()?.parse().ok()
    };
    let names = app.names(b"usr/bin").filter_map(minor);
    let known = names.filter(|minor| *minor >= 8).map(|minor| Some((minor, version_of(&package(minor))?)));
    known.flatten().collect()
}

/// The package of an interpreter and of what it needs to start.
fn package(minor: u32) -> String {
    format!("python3.{minor}-minimal")
}

/// The byte code that the tree lacks. `version_of` tells the version of a package that the tree is from.
pub(super) fn byte_code(
    app: &App,
    archive: &ArchiveArgs,
    version_of: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Made>, Error> {
    let mut made = Vec::new();
    let versions = versions(app, version_of);
    for (minor, version) in &versions {
        let sources = sources(app, *minor, versions.len() == 1);
        if !sources.is_empty() {
            made.extend(compiled(&sources, *minor, version, archive)?);
        }
    }
    Ok(made)
}

/// Modules without byte code for this version. Where there are several versions, only modules that are known
/// to be for it.
fn sources(app: &App, minor: u32, only: bool) -> Vec<Source<'_>> {
    let own = format!("usr/lib/python3.{minor}/").into_bytes();
    let of_another = |path: &[u8]| path.starts_with(b"usr/lib/python3.") && !path.starts_with(&own);
    // A link to a module is one too: byte code lies beside the name that was found.
    let names = app.nodes().map(|(path, _)| path).filter(|path| path.ends_with(b".py"));
    let files = names.filter_map(|path| match app.file(path)?.1 {
        Node::File { content, .. } => Some(Source { path, content }),
        _ => None,
    });
    files
        .filter(|source| !of_another(source.path))
        .filter(|source| only || source.path.starts_with(&own) || source.path.starts_with(SHARED))
        .filter(|source| can_have(app, &place(source.path, minor)))
        .collect()
}

/// Whether a file can be made there: nothing is in its way, and its name is none that no file system takes.
fn can_have(app: &App, place: &[u8]) -> bool {
    let directory = app.get(directory_of(place));
    let is_free = app.get(place).is_none() && directory.is_none_or(|node| matches!(node, Node::Directory));
    is_free && file_name_of(place).len() <= NAME_MAX && TreePath::new(place).is_some()
}

/// Where Python looks for a module's byte code (PEP 3147).
fn place(source: &[u8], minor: u32) -> Vec<u8> {
    let name = file_name_of(source);
    let stem = name.strip_suffix(b".py").unwrap_or(name);
    let name = [stem, format!(".cpython-3{minor}.pyc").as_bytes()].concat();
    join(&join(directory_of(source), b"__pycache__"), &name)
}

fn compiled(
    sources: &[Source<'_>],
    minor: u32,
    version: &str,
    archive: &ArchiveArgs,
) -> Result<Vec<Made>, Error> {
    let key = key(sources, version, archive).map_err(Error::Temporary)?;
    let all = kept(key, || compile(sources, minor, archive))?;
    let mut rest = all.as_slice();
    let mut made = Vec::new();
    for source in sources {
        let code = part(&mut rest).unwrap_or_default();
        if !code.is_empty() {
            made.push(Made {
                path: place(source.path, minor),
                of: source.path.to_vec(),
                content: code.to_vec().into(),
            });
        }
    }
    Ok(made)
}

/// Of all that determines what comes out. The interpreter for this machine is of the same version.
fn key(sources: &[Source<'_>], version: &str, archive: &ArchiveArgs) -> io::Result<Digest> {
    let suite = archive.suite.as_deref().unwrap_or_default();
    let mut text = format!("{COMPILE}\0{MTIME}\0{version}\0{suite}\0").into_bytes();
    for source in sources {
        text.extend(source.path);
        text.push(0);
        text.extend(source.content.digest()?.0);
    }
    Ok(hash::of(&text))
}

/// What the interpreter answers for these sources.
fn compile(sources: &[Source<'_>], minor: u32, archive: &ArchiveArgs) -> Result<Vec<u8>, Error> {
    let place = temporary()?;
    let (package, path) = (package(minor), format!("usr/bin/python3.{minor}"));
    let library = format!("usr/lib/python3.{minor}/**");
    let python = HostProgram { packages: &[&package], path: &path, files: &[&library] };
    let unpacked = place.path().join("tree");
    let mut command = python.unpacked(&unpacked, archive)?;
    // Sets are in the order of hashes, which must be the same each time.
    command.env("PYTHONHASHSEED", "0").env("PYTHONHOME", unpacked.join("usr"));
    command.args(["-S", "-s", "-B", "-c", COMPILE]);
    let answers = run(command, sources).map_err(|error| failed(minor, error.to_string()))?;
    let mut rest = answers.as_slice();
    if sources.iter().all(|_| part(&mut rest).is_some()) && rest.is_empty() {
        return Ok(answers);
    }
    Err(failed(minor, "it did not answer for all modules".to_owned()))
}

fn failed(minor: u32, why: String) -> Error {
    HostProgramError::Failed { program: format!("python3.{minor}"), why }.into()
}

fn run(mut command: Command, sources: &[Source<'_>]) -> io::Result<Vec<u8>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let to = child.stdin.take();
    let write = || {
        let Some(to) = to else { return Ok(()) };
        let mut to = BufWriter::with_capacity(1 << 16, to);
        put_part(&mut to, &MTIME.to_le_bytes())?;
        for source in sources {
            put_part(&mut to, &[b"/", source.path].concat())?;
            put_part(&mut to, &source.content.bytes()?)?;
        }
        to.flush()
    };
    // It answers while it is still asked.
    let (written, ended) = thread::scope(|scope| {
        let writer = scope.spawn(write);
        let ended = child.wait_with_output();
        (writer.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended"))), ended)
    });
    let Output { status, stdout, stderr } = ended?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let last = said.lines().last().unwrap_or_default();
        return Err(io::Error::other(format!("{status}: {}", readable(last.as_bytes()))));
    }
    written.map(|()| stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_code_lies_where_python_looks_for_it() {
        assert_eq!(
            place(b"usr/lib/python3.13/os.py", 13),
            b"usr/lib/python3.13/__pycache__/os.cpython-313.pyc"
        );
        assert_eq!(place(b"a.py", 8), b"__pycache__/a.cpython-38.pyc");
    }

    #[test]
    fn modules_of_another_version_are_left_alone() {
        let mut app = App::default();
        for path in [
            "usr/bin/python3.11",
            "usr/bin/python3.13",
            "usr/bin/python3.13-config",
            "usr/lib/python3.11/os.py",
            "usr/lib/python3.13/os.py",
            "usr/lib/python3/dist-packages/a.py",
            "usr/share/app/b.py",
        ] {
            app.add(path.as_bytes(), Node::File { executable: false, content: b"x".to_vec().into() })
                .expect("added");
        }
        let all =
            |minors: &[u32]| -> Vec<_> { minors.iter().map(|minor| (*minor, "1".to_owned())).collect() };
        assert_eq!(versions(&app, &|_| Some("1".to_owned())), all(&[11, 13]));
        let only = |package: &str| (package == "python3.13-minimal").then(|| "1".to_owned());
        assert_eq!(versions(&app, &only), all(&[13]));
        let paths = |minor, only| -> Vec<String> {
            let sources = sources(&app, minor, only);
            sources.iter().map(|source| String::from_utf8_lossy(source.path).into_owned()).collect()
        };
        let of_13 = ["usr/lib/python3.13/os.py", "usr/lib/python3/dist-packages/a.py"];
        assert_eq!(paths(13, false), of_13);
        assert_eq!(paths(13, true), [&of_13[..], &["usr/share/app/b.py"]].concat());
        app.add(
            b"usr/lib/python3.13/__pycache__/os.cpython-313.pyc",
            Node::File { executable: false, content: b"x".to_vec().into() },
        )
        .expect("added");
        let left = sources(&app, 13, false);
        assert_eq!(left.iter().map(|source| source.path).collect::<Vec<_>>(), [of_13[1].as_bytes()]);
    }

    #[test]
    fn what_is_in_the_way_stays_and_its_module_has_no_byte_code() {
        let mut app = App::default();
        let file = || Node::File { executable: false, content: b"x".to_vec().into() };
        let long = "a".repeat(250);
        for name in ["a/m.py", "b/m.py", "c/m.py", &format!("{long}.py")] {
            app.add(name.as_bytes(), file()).expect("added");
        }
        app.add(b"a/__pycache__", Node::Symlink(b"../b".to_vec())).expect("added");
        app.add(b"b/__pycache__", file()).expect("added");
        app.add(b"c/__pycache__", Node::Directory).expect("added");
        let sources = sources(&app, 13, true);
        assert_eq!(sources.iter().map(|source| source.path).collect::<Vec<_>>(), [b"c/m.py"]);
    }
}
