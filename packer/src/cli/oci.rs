//! The options of `unibin oci`. Help texts as in `cli.rs`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use oci::Compression;

use crate::cli::parser::{ArgGroup, Args, value_parser};
use crate::cli::values::{Hosts, hosts};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").required(true).multiple(true).args(["output", "push"])))]
pub(crate) struct OciArgs {
    /// Bundle to make images of
    pub(crate) file: PathBuf,
    /// OCI layout to write: a directory that does not exist yet, or FILE.tar
    #[arg(short, long, value_name = "DIR|FILE.tar")]
    pub(crate) output: Option<PathBuf>,
    /// Push the images to a registry
    ///
    /// Uses the credentials of `docker login`, `podman login` or `skopeo login`.
    #[arg(long, value_name = "docker://REGISTRY/NAME[:TAG]")]
    pub(crate) push: Option<String>,
    /// Name in the OCI layout
    #[arg(long, value_name = "NAME", default_value = "latest", requires = "output", value_parser = tag)]
    pub(crate) tag: String,
    /// Architectures to make images for: comma-separated [default: all that the bundle runs on]
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
    /// Entry that the images start [default: the bundle's default]
    #[arg(long, value_name = "NAME")]
    pub(crate) entry: Option<String>,
    /// User that it runs as [default: 65532:65532; for a system its image's user, else root]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Compression of the layers: `zstd` is smaller, `gzip` works with every registry and runtime
    #[arg(long, value_name = "gzip|zstd", default_value = "gzip", value_parser = compression)]
    pub(crate) compression: Compression,
    /// Annotation of the index and the images, and label of the images (repeatable)
    ///
    /// For example, org.opencontainers.image.version=1.2.
    #[arg(long, value_name = "NAME=VALUE", value_parser = annotation)]
    pub(crate) annotation: Vec<(String, String)>,
    /// Push layers in pieces of N MiB, for proxies that refuse large requests
    #[arg(long, value_name = "N", requires = "push", hide_short_help = true)]
    #[arg(value_parser = value_parser!(u64).range(1..=1024))]
    pub(crate) piece: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        _ => Err("expected `gzip` or `zstd`".to_owned()),
    }
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// The image specification, "Pre-Defined Annotation Keys".
fn tag(text: &str) -> Result<String, String> {
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    let inside = |byte: u8| alphanumeric(byte) || b"-._:@+/".contains(&byte);
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    if bytes.iter().all(|byte| inside(*byte))
        && ends.is_some_and(|(a, b)| alphanumeric(*a) && alphanumeric(*b))
    {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits, and any of `-._:@+/` between them".to_owned())
    }
}
