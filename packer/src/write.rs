//! From a tree to the bytes of a bundle: tar, compression, the header in front, and the whole file; and back.

pub(crate) mod assemble;
pub(crate) mod bundle_file;
pub(crate) mod check_bundle;
pub(crate) mod compress;
pub(crate) mod emulator_frame;
pub(crate) mod facts;
pub(crate) mod header;
pub(crate) mod names;
pub(crate) mod read_back;
pub(crate) mod room;
pub(crate) mod signature_rows;
pub(crate) mod similar;
pub(crate) mod summary;
pub(crate) mod tarball;
pub(crate) mod turns;
pub(crate) mod zstd_frame;
