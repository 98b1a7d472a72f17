//! The compiled schemas of `GSettings`, which a trigger makes when Debian's packages are installed. A program
//! that reads its settings and does not find their schema ends. The file is the same for every CPU.

use bundle::{directory_of, join};

use crate::cli::ArchiveArgs;
use crate::configure::made::{Made, Workshop, all_of, kept_files, key, name, output, sources};
use crate::error::Error;
use crate::host_program::HostProgram;
use crate::tree::app_tree::App;

const DIRECTORY: &[u8] = b"usr/share/glib-2.0/schemas";
const COMPILED: &[u8] = b"gschemas.compiled";
/// What is read there (glib-compile-schemas(1)).
const SOURCES: [&[u8]; 3] = [b".gschema.xml", b".enums.xml", b".gschema.override"];

const COMPILER: HostProgram<'static> =
    HostProgram { packages: &["libglib2.0-bin"], path: "usr/bin/glib-compile-schemas", files: &[] };

/// The compiled schemas, where the tree has schemas and lacks that file.
pub(super) fn compiled(app: &App, archive: &ArchiveArgs) -> Result<Vec<Made>, Error> {
    let place = join(DIRECTORY, COMPILED);
    let is_source =
        |path: &[u8]| directory_of(path) == DIRECTORY && SOURCES.iter().any(|ending| path.ends_with(ending));
    let sources = sources(app, is_source);
    let Some(first) = sources.first().filter(|_| app.get(&place).is_none()) else { return Ok(Vec::new()) };
    let made = kept_files(key("schemas", &sources, archive)?, || {
        let workshop = Workshop::new(&sources)?;
        // It leaves out what is wrong, and says so.
        let mut command = workshop.program(&COMPILER, archive)?;
        output(command.arg(workshop.at(DIRECTORY)), &name(&COMPILER), None)?;
        workshop.files(&place)
    })?;
    Ok(all_of(first, made))
}
