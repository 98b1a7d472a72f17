//! The index of SWI-Prolog's library, which the package's script makes: without it no predicate of the
//! library is found by its name alone. It is a text, and the same for every CPU.

use bundle::{directory_of, file_name_of, join};

use crate::cli::ArchiveArgs;
use crate::configure::made::{Made, Workshop, all_of, kept_files, key, name, output, sources};
use crate::error::Error;
use crate::host_program::HostProgram;
use crate::tree::app_tree::App;

const LIBRARY: &[u8] = b"usr/lib/swi-prolog/library";
const INDEX: &[u8] = b"INDEX.pl";
/// A directory with this file makes its index by running it.
const MAKER: &[u8] = b"MKINDEX.pl";

const SWIPL: HostProgram<'static> =
    HostProgram { packages: &["swi-prolog-core"], path: "usr/bin/swipl", files: &["usr/lib/swi-prolog/**"] };

/// The index, where the tree has the library without.
pub(super) fn index(app: &App, archive: &ArchiveArgs) -> Result<Vec<Made>, Error> {
    let place = join(LIBRARY, INDEX);
    let is_module =
        |path: &[u8]| directory_of(path) == LIBRARY && path.ends_with(b".pl") && file_name_of(path) != MAKER;
    let sources = sources(app, is_module);
    let Some(first) = sources.first().filter(|_| app.get(&place).is_none()) else { return Ok(Vec::new()) };
    let made = kept_files(key("prolog", &sources, archive)?, || {
        let workshop = Workshop::new(&sources)?;
        let mut command = workshop.program(&SWIPL, archive)?;
        command.current_dir(workshop.at(LIBRARY));
        command.arg(format!("--home={}", workshop.tree(&SWIPL).join("usr/lib/swi-prolog").display()));
        // It reads the heads of modules, and loads none.
        command.args(["-f", "none", "-q", "-g", "make_library_index('.')", "-t", "halt"]);
        output(&mut command, &name(&SWIPL), None)?;
        workshop.files(&place)
    })?;
    Ok(all_of(first, made))
}
