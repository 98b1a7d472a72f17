//! The database of MIME types, which a trigger makes of the packages' descriptions. GIO reads nothing else:
//! without it every file is of an unknown type. It is the same for every CPU.

use bundle::directory_of;

use crate::cli::ArchiveArgs;
use crate::configure::made::{Made, Workshop, all_of, kept_files, key, name, output, sources};
use crate::error::Error;
use crate::host_program::HostProgram;
use crate::tree::app_tree::App;

const DIRECTORY: &[u8] = b"usr/share/mime";
const PACKAGES: &[u8] = b"usr/share/mime/packages";
/// What is read first of all.
const CACHE: &[u8] = b"usr/share/mime/mime.cache";

const UPDATE: HostProgram<'static> =
    HostProgram { packages: &["shared-mime-info"], path: "usr/bin/update-mime-database", files: &[] };

/// The database, where the tree has descriptions alone.
pub(super) fn database(app: &App, archive: &ArchiveArgs) -> Result<Vec<Made>, Error> {
    let sources = sources(app, |path| directory_of(path) == PACKAGES && path.ends_with(b".xml"));
    let Some(first) = sources.first().filter(|_| app.get(CACHE).is_none()) else { return Ok(Vec::new()) };
    let made = kept_files(key("mime", &sources, archive)?, || {
        let workshop = Workshop::new(&sources)?;
        let mut command = workshop.program(&UPDATE, archive)?;
        // It warns if programs would not look where it writes.
        command.env("XDG_DATA_DIRS", workshop.at(directory_of(DIRECTORY)));
        output(command.arg(workshop.at(DIRECTORY)), &name(&UPDATE), None)?;
        workshop.files(DIRECTORY)
    })?;
    let made = made.into_iter().filter(|(path, _)| app.get(path).is_none());
    Ok(all_of(first, made.collect()))
}
