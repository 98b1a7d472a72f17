//! Systems: takes a root from its source, and decides how it is started: which program, for which
//! architecture, by which rules.

use std::io::Read as _;

use bundle::{Arch, components_of, file_name_of};

use crate::components::{owners, packages};
use crate::debootstrap::{self, PackStage};
use crate::error::{Error, SystemError, readable};
use crate::request::system::{SystemRequest, SystemSource};
use crate::request::{Contents, Entry, Request, Rule};
use crate::resolve::inventory::Inventory;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant, RootOfSystem};
use crate::system::gathered::Gathered;
use crate::system::system_tree::{self, SystemTree};
use crate::system::{archive, directory, image};
use crate::tree::app_tree::App;
use crate::tree::content::Content;
use inputs::elf::{self, Kind};

/// What root's shell is where `etc/passwd` does not say.
const SHELL: &[u8] = b"bin/sh";

/// Shells that are none: accounts with them cannot log in.
const NO_SHELLS: [&[u8]; 3] = [b"nologin", b"false", b"sync"];

/// The system that is emulated, and those that are native only, with their levels.
pub(crate) type Systems = (ResolvedApp, Vec<ResolvedVariant>);

/// The system that was asked for, once for each architecture that it is built for; the first is the one that
/// is emulated.
pub(crate) fn gathered(request: &SystemRequest, pack: &PackStage<'_>) -> Result<Systems, Error> {
    let all: Vec<Gathered> = match &request.source {
        SystemSource::Directory(path) => vec![directory::take(path, request)?],
        SystemSource::Archive { file, path, compression } => {
            vec![archive::take(file, path, *compression, request)?]
        }
        SystemSource::Debian(debian) => vec![debootstrap::take(debian, &request.archive, pack)?],
        SystemSource::Image { reference, platforms, expected } => {
            image::take(reference, platforms, expected, request)?
        }
    };
    let mut systems: Vec<ResolvedVariant> = Vec::new();
    for one in all {
        let variant = ResolvedVariant { level: one.level, resolved: resolved(one, request)? };
        if systems.iter().any(|other| other.key() == variant.key()) {
            let (target, level) = variant.key();
            return Err(Error::SameVariant { target, level: Some(level).filter(|level| *level != 0) });
        }
        systems.push(variant);
    }
    // What needs more than the baseline cannot be emulated, nor be what a launcher falls back to.
    let Some(first) = systems.iter().position(|variant| variant.level == 0) else {
        return Err(SystemError::NoBaseline.into());
    };
    Ok((systems.remove(first).resolved, systems))
}

/// The hosts that run a system natively besides those of its first architecture.
pub(crate) fn natives(request: &Request, others: &[ResolvedVariant]) -> Vec<Arch> {
    let whole = !matches!(request.contents, Contents::App(_));
    let baseline = others.iter().filter(|variant| variant.level == 0 && whole);
    baseline.map(|variant| variant.resolved.target).collect()
}

/// Decides how `root` is started.
pub(crate) fn resolved(root: Gathered, request: &SystemRequest) -> Result<ResolvedApp, Error> {
    let mut inventory = Inventory::of_system(&root);
    let facts = owners::of_system(&root.tree)?;
    inventory.packages = packages::rows(&facts);
    let Gathered { tree, from, is_image, target: said, entry: default, rules: of_source, owed, .. } = root;
    let mut rules =
        vec![Rule::Root(if is_image { b"image".to_vec() } else { b"system".to_vec() }), Rule::Program];
    let mut entries = Vec::new();
    for entry in &request.entries {
        if tree.program(&entry.path).is_none() {
            return Err(SystemError::NoSuchProgram { from, path: readable(&entry.path) }.into());
        }
        entries.push(entry.clone());
    }
    if entries.is_empty() {
        entries.push(match default {
            Some(entry) => entry,
            None => shell(&tree).ok_or_else(|| SystemError::NoShell { from: from.clone() })?,
        });
    }
    let target = target(&tree, &entries, said.or(request.target), &from)?;
    if let Some(wanted) = request.target.filter(|wanted| *wanted != target) {
        return Err(Error::OtherCpu { path: from.into(), found: target, wanted });
    }
    rules.extend(of_source);
    rules.extend(request.rules.iter().cloned());
    Ok(ResolvedApp {
        app: App::default(),
        root: Some(RootOfSystem { tree, is_image }),
        entries,
        target,
        loader: Vec::new(),
        rules,
        owed,
        facts,
        inventory,
    })
}

/// Root's shell, with which the user's arguments are a command instead.
pub(crate) fn shell(tree: &SystemTree) -> Option<Entry> {
    let of_root = roots_shell(tree).filter(|path| tree.program(path).is_some());
    let path = of_root.or_else(|| tree.program(SHELL).map(|_| SHELL.to_vec()))?;
    let mut entry = Entry::new(file_name_of(&path), &path);
    entry.rules.push(Rule::Command);
    Some(entry)
}

/// passwd(5): the seventh field of the first line with user number 0.
fn roots_shell(tree: &SystemTree) -> Option<Vec<u8>> {
    const PASSWD_MAX: u64 = 1 << 20;
    let mut text = Vec::new();
    let system_tree::Kind::File(passwd) = &tree.resolve(b"etc/passwd")?.1.kind else { return None };
    passwd.reader().take(PASSWD_MAX).read_to_end(&mut text).ok()?;
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let root =
        text.split(|byte| *byte == b'\n').map(fields).find(|fields| fields.get(2) == Some(&b"0".to_vec()))?;
    let path = components_of(root.get(6)?).collect::<Vec<_>>().join(&b'/');
    (!path.is_empty() && !NO_SHELLS.contains(&file_name_of(&path))).then_some(path)
}

/// For which architecture a system is: that of its first entry; if that is a script, of its interpreter or of
/// `/bin/sh`; else what the source says, or what its first program is for.
fn target(tree: &SystemTree, entries: &[Entry], said: Option<Arch>, from: &str) -> Result<Arch, Error> {
    let mut target = None;
    for path in entries.iter().map(|entry| entry.path.as_slice()) {
        let Some(found) = tree.program(path).map(|content| arch_of(tree, content)).transpose()?.flatten()
        else {
            continue;
        };
        let wanted = *target.get_or_insert(said.unwrap_or(found));
        if found != wanted {
            let path = format!("{from}: /{}", readable(path)).into();
            return Err(Error::OtherCpu { path, found, wanted });
        }
    }
    if let Some(target) = target {
        return Ok(target);
    }
    let shell = tree.program(SHELL).map(|content| arch_of(tree, content)).transpose()?.flatten();
    if let Some(target) = shell.or(said) {
        return Ok(target);
    }
    let mut found = Vec::new();
    for named in tree.iter() {
        if let system_tree::Kind::File(content) = &named.inode.kind
            && named.inode.mode & 0o111 != 0
            && let Ok(elf) = elf::read(&mut content.reader()).map_err(Error::Temporary)?
            && matches!(elf.kind, Kind::Static | Kind::Dynamic)
        {
            found.push(elf.arch);
            break;
        }
    }
    found.pop().ok_or_else(|| Error::WhichTarget { path: from.to_owned(), found: Vec::new() })
}

/// The architecture of a program; of a script, that of its interpreter.
fn arch_of(tree: &SystemTree, content: &Content) -> Result<Option<Arch>, Error> {
    const LINE_MAX: u64 = 256;
    let mut content = content;
    // As many as the kernel follows.
    for _ in 0..4 {
        if let Ok(elf) = elf::read(&mut content.reader()).map_err(Error::Temporary)? {
            return Ok(Some(elf.arch));
        }
        let mut line = Vec::new();
        content.reader().take(LINE_MAX).read_to_end(&mut line).map_err(Error::Temporary)?;
        let Some(line) = line.strip_prefix(b"#!") else { return Ok(None) };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let interpreter = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
        match interpreter.and_then(|path| tree.program(path)) {
            Some(next) => content = next,
            None => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::system_tree::{Inode, Kind as Node};

    fn tree(files: &[(&str, &str, u16)]) -> SystemTree {
        let mut tree = SystemTree::default();
        for (path, bytes, mode) in files {
            let kind = match bytes.strip_prefix("-> ") {
                Some(target) => Node::Symlink(target.as_bytes().to_vec()),
                None => Node::File(bytes.as_bytes().to_vec().into()),
            };
            tree.add(path.as_bytes(), Inode::of_root(kind, *mode)).expect("added");
        }
        tree
    }

    #[test]
    fn the_shell_is_roots_if_it_is_there_and_one() {
        let shell_of = |passwd: &str| {
            let tree = tree(&[
                ("etc/passwd", passwd, 0o644),
                ("bin", "-> usr/bin", 0o777),
                ("usr/bin/sh", "x", 0o755),
                ("usr/bin/bash", "x", 0o755),
                ("usr/bin/fish", "x", 0o644),
                ("usr/sbin/nologin", "x", 0o755),
            ]);
            shell(&tree).map(|entry| (entry.path, entry.name))
        };
        let bash = Some((b"bin/bash".to_vec(), b"bash".to_vec()));
        let sh = Some((b"bin/sh".to_vec(), b"sh".to_vec()));
        assert_eq!(shell_of("bin:x:2:2::/:/bin/sh\nroot:x:0:0:root:/root:/bin/bash\n"), bash);
        for other in [
            "",
            "root:x:0:0::/:/bin/fish",
            "root:x:0:0::/:/bin/zsh",
            "root:x:0:0::/:",
            "root:x:0:0::/:/usr/sbin/nologin",
        ] {
            assert_eq!(shell_of(other), sh, "{other}");
        }
        assert_eq!(shell(&tree(&[("bin/ls", "x", 0o755)])), None);
    }
}
