//! The launcher becomes the broker, where the bundle has one for this host. It says nothing when that fails: the app runs all the
//! same, without programs of its own CPU.

use bundle::Translator;

use crate::absolute::absolute;
use crate::bytes::c_string;
use crate::cache::Cache;
use crate::controls::Children;
use crate::launch::Places;
use crate::route::HOST;
use crate::run::Run;
use crate::sys::{self, Argv};
use crate::unpack;

/// Returns only when there is no broker or it cannot be executed.
pub fn attend(run: &Run<'_>, cache: &Cache, _: Option<&Translator<'_>>, _: &Places<'_>) {
    let Some(broker) = run.manifest.broker(HOST) else { return };
    if run.controls.children == Children::None {
        return;
    }
    let Ok(slot) = run.ensure(cache, broker, false) else { return };
    let start = run.start;
    let mut arguments = Argv::new();
    // As the stub calls a launcher, whose place says which cache it was found to be executable in.
    arguments.push(c_string(&[cache.path(), b"/launcher-broker"]));
    arguments.push(c_string(&[absolute(start.bundle.to_bytes())]));
    arguments.push(start.argv0);
    arguments.extend(start.arguments.iter().copied());
    let mut environment = Argv::new();
    environment.extend(start.process.env().iter().copied());
    sys::execve(slot.path_of(unpack::FILE.to_bytes()), &arguments, &environment);
}
