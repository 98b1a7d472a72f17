//! Archives that `unibin pack` is given: tar, zip, rpm, AppImages.

use std::fs::File;
use std::io;
use std::path::Path;

use inputs::{Entry, Form, InputError, Kind, Reading};

use crate::scratch;

/// An archive: every entry that it yields is inside the tree.
pub(crate) fn inputs(input: &[u8]) {
    let Ok(mut file) = File::open(scratch::file(input)) else { return };
    let Ok(Some(form)) = Form::of(&mut file) else { return };
    let inside = |path: &[u8]| {
        let parts = path.split(|byte| *byte == b'/');
        parts.into_iter().all(|part| !part.is_empty() && part != b"." && part != b"..")
    };
    let mut visit = |entry: Entry<'_>| {
        assert!(inside(&entry.path), "{:?}", entry.path);
        if let Kind::HardLink(target) = &entry.kind {
            assert!(target.is_empty() || inside(target), "{target:?}");
        }
        // What a caller makes of an error of the archive must not hide it.
        let _ = io::copy(entry.reader, &mut io::sink());
        Ok::<_, InputError>(())
    };
    let path = Path::new("archive");
    let mut read = vec![inputs::read(&file, path, form, &mut visit)];
    if let Form::Tar(compression) = form {
        for reading in [Reading::Root, Reading::Layer] {
            read.push(inputs::read_tar(&file, path, compression, reading, &mut visit));
        }
    }
    for error in read.into_iter().filter_map(Result::err) {
        drop((error.to_string(), error.hint()));
    }
}
