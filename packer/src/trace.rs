//! `--trace`.

use std::ffi::OsString;

use crate::error::Error;
use crate::layers::Layers;
use crate::request::{Entry, Request};

pub(crate) fn trace(_: &Request, _: &mut Layers, _: &[Entry], _: &[OsString]) -> Result<(), Error> {
    Ok(())
}
