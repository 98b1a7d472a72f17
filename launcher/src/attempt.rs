//! What has been decided before anything is tried: the context of all attempts to execute the app.

use bundle::{Blob, Entry, Manifest};

use crate::bundle_file::BundleFile;
use crate::cache::{Cache, Slot};
use crate::controls::Controls;
use crate::error::Error;
use crate::log::Log;
use crate::route::Route;
use crate::start::Start;
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
    /// The slot of a blob that needs no other one, filled where it is not there yet.
    pub fn ensure(&self, cache: &Cache, blob: Blob<'_>) -> Result<Slot, Error> {
        unpack::ensure(cache, self.file, blob, None, false, self.controls.verify, self.log)
    }

    /// The slot of the app's tree.
    pub fn ensure_app(&self, cache: &Cache) -> Result<Slot, Error> {
        let variant = self.route.variant();
        let placed = !variant.loader.is_empty();
        unpack::ensure(cache, self.file, variant.app, variant.shared, placed, self.controls.verify, self.log)
    }
}
