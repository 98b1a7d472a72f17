//! The slots of what the app needs: ready, or unpacked now; a launcher leaves that to the broker.

use bundle::Blob;

use crate::attempt::Run;
use crate::bytes::join;
use crate::cache::{Cache, Slot};
use crate::error::Error;
use crate::sys::{self, At, Errno, Follow};
use crate::unpack;

impl Run<'_> {
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
