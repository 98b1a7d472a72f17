//! What has been decided before anything is tried: the context of all attempts to execute the app.

#[cfg(feature = "children")]
use bundle::Attends;
use bundle::{Encoding, Entry, Manifest};

use crate::bundle_file::BundleFile;
use crate::controls::Controls;
use crate::log::Log;
#[cfg(feature = "children")]
use crate::route::HOST;
use crate::route::Route;
use crate::start::Start;

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
}
