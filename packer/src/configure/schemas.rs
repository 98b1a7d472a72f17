//! The compiled schemas of `GSettings`, which a trigger makes when Debian's packages are installed. A program
//! that reads its settings and does not find their schema ends. The file is the same for every CPU.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use bundle::{Digest, file_name_of, join};

use crate::cli::ArchiveArgs;
use crate::configure::made::{Made, kept};
use crate::error::{Error, HostProgramError, readable};
use crate::hash;
use crate::host_program::{HostProgram, temporary};
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;

const DIRECTORY: &[u8] = b"usr/share/glib-2.0/schemas";
const COMPILED: &[u8] = b"gschemas.compiled";
/// What is read there (glib-compile-schemas(1)).
const SOURCES: [&[u8]; 3] = [b".gschema.xml", b".enums.xml", b".gschema.override"];

const COMPILER: HostProgram<'static> =
    HostProgram { packages: &["libglib2.0-bin"], path: "usr/bin/glib-compile-schemas", files: &[] };

/// The compiled schemas, where the tree has schemas and lacks that file.
pub(super) fn compiled(app: &App, archive: &ArchiveArgs) -> Result<Option<Made>, Error> {
    let place = join(DIRECTORY, COMPILED);
    let is_source = |name: &&[u8]| SOURCES.iter().any(|ending| name.ends_with(ending));
    let names: Vec<&[u8]> = app.names(DIRECTORY).filter(is_source).collect();
    let source = |name: &&[u8]| match app.file(&join(DIRECTORY, name)) {
        Some((_, Node::File { content, .. })) => Some((name.to_vec(), content)),
        _ => None,
    };
    let sources: Vec<(Vec<u8>, &Content)> = names.iter().filter_map(source).collect();
    let Some((first, _)) = sources.first().filter(|_| app.get(&place).is_none()) else { return Ok(None) };
    let made = kept(key(&sources, archive)?, || compile(&sources, archive))?;
    Ok(Some(Made { path: place, of: join(DIRECTORY, first), content: made.into() }))
}

fn key(sources: &[(Vec<u8>, &Content)], archive: &ArchiveArgs) -> Result<Digest, Error> {
    let suite = archive.suite.as_deref().unwrap_or_default();
    let mut text = format!("schemas\0{suite}\0").into_bytes();
    for (name, content) in sources {
        text.extend(name);
        text.push(0);
        text.extend(content.digest().map_err(Error::Temporary)?.0);
    }
    Ok(hash::of(&text))
}

fn compile(sources: &[(Vec<u8>, &Content)], archive: &ArchiveArgs) -> Result<Vec<u8>, Error> {
    let place = temporary()?;
    let mut command = COMPILER.unpacked(&place.path().join("tree"), archive)?;
    let directory = place.path().join("schemas");
    let written = fs::create_dir(&directory).and_then(|()| {
        sources.iter().try_for_each(|(name, content)| {
            fs::write(directory.join(OsStr::from_bytes(file_name_of(name))), content.bytes()?)
        })
    });
    written.map_err(Error::Temporary)?;
    let failed = |why: String| HostProgramError::Failed { program: "glib-compile-schemas".to_owned(), why };
    let ended =
        command.arg(&directory).stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(failed(format!("{}: {}", ended.status, readable(said.trim().as_bytes()))).into());
    }
    // It leaves out what is wrong, and says so.
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    if !said.is_empty() {
        say::warning(&readable(said.as_bytes()));
    }
    fs::read(directory.join(OsStr::from_bytes(COMPILED)))
        .map_err(|_| failed(readable(said.as_bytes())).into())
}
