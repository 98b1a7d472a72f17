//! R's environment for all users, without which it does not start, as the script of Debian's package makes
//! it: a copy of its template with a size of paper.

use crate::error::Error;
use crate::packages::maintainer_scripts::Made;
use crate::tree::app_tree::{App, Node};

const TEMPLATE: &[u8] = b"usr/lib/R/etc/Renviron.ucf";
const PLACE: &[u8] = b"etc/R/Renviron";

/// The script asks `paperconf`, which answers this where nobody has chosen one (paperconf(1)).
const PAPER: [&str; 2] = ["R_PAPERSIZE_USER=${R_PAPERSIZE}", "R_PAPERSIZE_USER=${R_PAPERSIZE-'a4'}"];

/// The environment, where the tree has its template alone.
pub(crate) fn configured(app: &App) -> Result<Option<Made>, Error> {
    let Some((_, Node::File { content, .. })) = app.file(TEMPLATE).filter(|_| app.get(PLACE).is_none())
    else {
        return Ok(None);
    };
    let text = content.bytes().map_err(Error::Temporary)?;
    let [from, to] = PAPER;
    let text = String::from_utf8_lossy(&text).replace(from, to).into_bytes();
    let node = Node::File { executable: false, content: text.into() };
    Ok(Some(Made { path: PLACE.to_vec(), node }))
}
