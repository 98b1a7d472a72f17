//! What has been decided before anything is tried: the context of all attempts to execute the app.

use bundle::{Blob, Entry, Manifest};

use crate::bundle_file::BundleFile;
use crate::bytes::join;
use crate::cache::{Cache, Slot};
use crate::controls::Controls;
use crate::error::Error;
use crate::log::Log;
use crate::route::Route;
use crate::start::Start;
use crate::sys::{self, At, Errno, Follow};
use crate::unpack;

/// One run of the app.
pub struct Run<'a> {
    /// How the run was started.
    pub start: &'a Start<'a>,
    /// The `UNIBIN_*` controls.
    pub controls: &'a Controls<'a>,
    /// Where steps are reported.
    pub log: Log,
    /// The bundle.
    pub file: &'a BundleFile<'a>,
    /// Its manifest.
    pub manifest: &'a Manifest<'a>,
    /// Natively, or by which emulators.
    pub route: Route<'a>,
    /// Which program.
    pub entry: Entry<'a>,
}

impl Run<'_> {
    /// The slot of a blob that needs no other one, with this file of it. It is filled where it is not there
    /// yet, and filled anew where it has lost the file.
    pub fn ensure(&self, cache: &Cache, blob: Blob<'_>, file: &[u8]) -> Result<Slot, Error> {
        let ensure = |afresh| unpack::ensure(cache, self.file, blob, None, false, afresh, self.log);
        self.whole(ensure(self.controls.verify)?, &[file], ensure)
    }

    /// The slot of the app's tree, likewise, with the program and its loader.
    pub fn ensure_app(&self, cache: &Cache) -> Result<Slot, Error> {
        let variant = self.route.variant();
        let placed = !variant.loader.is_empty();
        let ensure =
            |afresh| unpack::ensure(cache, self.file, variant.app, variant.shared, placed, afresh, self.log);
        let file = |path| join(&[unpack::TREE.to_bytes(), b"/", path]);
        let files = [file(self.entry.path), file(variant.loader)];
        let files = files.get(..1 + usize::from(placed)).unwrap_or_default();
        self.whole(ensure(self.controls.verify)?, files, ensure)
    }

    /// Cleaners of temporary directories take single files away: what the start needs is looked for.
    fn whole(
        &self,
        slot: Slot,
        files: &[&[u8]],
        ensure: impl Fn(bool) -> Result<Slot, Error>,
    ) -> Result<Slot, Error> {
        let lost = |slot: &Slot| {
            let gone =
                |file: &&[u8]| sys::statat(At::CWD, slot.path_of(file), Follow::Yes) == Err(Errno::ENOENT);
            files.iter().copied().find(|file| gone(&file))
        };
        let Some(file) = lost(&slot) else { return Ok(slot) };
        self.log.step("{} has lost {}: it is made anew", &[slot.path, file]);
        drop(slot);
        let slot = ensure(true)?;
        match lost(&slot) {
            Some(_) => Err(Errno::ENOENT.into()),
            None => Ok(slot),
        }
    }
}
