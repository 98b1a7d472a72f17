//! `--deb PKG`: an app out of a Debian package. Documentation but copyright files, manual pages and translations stay
//! behind; maintainer scripts are never run.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use debian::{Deb, DebEntry, DebError, DebKind, Package};

use crate::app::{App, Node};
use crate::archives;
use crate::content::Content;
use crate::error::{Code, Error, readable};
use crate::notices::Owed;
use crate::pack::Gathered;
use crate::place;
use crate::progress::Bars;
use crate::request::{Entry, Request, last_part};
use crate::say;

/// Folders whose contents no program needs to run.
const LEFT_OUT: [&[u8]; 4] = [b"usr/share/man", b"usr/share/info", b"usr/share/lintian", b"usr/share/locale"];
const DOC: &[u8] = b"usr/share/doc";

/// Folders that programs are looked for in when no entry is named.
const PROGRAM_FOLDERS: [&[u8]; 5] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/games"];

/// The largest copyright file that is put among the notices, in bytes; longer ones are in the tree anyway.
const COPYRIGHT_MAX: u64 = 4 << 20;

/// The package's tree and its default entry.
pub(crate) fn app(request: &Request, name: &str) -> Result<Gathered, Error> {
    // `--deb` requires `--target` on the command line.
    let target = request.target.ok_or_else(|| Error::NoProgram { package: name.to_owned() })?;
    let architecture = target.debian_name().ok_or_else(|| {
        let message = format!("Debian has no packages for {target}");
        Error::Told { message, hint: Some("give a program instead".to_owned()), code: Code::Input }
    })?;
    let bars = Bars::default();
    let bar = bars.bar(name);
    let (archive, suite) = archives::open(&request.archive, architecture, &bar)?;
    let index = archive.packages(architecture).map_err(|error| archives::failed(&error))?;
    let package = index.find(name).ok_or_else(|| {
        let near = index.did_you_mean(name);
        let message = format!("there is no package `{name}` for {target} in suite `{suite}`");
        let hint = if near.is_empty() {
            "`--suite` looks in another suite; not every package is built for every CPU".to_owned()
        } else {
            format!("did you mean: {}", near.join(", "))
        };
        Error::Told { message, hint: Some(hint), code: Code::Input }
    })?;
    let file = archive.download(package).map_err(|error| archives::failed(&error))?;
    let (mut app, copyright) = tree(&Deb::open(&file).map_err(|error| archives::refused(&error))?, name)?;
    app.settle()?.iter().for_each(|warning| say::warning(warning));
    let default = default_entry(&app, request, name);
    Ok(Gathered { app, default, owed: Some(owed(package, &suite, copyright)) })
}

/// The files that a program may need, and the text of the copyright file.
fn tree(deb: &Deb, name: &str) -> Result<(App, String), Error> {
    let spool = Arc::new(place::nameless().map_err(Error::Temporary)?);
    let mut app = App::default();
    let mut copyright = String::new();
    let copyright_path = format!("usr/share/doc/{name}/copyright");
    let mut at = 0;
    deb.entries::<TreeError>(|entry| {
        let DebEntry { path, kind, mode, size, reader } = entry;
        if is_left_out(&path, kind == DebKind::Dir) {
            return Ok(ControlFlow::Continue(()));
        }
        if mode & 0o7000 != 0 && kind == DebKind::File {
            say::warning(&format!("`{}` loses its set-id bits", readable(&path)));
        }
        let node = match kind {
            DebKind::Dir => Node::Folder,
            DebKind::Symlink { target } => Node::Symlink(target),
            DebKind::Hardlink { target } => Node::HardLink(target),
            DebKind::File => {
                let content = append(&spool, &mut at, reader)?;
                if path == copyright_path.as_bytes() && size <= COPYRIGHT_MAX {
                    let mut text = Vec::new();
                    content.reader().read_to_end(&mut text).map_err(Error::Temporary)?;
                    copyright = readable(&text);
                }
                Node::File { executable: mode & 0o111 != 0, content }
            }
        };
        app.add(&path, node)?;
        Ok(ControlFlow::Continue(()))
    })
    .map_err(|TreeError(error)| error)?;
    Ok((app, copyright))
}

/// One file for all contents, since a package may hold more files than a process may have open.
fn append(spool: &Arc<File>, at: &mut u64, from: &mut dyn Read) -> Result<Content, Error> {
    let mut to = &**spool;
    let length = io::copy(from, &mut to).and_then(|length| to.flush().map(|()| length));
    let length = length.map_err(Error::Temporary)?;
    let content = Content::File { file: Arc::clone(spool), offset: *at, length };
    *at += length;
    Ok(content)
}

/// Either crate's error on its way through [`Deb::entries`].
struct TreeError(Error);

impl From<DebError> for TreeError {
    fn from(error: DebError) -> Self {
        Self(archives::refused(&error))
    }
}

impl From<Error> for TreeError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

fn is_left_out(path: &[u8], folder: bool) -> bool {
    let under = |root: &[u8]| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    // Folders of documentation come into being by the copyright file in them.
    LEFT_OUT.into_iter().any(under) || (under(DOC) && (folder || last_part(path) != b"copyright"))
}

/// The only program, or the one that is named like the package or like the output.
fn default_entry(app: &App, request: &Request, package: &str) -> Result<Entry, Error> {
    let in_folder = |path: &&[u8]| {
        let folder = path.strip_suffix(last_part(path)).and_then(|folder| folder.strip_suffix(b"/"));
        folder.is_some_and(|folder| PROGRAM_FOLDERS.contains(&folder))
    };
    let programs: Vec<&[u8]> = app.programs().filter(in_folder).collect();
    let output = request.output.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes);
    let plain = package.strip_suffix("-static").unwrap_or(package);
    let names = [Some(package.as_bytes()), output, Some(plain.as_bytes())];
    let named = |name: &[u8]| programs.iter().find(|path| last_part(path) == name);
    let path = match &programs[..] {
        [] => return Err(Error::NoProgram { package: package.to_owned() }),
        [only] => only,
        _ => names.into_iter().flatten().find_map(named).ok_or_else(|| Error::WhichEntry {
            package: package.to_owned(),
            programs: programs.iter().map(|path| readable(path)).collect(),
        })?,
    };
    Ok(Entry { name: last_part(path).to_vec(), path: path.to_vec() })
}

fn owed(package: &Package, suite: &str, copyright: String) -> Owed {
    Owed {
        // Debian's copyright files name licences per file, not as one SPDX expression.
        licence: "NOASSERTION".to_owned(),
        source: format!("{} {}", package.source, package.source_version),
        origin: format!("Debian archive, suite {suite}: {}, sha256 {}", package.filename, package.sha256),
        text: copyright,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_documentation_only_the_copyright_stays() {
        for out in
            [&b"usr/share/man"[..], b"usr/share/man/man1/a.1.gz", b"usr/share/doc/a", b"usr/share/doc/a/NEWS"]
        {
            assert!(is_left_out(out, out.ends_with(b"a")), "{}", readable(out));
        }
        for kept in
            [&b"usr/share/doc/a/copyright"[..], b"usr/share/manual", b"usr/share/docs/x", b"usr/bin/a"]
        {
            assert!(!is_left_out(kept, false), "{}", readable(kept));
        }
    }
}
