//! Archives that `unibin pack` is given: tar, zip, rpm, AppImages.

use std::fs::File;
use std::io;
use std::path::Path;

use inputs::{Entry, Form, InputError, Kind};

use crate::scratch;

/// An archive: every entry that it yields is inside the tree.
pub(crate) fn inputs(input: &[u8]) {
    let Ok(mut file) = File::open(scratch::file(input)) else { return };
    let Ok(Some(form)) = Form::of(&mut file) else { return };
    let inside = |path: &[u8]| {
        let parts = path.split(|byte| *byte == b'/');
        parts.into_iter().all(|part| !part.is_empty() && part != b"." && part != b"..")
    };
    let read = inputs::read(&file, Path::new("archive"), form, &mut |entry: Entry<'_>| {
        assert!(inside(&entry.path), "{:?}", entry.path);
        if let Kind::HardLink(target) = &entry.kind {
            assert!(target.is_empty() || inside(target), "{target:?}");
        }
        // What a caller makes of an error of the archive must not hide it.
        let _ = io::copy(entry.reader, &mut io::sink());
        Ok::<_, InputError>(())
    });
    if let Err(error) = read {
        drop((error.to_string(), error.hint()));
    }
}
