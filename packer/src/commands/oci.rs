//! `unibin oci`: container images for all hosts of a bundle under one name, as an OCI layout or in a
//! registry. Executes nothing; the same bundle and options give the same digests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use bundle::{Arch, Entry, Manifest};
use oci::{Destination, NewImage, NewIndex, PushOptions};
use serde::Serialize;

use crate::atomic_file::{NewDirectory, NewFile};
use crate::cli::oci::OciArgs;
use crate::error::{ComposeError, Error, ImageError, readable, shown};
use crate::image::route::{self, Route};
use crate::image::{layers, start};
use crate::json;
use crate::progress::Bars;
use crate::source_date;
use crate::units::size;
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;

const TITLE: &str = "org.opencontainers.image.title";

/// What was made, for people and as JSON.
#[derive(Serialize)]
struct Made {
    /// Name of the index: its digest.
    digest: String,
    /// Length of all parts together, in bytes.
    length: u64,
    images: Vec<MadeImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedTo>,
}

#[derive(Serialize)]
struct MadeImage {
    platform: String,
    digest: String,
    /// The architecture that is emulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emulator: Option<String>,
    /// Whether the programs that the app starts run.
    children: bool,
    /// The largest memory pages that the emulator supports, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u64>,
    user: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    layers: Vec<MadeLayer>,
}

#[derive(Serialize)]
struct MadeLayer {
    digest: String,
    length: u64,
}

#[derive(Serialize)]
struct PushedTo {
    name: String,
    sent: u64,
    there: u64,
}

/// Makes what was asked for, and tells about it.
pub(crate) fn oci(args: &OciArgs) -> Result<String, Error> {
    // A fixed time, unless the build gives one.
    let created = source_date::given()?.unwrap_or_else(|| source_date::NONE.to_owned());
    let to = args.push.as_deref().map(Destination::parse).transpose().map_err(ImageError::from)?;
    let bundle = BundleFile::open(&args.file)?;
    // Before the first byte is written: what is damaged is not handed on.
    check_bundle::plausible(&bundle)?;
    check_bundle::whole(&bundle)?;
    let manifest = bundle.manifest()?;
    let routes = routes(args, &manifest)?;

    let mut images = Vec::new();
    let made = layers::layers(&bundle, &manifest, &routes, args.compression)?;
    for (route, layers) in routes.iter().zip(made) {
        let entry = entry(args, &manifest, route)?;
        let has_shell = route.translator.is_some() && layers::has_shell(&bundle, &route.variant)?;
        let mut config = start::config(&manifest, route, &entry, args.user.as_deref(), has_shell)?;
        config.labels = args.annotation.iter().cloned().collect();
        images.push(NewImage { platform: route.platform(), config, layers });
    }
    let index = NewIndex::new(&images, &annotations(args, &manifest), &created);

    let mut report = report(&manifest, &routes, &images, &index);
    if let Some(output) = &args.output {
        write(&index, output, args)?;
        report.output = Some(output.display().to_string());
    }
    if let Some(to) = to {
        let bar = Bars::default().bar("pushing");
        let options = PushOptions { piece: args.piece.map(|piece| piece << 20), progress: &bar };
        let done = oci::push(&index, to, &options).map_err(ImageError::from)?;
        report.pushed = Some(PushedTo { name: done.name, sent: done.sent, there: done.there });
    }
    Ok(if args.json { json::text(&report) } else { report.text() })
}

/// The images to make. Hosts whose emulator cannot run a system are left out unless they were named.
fn routes<'m>(args: &OciArgs, manifest: &Manifest<'m>) -> Result<Vec<Route<'m>>, Error> {
    let path = &args.file;
    let (mut routes, missing) = route::routes(manifest, args.hosts.as_ref());
    if !missing.is_empty() {
        let (all, _) = route::routes(manifest, None);
        let mut served: Vec<Arch> = all.iter().map(|route| route.host).collect();
        served.dedup();
        return Err(ComposeError::NotServed { path: path.clone(), missing, served }.into());
    }
    if !matches!(args.hosts, Some(crate::cli::values::Hosts::Listed(_))) {
        let is_system = |route: &Route<'_>| route.variant.app.encoding == bundle::Encoding::Root;
        routes.retain(|route| !is_system(route) || route.runs_children(manifest));
    }
    if routes.is_empty() { Err(ImageError::NoHost { path: path.clone() }.into()) } else { Ok(routes) }
}

/// The entry that an image starts.
fn entry<'m>(args: &OciArgs, manifest: &Manifest<'m>, route: &Route<'m>) -> Result<Entry<'m>, Error> {
    let wanted = |entry: &Entry<'_>| args.entry.as_ref().is_none_or(|name| entry.name == name.as_bytes());
    manifest.entries(&route.variant).find(wanted).ok_or_else(|| {
        let names = manifest.entries(&route.variant).map(|entry| readable(entry.name)).collect();
        let name = args.entry.clone().unwrap_or_default();
        ImageError::NoSuchEntry { path: args.file.clone(), name, target: route.variant.target, names }.into()
    })
}

fn annotations(args: &OciArgs, manifest: &Manifest<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let default = manifest.variants().next().and_then(|variant| manifest.entries(&variant).next());
    let title = args.entry.clone().or_else(|| default.map(|entry| readable(entry.name)));
    all.extend(title.map(|title| (TITLE.to_owned(), title)));
    all.extend(args.annotation.iter().cloned());
    all
}

fn write(index: &NewIndex, output: &Path, args: &OciArgs) -> Result<(), Error> {
    let failed = |source| Error::io("write", output, source);
    if output.extension() != Some(OsStr::new("tar")) {
        let new = NewDirectory::beside(output).map_err(failed)?;
        index.write_directory(new.path(), &args.tag).map_err(failed)?;
        return new.settle().map_err(failed);
    }
    if let Ok(found) = output.metadata().map(|found| found.file_type()).map_err(|_| ())
        && !found.is_file()
    {
        return Err(Error::OutputNotAFile { path: output.to_owned(), found: crate::error::kind_of(found) });
    }
    let new = NewFile::plain(output).map_err(failed)?;
    let mut to = BufWriter::new(&new.file);
    let name = docker_name(args);
    index.write_archive(&mut to, &args.tag, name.as_deref()).and_then(|()| to.flush()).map_err(failed)?;
    drop(to);
    new.settle().map_err(failed)
}

/// What `docker load` calls the image: `NAME:TAG`.
fn docker_name(args: &OciArgs) -> Option<String> {
    if args.tag.contains(':') {
        return Some(args.tag.clone());
    }
    let name = args.file.file_stem()?.to_str()?.to_ascii_lowercase();
    let fits = |text: &str, more: &[u8]| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
        text.bytes().all(|byte| is_plain(byte) || more.contains(&byte))
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().last().is_some_and(is_plain)
    };
    (fits(&name, b"") && fits(&args.tag, b"-._")).then(|| format!("{name}:{}", args.tag))
}

fn report(manifest: &Manifest<'_>, routes: &[Route<'_>], images: &[NewImage], index: &NewIndex) -> Made {
    let rows = routes.iter().zip(images).zip(index.images());
    let row =
        |((route, image), (platform, digest)): ((&Route<'_>, &NewImage), (&oci::Platform, _))| MadeImage {
            platform: platform.to_string(),
            digest: format!("sha256:{digest}"),
            target: route.translator.map(|row| row.key.target.name()),
            emulator: route.translator.map(|row| format!("{} {}", readable(row.name), readable(row.version))),
            children: route.runs_children(manifest),
            pages: route.pages(manifest),
            user: image.config.user.clone(),
            entrypoint: image.config.entrypoint.clone(),
            command: image.config.command.clone(),
            layers: image
                .layers
                .iter()
                .map(|layer| MadeLayer {
                    digest: format!("sha256:{}", layer.digest()),
                    length: layer.stored(),
                })
                .collect(),
        };
    Made {
        digest: format!("sha256:{}", index.digest()),
        length: index.length(),
        images: rows.map(row).collect(),
        output: None,
        pushed: None,
    }
}

impl Made {
    fn text(&self) -> String {
        let mut text = String::new();
        let to = self.output.as_deref().map(|output| shown(Path::new(output)));
        let _ = writeln!(text, "{}{}", to.map_or_else(String::new, |to| to + ": "), size(self.length));
        for image in &self.images {
            let by = match (&image.target, &image.emulator) {
                (Some(target), Some(emulator)) => format!("{target} by {emulator}"),
                _ => "native".to_owned(),
            };
            let length = image.layers.iter().map(|layer| layer.length).sum();
            let _ = writeln!(text, "  {:<16} {:>10}  {by}", image.platform, size(length));
        }
        if let Some(first) = self.images.first() {
            let user = if first.user.is_empty() { "root" } else { &first.user };
            let _ = writeln!(text, "  user             {user}");
        }
        let named = |wanted: &dyn Fn(&&MadeImage) -> bool| {
            self.images
                .iter()
                .filter(wanted)
                .map(|image| image.platform.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let childless = named(&|image| !image.children);
        if !childless.is_empty() {
            let _ = writeln!(
                text,
                "  note: on {childless} the app cannot start programs of its own architecture"
            );
        }
        for image in &self.images {
            if let Some(pages) = image.pages {
                let pages = size(pages);
                let _ =
                    writeln!(text, "  note: on {} it needs memory pages of {pages} at most", image.platform);
            }
        }
        let _ = writeln!(text, "  {}", self.digest);
        if let Some(PushedTo { name, sent, there }) = &self.pushed {
            let _ = writeln!(text, "{name}: {} sent, {} were there", size(*sent), size(*there));
        }
        text
    }
}
