//! Container images: OCI layouts as directories and as archives, archives of `docker save`, registries. Every
//! blob is compared with its digest and its size before it is handed over. Nothing is unpacked or executed;
//! layers are handed over as files without a name, for the caller to apply.

mod platform;

pub use crate::platform::Platform;
