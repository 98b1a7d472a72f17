//! What has been decided before anything is tried: the context of all attempts to execute the app.

#[cfg(feature = "children")]
use bundle::Attends;
use bundle::{Blob, Encoding, Entry, Manifest};

use crate::bundle_file::BundleFile;
use crate::bytes::join;
use crate::cache::{Cache, Slot};
use crate::controls::Controls;
use crate::error::Error;
use crate::log::Log;
#[cfg(feature = "children")]
use crate::route::HOST;
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

    /// Whether a broker has to do with how the app runs. Else it only unpacks, and gives a native app its
    /// view.
    #[cfg(feature = "children")]
    pub fn is_attended(&self) -> bool {
        self.manifest.broker(HOST).is_some_and(|broker| broker.attends != Attends::Never)
    }

    /// The slot of a blob that needs no other one, filled where it is not there yet, or in any case
    /// (`afresh`).
    pub fn ensure(&self, cache: &Cache, blob: Blob<'_>, afresh: bool) -> Result<Slot, Error> {
        self.slot(cache, blob, None, false, afresh || self.controls.verify)
    }

    /// The slot of a blob as [`unpack::ensure`] has it.
    #[cfg(feature = "children")]
    fn slot(
        &self,
        cache: &Cache,
        blob: Blob<'_>,
        shared: Option<Blob<'_>>,
        placed: bool,
        afresh: bool,
    ) -> Result<Slot, Error> {
        unpack::ensure(cache, self.file, blob, shared, placed, afresh, self.log)
    }

    /// The same, if it is there. Where it is not the broker unpacks it, which this launcher becomes.
    #[cfg(not(feature = "children"))]
    fn slot(
        &self,
        cache: &Cache,
        blob: Blob<'_>,
        shared: Option<Blob<'_>>,
        placed: bool,
        afresh: bool,
    ) -> Result<Slot, Error> {
        let name = unpack::slot_name(cache, blob, shared, placed);
        let ready = if afresh { None } else { cache.ready(&name)? };
        ready.ok_or_else(|| crate::children::leave_to_broker_in(self, cache))
    }

    /// The slot of the app's tree. Cleaners of temporary directories take single files away: where the
    /// program or its loader is lost, all of it is made anew, as it is if it must not be trusted (`afresh`).
    pub fn ensure_app(&self, cache: &Cache, afresh: bool) -> Result<Slot, Error> {
        let variant = self.route.variant();
        let placed = !variant.loader.is_empty();
        let ensure = |afresh| self.slot(cache, variant.app, variant.shared, placed, afresh);
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
        // A launcher's broker says so.
        if cfg!(feature = "children") {
            self.log.step("{} has lost {}: it is made anew", &[slot.path, file]);
        }
        drop(slot);
        let slot = ensure(true)?;
        if lost(&slot).is_some() { Err(Errno::ENOENT.into()) } else { Ok(slot) }
    }
}
