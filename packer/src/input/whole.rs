//! Takes the tree of a request whole, and puts it into its place.

use bundle::join;
use inputs::Form;

use crate::error::Error;
use crate::input::given_tree::GivenTree;
use crate::input::{archive, directory, entry_points};
use crate::request::{AppRequest, AppSource, TreeForm};
use crate::tree::app_tree::Node;
use crate::tree::spool::Spool;

/// Where add-on software is installed (FHS 3.0, 3.13), each in a directory of its name: given trees, and
/// programs that do not come from a root file system.
pub(crate) const OPT: &[u8] = b"opt";

/// The tree that `request` names, if it names one.
pub(crate) fn given(request: &AppRequest, spool: &mut Spool) -> Result<Option<GivenTree>, Error> {
    let AppSource::Tree { file, path, name, form } = &request.source else { return Ok(None) };
    // A package's files have their places.
    let is_root = *form == TreeForm::Archive(Form::Rpm);
    let place = if is_root { Vec::new() } else { join(OPT, name) };
    let mut tree = GivenTree::new(place, path.display().to_string());
    if !is_root {
        tree.app.place(&tree.place, Node::Directory)?;
    }
    match form {
        TreeForm::Directory => directory::take(path, request, &mut tree, spool)?,
        TreeForm::Archive(form) => archive::take(file, path, *form, request, &mut tree, spool)?,
    }
    entry_points::find(*form, &mut tree)?;
    tree.count();
    tree.tell();
    Ok(Some(tree))
}
