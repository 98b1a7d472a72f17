//! What has been decided before anything is tried: the context of all attempts to execute the app.

use bundle::{Blob, Encoding, Entry, Manifest};

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
    /// Whether the app is a system.
    pub fn is_system(&self) -> bool {
        self.route.variant().app.encoding == Encoding::Root
    }

    /// Whether mounts give the app its view.
    pub fn has_mounts(&self) -> bool {
        let native = matches!(self.route, Route::Native(_));
        native && self.manifest.rules(self.route.variant().rules).any(|rule| rule.is_view())
    }

    /// The slot of a blob that needs no other one, filled where it is not there yet, or in any case
    /// (`afresh`).
    pub fn ensure(&self, cache: &Cache, blob: Blob<'_>, afresh: bool) -> Result<Slot, Error> {
        let afresh = afresh || self.controls.verify;
        unpack::ensure(cache, self.file, blob, None, false, afresh, self.log)
    }

    /// The slot of the app's tree. Cleaners of temporary directories take single files away: where the
    /// program or its loader is lost, all of it is made anew, as it is if it must not be trusted (`afresh`).
    pub fn ensure_app(&self, cache: &Cache, afresh: bool) -> Result<Slot, Error> {
        let variant = self.route.variant();
        let placed = !variant.loader.is_empty();
        let ensure =
            |afresh| unpack::ensure(cache, self.file, variant.app, variant.shared, placed, afresh, self.log);
        let file = |path| join(&[unpack::TREE.to_bytes(), b"/", path]);
        let files = [file(self.entry.path), file(variant.loader)];
        let lost = |slot: &Slot| {
            let gone =
                |file: &[u8]| sys::statat(At::CWD, slot.path_of(file), Follow::Yes) == Err(Errno::ENOENT);
            files.iter().take(1 + usize::from(placed)).copied().find(|file| gone(file))
        };
        let slot = ensure(afresh)?;
        // Where a root's links lead to only its own programs can tell.
        if cfg!(feature = "children") && self.is_system() {
            return Ok(slot);
        }
        let Some(file) = lost(&slot) else { return Ok(slot) };
        self.log.step("{} has lost {}: it is made anew", &[slot.path, file]);
        drop(slot);
        let slot = ensure(true)?;
        if lost(&slot).is_some() { Err(Errno::ENOENT.into()) } else { Ok(slot) }
    }
}
