//! The layers of all images, each made once: what every app finds, the app's tree, what several builds share,
//! the host's emulator. The tree's has the same digest on every host that emulates it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};

use bundle::{Arch, Blob, Encoding, Manifest, Translator, Variant};
use oci::{Compression, LayerWriter, NewLayer};

use crate::atomic_file;
use crate::error::{Error, readable};
use crate::image::route::Route;
use crate::image::start::{self, emulator_name};
use crate::image::{OWN, exec, members};
use crate::write::bundle_file::BundleFile;
use crate::write::tarball::{Member, Members};
use crate::write::turns;

/// An unprivileged user with a home, as in common base images.
const USER: u64 = 65532;
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &[u8] = b"root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n";

/// What a layer is made of.
#[derive(Clone, Copy, Debug)]
enum Job<'m> {
    Base(Variant<'m>),
    Tree(Blob<'m>),
    Emulator(Route<'m>, Translator<'m>),
    Exec(Route<'m>),
}

/// What tells layers apart: what for, the blob's place in the file, the host.
type Key = (u8, u64, Option<Arch>);

impl Job<'_> {
    fn key(&self) -> Key {
        match self {
            Self::Base(variant) => (0, variant.app.offset(), None),
            Self::Tree(blob) => (1, blob.offset(), None),
            Self::Emulator(route, row) => (2, row.blob.offset(), Some(route.host)),
            // The same for all builds that are native there.
            Self::Exec(route) => {
                (3, route.translator.map_or(0, |_| route.variant.app.offset()), Some(route.host))
            }
        }
    }
}

/// The jobs of one image, the lowest layer first.
fn jobs<'m>(route: &Route<'m>) -> Vec<Job<'m>> {
    let variant = route.variant;
    let trees = [Some(variant.app), variant.shared].into_iter().flatten().map(Job::Tree);
    let emulator = route.translator.map(|row| Job::Emulator(*route, row));
    let exec = Job::Exec(*route);
    [Job::Base(variant)].into_iter().chain(trees).chain(emulator).chain([exec]).collect()
}

/// The layers of each route.
pub(crate) fn layers(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    routes: &[Route<'_>],
    compression: Compression,
) -> Result<Vec<Vec<NewLayer>>, Error> {
    let mut wanted = BTreeMap::new();
    for job in routes.iter().flat_map(jobs) {
        wanted.entry(job.key()).or_insert(job);
    }
    let work = |(key, job): (Key, Job<'_>)| Ok((key, layer(bundle, manifest, &job, compression)?));
    let made = turns::each(wanted.into_iter().collect(), work);
    let made: BTreeMap<Key, NewLayer> = made.into_iter().collect::<Result<_, Error>>()?;
    let of_route =
        |route: &Route<'_>| jobs(route).iter().filter_map(|job| made.get(&job.key()).cloned()).collect();
    Ok(routes.iter().map(of_route).collect())
}

/// Whether a shell is in the root of a system.
pub(crate) fn has_shell(bundle: &BundleFile, variant: &Variant<'_>) -> Result<bool, Error> {
    if variant.app.encoding != Encoding::Root {
        return Ok(false);
    }
    let names = members::names(bundle, &variant.app)?;
    // `bin` is a directory, or leads to `usr/bin`.
    let is_merged = names.get(&b"bin"[..]).is_some_and(|is_link| *is_link);
    Ok(names.contains_key(&b"bin/sh"[..]) || is_merged && names.contains_key(&b"usr/bin/sh"[..]))
}

fn layer(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    job: &Job<'_>,
    compression: Compression,
) -> Result<NewLayer, Error> {
    let file = atomic_file::nameless().map_err(Error::Temporary)?;
    let mut writer = LayerWriter::new(file, compression).map_err(Error::Temporary)?;
    let what = match job {
        Job::Base(variant) => {
            base(bundle, manifest, variant, &mut writer)?;
            format!("unibin oci: accounts, and notices of the {} app", variant.target)
        }
        Job::Tree(blob) if blob.encoding == Encoding::Root => {
            members::root(bundle, blob, &mut writer)?;
            "unibin oci: the system".to_owned()
        }
        Job::Tree(blob) => {
            let mut tar = Members::new(&mut writer);
            members::tree(bundle, blob, &mut tar)?;
            tar.finish().map_err(Error::Temporary)?;
            format!("unibin oci: files of the app for {}", targets(manifest, blob))
        }
        Job::Emulator(route, row) => {
            emulator(bundle, manifest, route, row, &mut writer)?;
            format!("unibin oci: {} {} for {}", readable(row.name), readable(row.version), row.key.target)
        }
        Job::Exec(route) => {
            exec(manifest, route, &mut writer).map_err(Error::Temporary)?;
            format!("unibin oci: what starts programs on {}", route.host)
        }
    };
    writer.finish(&what).map_err(Error::Temporary)
}

/// What starts any program of the image.
fn exec(manifest: &Manifest<'_>, route: &Route<'_>, to: &mut dyn Write) -> std::io::Result<()> {
    let mut tar = Members::new(to);
    own(&mut tar, exec::NAME, "")?;
    let words = start::any_program(manifest, route);
    if let Some(program) = words.and_then(|words| exec::program(route.host, &words)) {
        let path = format!("{OWN}/{}", exec::NAME);
        tar.file(path.as_bytes(), Member::new(0o755), program.len() as u64, &mut &program[..])?;
    }
    tar.finish()
}

/// The architectures whose programs need a blob.
fn targets(manifest: &Manifest<'_>, blob: &Blob<'_>) -> String {
    let of = manifest.variants().filter(|row| row.app == *blob || row.shared == Some(*blob));
    crate::notices::once(of.map(|row| row.target.name()))
}

/// Accounts, mount points, a home, a `/tmp`: below the tree, so that what the tree has of these counts.
fn base(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    variant: &Variant<'_>,
    to: &mut dyn Write,
) -> Result<(), Error> {
    let text = notices(bundle, manifest, &variant.app)?;
    let wrote = (|| {
        let mut tar = Members::new(to);
        own(&mut tar, "app", &text)?;
        if variant.app.encoding != Encoding::Root {
            let file = |tar: &mut Members<'_>, path: &str, text: &[u8]| {
                tar.file(path.as_bytes(), Member::new(0o644), text.len() as u64, &mut &text[..])
            };
            for path in ["dev", "etc"] {
                tar.directory(path.as_bytes(), Member::new(0o755))?;
            }
            file(&mut tar, "etc/group", GROUP)?;
            file(&mut tar, "etc/passwd", PASSWD)?;
            tar.directory(b"home", Member::new(0o755))?;
            tar.directory(b"home/nonroot", Member { mode: 0o700, uid: USER, gid: USER })?;
            tar.directory(b"proc", Member::new(0o755))?;
            tar.directory(b"root", Member::new(0o700))?;
            tar.directory(b"sys", Member::new(0o755))?;
            tar.directory(b"tmp", Member::new(0o1777))?;
        }
        tar.finish()
    })();
    wrote.map_err(Error::Temporary)
}

/// The directory of what is not the app's, with what is owed for one part.
fn own(tar: &mut Members<'_>, part: &str, notices: &str) -> std::io::Result<()> {
    tar.directory(OWN.as_bytes(), Member::new(0o755))?;
    if notices.is_empty() {
        return Ok(());
    }
    let directory = format!("{OWN}/notices");
    tar.directory(directory.as_bytes(), Member::new(0o755))?;
    let path = format!("{directory}/{part}.txt");
    tar.file(path.as_bytes(), Member::new(0o644), notices.len() as u64, &mut notices.as_bytes())
}

fn emulator(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    route: &Route<'_>,
    row: &Translator<'_>,
    to: &mut dyn Write,
) -> Result<(), Error> {
    let name = emulator_name(route).unwrap_or_default();
    let text = notices(bundle, manifest, &row.blob)?;
    let mut tar = Members::new(to);
    own(&mut tar, "emulator", &text).map_err(Error::Temporary)?;
    let path = format!("{OWN}/{name}");
    members::emulator(bundle, &row.blob, row.member, |content, size| {
        tar.file(path.as_bytes(), Member::new(0o755), size, content)
    })?;
    let target = format!("../{name}");
    let wrote = (|| {
        tar.directory(format!("{OWN}/as").as_bytes(), Member::new(0o755))?;
        let mut names: Vec<&[u8]> = manifest.entries(&route.variant).map(|entry| entry.name).collect();
        if route.variant.app.encoding == Encoding::Root {
            names.push(b"sh");
        }
        names.sort_unstable();
        names.dedup();
        for name in names {
            tar.symlink(&[OWN.as_bytes(), b"/as/", name].concat(), target.as_bytes())?;
        }
        tar.finish()
    })();
    wrote.map_err(Error::Temporary)
}

/// What must accompany `blob`, as one text; each licence text once.
fn notices(bundle: &BundleFile, manifest: &Manifest<'_>, blob: &Blob<'_>) -> Result<String, Error> {
    let rows: Vec<_> = manifest.notices().filter(|row| row.subject == *blob).collect();
    let mut text = String::new();
    for row in &rows {
        let [licence, source, origin] = [row.licence, row.source, row.origin].map(readable);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "licence: {licence}\nsource:  {source}\norigin:  {origin}\n");
    }
    let mut done: Vec<Blob<'_>> = Vec::new();
    for row in &rows {
        if done.contains(&row.text) {
            continue;
        }
        done.push(row.text);
        let mut bytes = Vec::new();
        let read =
            bundle.unpacked(&row.text).and_then(|from| from.take(row.text.length()).read_to_end(&mut bytes));
        read.map_err(|source| Error::damaged(bundle.path(), "notices", &source))?;
        text += &String::from_utf8_lossy(&bytes);
        text += "\n";
    }
    Ok(text)
}
