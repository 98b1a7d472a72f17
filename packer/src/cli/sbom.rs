//! The options of `unibin sbom`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use crate::cli::parser::Args;

/// A form of bills of materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BillFormat {
    /// CycloneDX 1.6, JSON.
    CycloneDx,
    /// SPDX 2.3, JSON.
    Spdx,
}

#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    /// Bundle to describe; nothing else is read
    pub(crate) file: PathBuf,
    /// Form: CycloneDX 1.6 or SPDX 2.3, both as JSON
    #[arg(long, value_name = "cyclonedx|spdx", default_value = "cyclonedx", value_parser = bill_format)]
    pub(crate) format: BillFormat,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Name of the app in it [default: that of the bundle's first program]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Version of the app in it [default: none]
    #[arg(long, value_name = "VERSION")]
    pub(crate) app_version: Option<String>,
}

pub(crate) fn bill_format(text: &str) -> Result<BillFormat, String> {
    match text {
        "cyclonedx" => Ok(BillFormat::CycloneDx),
        "spdx" => Ok(BillFormat::Spdx),
        _ => Err("expected `cyclonedx` or `spdx`".to_owned()),
    }
}
