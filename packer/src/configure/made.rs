//! What is made of files: kept in the store, so that it is made once.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bundle::Digest;
use emulator::Store;

use crate::atomic_file::TemporaryDirectory;
use crate::cli::ArchiveArgs;
use crate::error::{Error, HostProgramError, readable};
use crate::hash;
use crate::host_program::{HostProgram, temporary};
use crate::packages::suites;
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;

/// A file that is made of another one.
pub(super) struct Made {
    pub(super) path: Vec<u8>,
    pub(super) of: Vec<u8>,
    pub(super) content: Content,
}

/// A file that something is made of, by its path in the tree.
pub(super) struct Source<'a> {
    pub(super) path: &'a [u8],
    pub(super) content: &'a Content,
}

/// What was made of several files, the first of which is `of`.
pub(super) fn all_of(of: &Source<'_>, files: Files) -> Vec<Made> {
    let made =
        |(path, content): (Vec<u8>, Vec<u8>)| Made { path, of: of.path.to_vec(), content: content.into() };
    files.into_iter().map(made).collect()
}

/// Files by their paths in the tree.
pub(super) type Files = Vec<(Vec<u8>, Vec<u8>)>;

/// The files of the tree whose paths satisfy `wanted`, in the order of their paths.
pub(super) fn sources(app: &App, wanted: impl Fn(&[u8]) -> bool) -> Vec<Source<'_>> {
    let paths = app.nodes().map(|(path, _)| path).filter(|path| wanted(path));
    let files = paths.filter_map(|path| match app.file(path)?.1 {
        Node::File { content, .. } => Some(Source { path, content }),
        _ => None,
    });
    files.collect()
}

/// Of all that determines what a program of the suite makes of `sources`; `what` names the work.
pub(super) fn key(what: &str, sources: &[Source<'_>], archive: &ArchiveArgs) -> Result<Digest, Error> {
    let suite = archive.suite.as_deref().unwrap_or_default();
    let mut text = format!("{what}\0{suite}\0").into_bytes();
    for source in sources {
        text.extend(source.path);
        text.push(0);
        text.extend(source.content.digest().map_err(Error::Temporary)?.0);
    }
    Ok(hash::of(&text))
}

/// What was made of something with this digest before, or is made now.
pub(super) fn kept(key: Digest, make: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
    let store = Store::open(&suites::store_root()?)?;
    if let Some(made) = store.made(key) {
        return Ok(made);
    }
    let made = make()?;
    if let Err(error) = store.put_made(key, &made) {
        say::warning(&format!("cannot keep what was made for the next time: {error}"));
    }
    Ok(made)
}

/// The same for several files: each has its path before it.
pub(super) fn kept_files(key: Digest, make: impl FnOnce() -> Result<Files, Error>) -> Result<Files, Error> {
    let all = kept(key, || {
        let mut all = Vec::new();
        for (path, content) in make()? {
            put_part(&mut all, &path)
                .and_then(|()| put_part(&mut all, &content))
                .map_err(Error::Temporary)?;
        }
        Ok(all)
    })?;
    let mut rest = all.as_slice();
    let files = std::iter::from_fn(|| Some((part(&mut rest)?.to_vec(), part(&mut rest)?.to_vec())));
    Ok(files.collect())
}

/// Writes a part of an answer: its length, and the part itself.
pub(super) fn put_part(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)
}

/// The next part of what was written so.
pub(super) fn part<'r>(rest: &mut &'r [u8]) -> Option<&'r [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let (part, behind) = behind.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *rest = behind;
    Some(part)
}

/// A directory where programs make files of files: copies of those of the tree, at the same paths.
pub(super) struct Workshop(TemporaryDirectory);

impl Workshop {
    pub(super) fn new(sources: &[Source<'_>]) -> Result<Self, Error> {
        let workshop = Self(temporary()?);
        for source in sources {
            let to = workshop.at(source.path);
            let above = to.parent().unwrap_or(&to);
            fs::create_dir_all(above)
                .and_then(|()| fs::write(&to, source.content.bytes()?))
                .map_err(Error::Temporary)?;
        }
        Ok(workshop)
    }

    /// Where the copy of a file of the tree is.
    pub(super) fn at(&self, path: &[u8]) -> PathBuf {
        self.0.path().join("files").join(OsStr::from_bytes(path))
    }

    /// Where `program` is unpacked.
    pub(super) fn tree(&self, program: &HostProgram<'_>) -> PathBuf {
        self.0.path().join(format!("tree of {}", name(program)))
    }

    /// The command that starts a program of Debian's, which is fetched for it.
    pub(super) fn program(&self, program: &HostProgram<'_>, archive: &ArchiveArgs) -> Result<Command, Error> {
        program.unpacked(&self.tree(program), archive)
    }

    /// All files below a directory of the tree, in the order of their paths.
    pub(super) fn files(&self, directory: &[u8]) -> Result<Files, Error> {
        let mut found = Vec::new();
        let mut open = vec![self.at(directory)];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
                open.extend(entries.map_err(Error::Temporary)?.iter().map(fs::DirEntry::path));
            } else if let Ok(below) = path.strip_prefix(self.at(b"")) {
                let content = fs::read(&path).map_err(Error::Temporary)?;
                found.push((below.as_os_str().as_bytes().to_vec(), content));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The same command once more.
pub(super) fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args()).current_dir("/").env_clear();
    again.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    again
}

/// The name of a program in messages.
pub(super) fn name(program: &HostProgram<'_>) -> String {
    program.path.rsplit('/').next().unwrap_or(program.path).to_owned()
}

/// What a program has written, once it has ended well; what it has complained about is shown.
pub(super) fn output(command: &mut Command, name: &str, input: Option<&Path>) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::from(HostProgramError::Failed { program: name.to_owned(), why });
    let input = match input {
        Some(path) => fs::File::open(path).map_err(Error::Temporary)?.into(),
        None => Stdio::null(),
    };
    let ended = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let Output { status, stdout, stderr } = ended.map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&stderr);
    if !status.success() {
        return Err(failed(format!("{status}: {}", readable(said.trim().as_bytes()))));
    }
    if !said.trim().is_empty() {
        say::warning(&format!("{name}: {}", readable(said.trim().as_bytes())));
    }
    Ok(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written_and_a_cut_one_is_refused() {
        let mut all = Vec::new();
        put_part(&mut all, b"one").expect("memory");
        put_part(&mut all, b"").expect("memory");
        let mut rest = all.as_slice();
        assert_eq!(
            (part(&mut rest), part(&mut rest), part(&mut rest)),
            (Some(&b"one"[..]), Some(&b""[..]), None)
        );
        for cut in 0..11 {
            assert_eq!(part(&mut &all[..cut]), None, "{cut}");
        }
    }
}
