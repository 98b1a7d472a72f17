//! What the packages of a tree make of their files when they are installed, as far as programs need it and it
//! is the same for every architecture: made by programs of Debian's for this machine (`host_program`), which
//! are executed. Nothing of the tree is. Without them, programs make it at each start.

mod aspell;
mod made;
mod mime;
mod modules;
mod prolog;
mod python;
mod schemas;

use bundle::directory_of;

use crate::cli::ArchiveArgs;
use crate::cli::values::Configure;
use crate::configure::made::Made;
use crate::configure::modules::Modules;
use crate::error::Error;
use crate::resolve::complete::Unconfigured;
use crate::say;
use crate::tree::app_tree::Node;

/// Adds what is made of the files of packages. If that fails, the app runs without.
pub(crate) fn add(unconfigured: Unconfigured<'_>) -> Result<(), Error> {
    let Unconfigured { request, suite, target, known, app, origins } = unconfigured;
    if request.tree.configure == Configure::None {
        return Ok(());
    }
    let archive = request.libs_archive().unwrap_or_else(|| request.archive.clone());
    let archive = ArchiveArgs { suite: suite.map(str::to_owned).or(archive.suite), ..archive };
    let version_of = |package: &str| known.get(package).map(|known| known.component.version.clone());
    let mut made = Vec::new();
    match python::byte_code(app, &archive, &version_of) {
        Ok(code) => made.extend(code),
        Err(error) => {
            say::warning(&format!("Python will compile its modules at each start: {}", error.text()));
        }
    }
    let modules = Modules { app, known, origins };
    let others = [
        (schemas::compiled(app, &archive), "the schemas of GSettings are not compiled"),
        (modules.lists(&archive), "the lists of modules of gdk-pixbuf and GTK are not made"),
        (mime::database(app, &archive), "the database of MIME types is not made"),
        (prolog::index(app, &archive), "SWI-Prolog does not find what is in its library by itself"),
        (aspell::dictionaries(app, target, &archive), "Aspell's dictionaries are not compiled"),
    ];
    for (files, otherwise) in others {
        match files {
            Ok(files) => made.extend(files),
            Err(error) => say::warning(&format!("{otherwise}: {}", error.text())),
        }
    }
    for Made { path, of, content } in made {
        if app.get(directory_of(&path)).is_none() {
            app.add(directory_of(&path), Node::Directory)?;
        }
        // An empty file may keep its place.
        let path = app.place(&path, Node::File { executable: false, content })?;
        if let Some(origin) = origins.get(&of).cloned() {
            origins.insert(path, origin);
        }
    }
    Ok(())
}
