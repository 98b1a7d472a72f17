//! What `pack INPUT` is given: a program, a directory, an archive of one, an AppImage, a package. It is
//! recognised by its contents, never by its name; its name only gives the app's.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use inputs::Form;

use crate::error::{Error, kind_of};
use crate::request::AppSource;

/// Endings that are not part of an app's name, longest first.
const ENDINGS: [&str; 18] = [
    ".tar.zst",
    ".tar.bz2",
    ".AppImage",
    ".appimage",
    ".tar.gz",
    ".tar.xz",
    ".tzst",
    ".tbz2",
    ".tar",
    ".tgz",
    ".txz",
    ".tbz",
    ".tzs",
    ".zip",
    ".whl",
    ".rpm",
    ".deb",
    ".run",
];

/// What a tree is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeForm {
    Directory,
    Archive(Form),
}

/// Opens what is at `path`.
pub(crate) fn open(path: PathBuf) -> Result<AppSource, Error> {
    let failed = |source| Error::io("open", &path, source);
    // Checked before it is opened: opening a FIFO would wait for its other end.
    let found = fs::metadata(&path).map_err(failed)?.file_type();
    if !found.is_file() && !found.is_dir() {
        return Err(Error::NotAFile { path, found: kind_of(found) });
    }
    // `.` and `..` have names of their own.
    let named = if path.file_name().is_none() { path.canonicalize().map_err(failed)? } else { path.clone() };
    let Some(name) = named.file_name().map(|name| name.as_bytes().to_vec()) else {
        return Err(Error::NoFileName { path });
    };
    let mut file = File::open(&path).map_err(failed)?;
    if found.is_dir() {
        return Ok(AppSource::Tree { file, path, name, form: TreeForm::Directory });
    }
    match Form::of(&mut file).map_err(|source| Error::io("read", &path, source))? {
        None => Ok(AppSource::Program { file, path, name }),
        Some(form) => {
            let name = without_ending(&name).to_vec();
            Ok(AppSource::Tree { file, path, name, form: TreeForm::Archive(form) })
        }
    }
}

fn without_ending(name: &[u8]) -> &[u8] {
    let shorter = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()));
    shorter.filter(|name| !name.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_name_is_that_of_its_app_and_an_ending() {
        for (name, app) in [
            ("a-1.2.tar.gz", "a-1.2"),
            ("a.tgz", "a"),
            ("A-x86_64.AppImage", "A-x86_64"),
            (".zip", ".zip"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(without_ending(name.as_bytes()), app.as_bytes());
        }
    }
}
