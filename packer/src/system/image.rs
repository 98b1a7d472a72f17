//! Container images: layers applied to a tree, one over the other, and the configuration as rules.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use bundle::{components_of, directory_of, file_name_of, join};
use inputs::{Allowance, Reading};
use oci::{Config, DEFAULT_PATH, Found, Options, Platform};

use crate::error::{Error, SystemError, readable};
use crate::progress::Bars;
use crate::request::system::SystemRequest;
use crate::request::{Entry, Rule};
use crate::system::archive;
use crate::system::gathered::{Collector, Gathered, OF_IMAGES};
use crate::system::system_tree::SystemTree;

/// The start of a whiteout's name: it removes the file with the rest of the name (the OCI image
/// specification, "Image Layer Filesystem Changeset").
const WHITEOUT: &[u8] = b".wh.";

/// A whiteout that removes all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Files that AUFS made for itself, in old images.
const OF_AUFS: &[u8] = b".wh..wh.";

/// The caller's variables that a program in an image sees.
const KEPT: [&[u8]; 1] = [b"TERM"];

/// The image that was asked for, once for each platform.
pub(crate) fn take(
    reference: &OsStr,
    platforms: &[Platform],
    expected: &[Found],
    request: &SystemRequest,
) -> Result<Vec<Gathered>, Error> {
    let bars = Bars::default();
    let bar = bars.bar("image");
    let options = Options { offline: request.archive.offline, progress: &bar };
    let images = oci::open(reference, platforms, &options).map_err(SystemError::from)?;
    let found = |image: &oci::Image| Found { platform: image.platform.clone(), digest: image.digest };
    if !expected.is_empty() && !images.iter().map(found).eq(expected.iter().cloned()) {
        let name = reference.to_string_lossy().into_owned();
        return Err(SystemError::ImageChanged { name }.into());
    }
    let one = |image: oci::Image| -> Result<Gathered, Error> {
        let from = format!("{}, {}, sha256:{}", reference.display(), image.platform, image.digest);
        let mut into = Collector::new(from, &request.excludes, OF_IMAGES)?;
        let mut allowance = Allowance::of(0);
        for layer in &image.layers {
            allowance.add(layer.stored());
            apply(layer.reader(), layer.name(), &mut allowance, &mut into)?;
        }
        let mut gathered = into.gathered;
        gathered.is_image = true;
        gathered.target = image.platform.target();
        gathered.level = image.platform.level().unwrap_or_default();
        configure(&mut gathered, &image.config, request.entries.is_empty())?;
        Ok(gathered)
    };
    images.into_iter().map(one).collect()
}

/// Applies a layer, within the allowance that all layers of the image share.
fn apply(
    from: impl std::io::Read,
    name: &str,
    allowance: &mut Allowance,
    into: &mut Collector<'_>,
) -> Result<(), Error> {
    // What this layer has brought itself: whiteouts hide lower layers only, wherever they stand.
    let mut own: BTreeSet<Vec<u8>> = BTreeSet::new();
    inputs::read_tar_from(from, Path::new(name), Reading::Layer, allowance, &mut |entry| {
        let at = into.gathered.tree.real(&entry.path)?;
        let name = file_name_of(&at);
        if name == OPAQUE {
            hide_below(&mut into.gathered.tree, directory_of(&at), &own);
            return Ok(());
        }
        if components_of(&at).any(|part| part.starts_with(OF_AUFS)) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if !matches!(hidden, b"" | b"." | b"..") {
                hide(&mut into.gathered.tree, &join(directory_of(&at), hidden), &own);
            }
            return Ok(());
        }
        if at.is_empty() || into.leaves_out(&at) {
            return Ok(());
        }
        for directory in bundle::TreePath::new(&at).into_iter().flat_map(bundle::TreePath::ancestors) {
            own.insert(directory.bytes().to_vec());
        }
        own.insert(at.clone());
        // A layer may lack a directory that it puts something into.
        archive::put(into, &at, entry)
    })
}

/// Removes what lower layers have below `directory`.
fn hide_below(tree: &mut SystemTree, directory: &[u8], own: &BTreeSet<Vec<u8>>) {
    let names: Vec<Vec<u8>> = tree.names(directory).map(<[u8]>::to_vec).collect();
    for name in names {
        hide(tree, &join(directory, &name), own);
    }
}

/// Removes what lower layers have at `path`; a directory of this layer's stays.
fn hide(tree: &mut SystemTree, path: &[u8], own: &BTreeSet<Vec<u8>>) {
    if own.contains(path) {
        hide_below(tree, path, own);
    } else {
        tree.remove(path);
    }
}

/// An error that names what is wrong in a configuration, and the value.
type Refuse<'r> = &'r dyn Fn(&str, &str) -> Error;

/// Turns the configuration into an entry and rules.
fn configure(gathered: &mut Gathered, config: &Config, by_itself: bool) -> Result<(), Error> {
    let from = gathered.from.clone();
    let refuse = |what: &str, value: &str| {
        let what = format!("{what} `{}`", readable(value.as_bytes()));
        Error::from(SystemError::ImageConfig { from: from.clone(), what })
    };
    let (mut rules, path) = environment(config, &refuse)?;
    let directory = match &config.directory[..] {
        "" => "/".to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("/{relative}"),
    };
    rules.push(Rule::Directory(directory.clone().into()));
    if !config.user.is_empty() {
        rules.push(Rule::User(config.user.clone().into()));
    }
    if !config.stop_signal.is_empty() {
        match oci::signal(&config.stop_signal) {
            Some(number) => rules.push(Rule::StopSignal(number.to_string().into())),
            None => gathered.notes.push(format!("its stop signal `{}` is not known", config.stop_signal)),
        }
    }
    let entry = if by_itself {
        let program = |name: &str| {
            let found = find(&gathered.tree, name.as_bytes(), &path, directory.as_bytes());
            found.ok_or_else(|| refuse("there is no program", name))
        };
        entry(config, &program)?
    } else {
        None
    };
    let told =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
    gathered
        .notes
        .extend(told("volumes, which are ordinary directories here (UNIBIN_BIND)", &config.volumes));
    gathered.notes.extend(told("ports, which it opens on the host itself", &config.ports));
    if let Some(rule) = rules
        .iter()
        .chain(entry.iter().flat_map(|entry| &entry.rules))
        .find(|rule| !rule.borrowed().is_valid())
    {
        let rule = rule.borrowed();
        let (kind, parts) = rule.words();
        let parts = parts.map(readable).join(" ");
        return Err(refuse(kind, &parts));
    }
    gathered.rules = rules;
    gathered.entry = entry;
    Ok(())
}

/// The rules for the environment, and the value that `PATH` has in it.
fn environment(config: &Config, refuse: Refuse<'_>) -> Result<(Vec<Rule>, Vec<u8>), Error> {
    let mut rules: Vec<Rule> = KEPT.iter().map(|name| Rule::Keep(name.to_vec())).collect();
    let mut path = None;
    for variable in &config.environment {
        let (name, value) = variable
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| refuse("its environment has", variable))?;
        if name == "PATH" {
            path = Some(value);
        }
        rules.push(Rule::SetVariable { name: name.into(), value: value.into() });
    }
    if path.is_none() {
        rules.push(Rule::SetVariable { name: b"PATH".to_vec(), value: DEFAULT_PATH.into() });
    }
    Ok((rules, path.unwrap_or(DEFAULT_PATH).into()))
}

/// What the image starts; `program` finds a program of its root by name.
fn entry(config: &Config, program: &dyn Fn(&str) -> Result<Vec<u8>, Error>) -> Result<Option<Entry>, Error> {
    let of_arguments = |words: &[String], rule: fn(Vec<u8>) -> Rule| -> Vec<Rule> {
        words.iter().map(|word| rule(word.clone().into())).collect()
    };
    Ok(match (&config.entrypoint[..], &config.command[..]) {
        ([name, arguments @ ..], command) => {
            let mut entry = Entry::new(file_name_of(name.as_bytes()), &program(name)?);
            entry.rules = of_arguments(arguments, Rule::Argument);
            entry.rules.extend(of_arguments(command, Rule::DefaultArgument));
            Some(entry)
        }
        ([], [name, arguments @ ..]) => {
            let mut entry = Entry::new(file_name_of(name.as_bytes()), &program(name)?);
            entry.rules = of_arguments(arguments, Rule::DefaultArgument);
            entry.rules.push(Rule::Command);
            Some(entry)
        }
        ([], []) => None,
    })
}

/// The program called `name`: by its path, or else where `path`, as the variable PATH, says.
fn find(tree: &SystemTree, name: &[u8], path: &[u8], directory: &[u8]) -> Option<Vec<u8>> {
    let plain = |path: &[u8]| components_of(path).collect::<Vec<_>>().join(&b'/');
    let is_there = |path: &Vec<u8>| tree.program(path).is_some();
    if name.contains(&b'/') {
        let whole = if name.starts_with(b"/") { plain(name) } else { plain(&join(directory, name)) };
        return Some(whole).filter(is_there);
    }
    path.split(|byte| *byte == b':').map(|directory| join(&plain(directory), name)).find(is_there)
}

#[cfg(test)]
mod tests;
