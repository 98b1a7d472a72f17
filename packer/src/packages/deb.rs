//! `--deb PKG`: the file trees of packages and their dependencies, merged as dpkg would merge them.
//! Documentation other than copyright files, manual pages and translations are left out. Maintainer scripts
//! are never run; the files beside this one make what some of them would have made.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::rc::Rc;

use bundle::{Arch, MERGED, file_name_of, join};
use debian::{Archive, Contents, Deb, DebEntry, DebKind, Holder, Package, PackageIndex};

use crate::cli::ArchiveArgs;
use crate::components::copyright;
use crate::components::owners::Origin;
use crate::components::packages::Known;
use crate::error::{Error, readable};
use crate::notices::{Owed, once};
use crate::packages::alternatives::{self, Offers};
use crate::packages::maintainer_scripts::{self, Made};
use crate::packages::suites::Lengths;
use crate::packages::{graphviz, java, php, r, suites};
use crate::request::LocalDeb;
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::spool::Spool;

/// Directories whose contents no program needs to run.
const LEFT_OUT: [&[u8]; 5] =
    [b"usr/share/man", b"usr/share/info", b"usr/share/lintian", b"usr/share/locale", b"usr/share/bug"];
const DOC: &[u8] = b"usr/share/doc";

/// The largest copyright file that is added to the notices, in bytes; longer ones are in the tree anyway.
pub(crate) const COPYRIGHT_MAX: u64 = 4 << 20;

/// An opened suite of a Debian archive, for one architecture.
pub(crate) struct Suite<'a> {
    archive: Archive<'a>,
    index: PackageIndex,
    name: String,
    target: Arch,
    debian_name: &'static str,
    /// Which packages contain which libraries, once that was asked for.
    contents: OnceCell<Contents>,
}

/// The files of several packages, merged.
#[derive(Debug)]
pub(crate) struct PackageTree {
    pub(crate) app: App,
    /// The package that each file comes from.
    pub(crate) origins: BTreeMap<Vec<u8>, Origin>,
    /// The packages, in the order in which they were added.
    pub(crate) packages: Vec<Known>,
    pub(crate) owed: Owed,
}

impl<'a> Suite<'a> {
    /// Opens the archive and reads its list of packages for `target`.
    pub(crate) fn open(
        args: &ArchiveArgs,
        target: Arch,
        progress: &'a dyn debian::Progress,
    ) -> Result<Self, Error> {
        let debian_name = target.debian_name().ok_or(Error::NotInDebian { target })?;
        let (archive, name) = suites::open(args, debian_name, progress)?;
        let index = archive.packages(debian_name)?;
        if let Some(note) = archive.note() {
            say::warning(&note);
        }
        Ok(Self { archive, index, name, target, debian_name, contents: OnceCell::new() })
    }

    /// The suite's name, as it was asked for.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The packages with these names, and their dependencies.
    pub(crate) fn closure(&self, names: &[&str]) -> Result<Vec<&Package>, Error> {
        self.closure_with(&[], names)
    }

    /// The same for packages that the archive need not have.
    pub(crate) fn closure_with<'p>(
        &'p self,
        local: &'p [LocalDeb],
        names: &[&str],
    ) -> Result<Vec<&'p Package>, Error> {
        for name in names {
            self.named(name)?;
        }
        let local: Vec<&Package> = local.iter().map(|local| &local.package).collect();
        Ok(debian::depends::closure_with(&self.index, &local, names)?)
    }

    /// How long `packages` are, and how much of them is to be fetched.
    pub(crate) fn lengths(&self, packages: &[&Package]) -> Lengths {
        Lengths::of(&self.archive, packages)
    }

    /// The package with this name, or one that provides it.
    pub(crate) fn named(&self, name: &str) -> Result<&Package, Error> {
        let found = self.index.find(name).or_else(|| self.index.providers(name).next());
        found.ok_or_else(|| {
            let near = self.index.did_you_mean(name).into_iter().map(str::to_owned).collect();
            let (name, suite) = (name.to_owned(), self.name.clone());
            Error::NoPackage { name, target: self.target, suite, near }
        })
    }

    /// The trees of `packages` as one.
    pub(crate) fn tree(&self, packages: &[&Package], spool: &mut Spool) -> Result<PackageTree, Error> {
        self.tree_with(packages, &[], spool)
    }

    /// The same where some of them are files of the user's.
    pub(crate) fn tree_with(
        &self,
        packages: &[&Package],
        local: &[LocalDeb],
        spool: &mut Spool,
    ) -> Result<PackageTree, Error> {
        let mut files = Files::merged()?;
        let mut choices = Vec::new();
        let mut texts = Vec::new();
        for package in packages {
            let own = local.iter().find(|local| std::ptr::eq(&raw const local.package, *package));
            let file = own.map_or_else(|| self.archive.download(package), |own| Ok(own.path.clone()))?;
            let deb = Deb::open(&file)?;
            texts.push((*package, files.unpack(&deb, &package.name, spool)?));
            let Offers { choices: own, unknown } = offers(&deb)?;
            choices.extend(own);
            for name in unknown {
                say::warning(&format!(
                    "package `{}`: where its alternative `{}` leads cannot be read from its script",
                    package.name,
                    readable(name.as_bytes())
                ));
            }
        }
        files.made(alternatives::links(&files.app, choices)?)?;
        files.made(php::configured(&files.app)?)?;
        files.made(graphviz::configured(&files.app)?)?;
        files.made(r::configured(&files.app)?.into_iter().collect())?;
        files.made(maintainer_scripts::certificates(&files.app)?)?;
        files.made(java::certificates(&files.app)?.into_iter().collect())?;
        files.drop_unused_links();
        let distribution = suites::distribution(&self.archive);
        let known = |(package, text): &(&Package, String)| {
            Known::of(package, Some(&distribution), copyright::licences(text))
        };
        Ok(PackageTree {
            app: files.app,
            origins: files.origins,
            packages: texts.iter().map(known).collect(),
            owed: owed(&texts, &self.name),
        })
    }

    /// One file of a package, at most `max` bytes long, and what is owed for it.
    pub(crate) fn file(&self, name: &str, path: &str, max: u64) -> Result<(Option<Vec<u8>>, Owed), Error> {
        let package = self.named(name)?;
        let deb = self.archive.download(package)?;
        let read = |path: &str, max| Ok::<_, Error>(Deb::open(&deb)?.read(path, max)?);
        let copyright = read(&format!("usr/share/doc/{}/copyright", package.name), COPYRIGHT_MAX)?;
        let text = String::from_utf8_lossy(&copyright.unwrap_or_default()).into_owned();
        Ok((read(path, max)?, owed(&[(package, text)], &self.name)))
    }

    /// The packages that contain a library or loader with this file name, and its path.
    pub(crate) fn holders(&self, name: &[u8]) -> Result<&[Holder], Error> {
        if let Some(contents) = self.contents.get() {
            return Ok(contents.holders(name));
        }
        let is_library = |path: &[u8]| {
            let name = file_name_of(path);
            (path.starts_with(b"usr/lib") || path.starts_with(b"lib"))
                && name.windows(3).any(|part| part == b".so")
        };
        let read = self.archive.contents(self.debian_name, is_library)?;
        Ok(self.contents.get_or_init(|| read).holders(name))
    }
}

/// What the package's script passes to `update-alternatives`.
fn offers(deb: &Deb) -> Result<Offers, Error> {
    let script = deb.control_file("postinst")?;
    Ok(script.map(|script| alternatives::offers(&script)).unwrap_or_default())
}

/// The files of packages, as far as they are unpacked.
struct Files {
    app: App,
    origins: BTreeMap<Vec<u8>, Origin>,
}

impl Files {
    /// Nothing but the links that Debian's `base-files` has, so that all packages meet in one `/usr`.
    fn merged() -> Result<Self, Error> {
        let mut app = App::default();
        for name in MERGED {
            let merged = join(b"usr", name);
            // A package of unmerged times has directories of these names, which must find one there.
            app.add(&merged, Node::Directory)?;
            app.add(name, Node::Symlink(merged))?;
        }
        Ok(Self { app, origins: BTreeMap::new() })
    }

    /// Removes those of the links behind which nothing is.
    fn drop_unused_links(&mut self) {
        for name in MERGED {
            let merged = join(b"usr", name);
            if self.app.names(&merged).next().is_none() {
                self.app.remove(&|path| path == name || path == merged.as_slice());
            }
        }
    }

    /// Adds the files that a program may need; returns the text of the copyright file.
    fn unpack(&mut self, deb: &Deb, name: &str, spool: &mut Spool) -> Result<String, Error> {
        let label: Rc<str> = name.into();
        let mut copyright = String::new();
        let copyright_path = format!("usr/share/doc/{name}/copyright");
        deb.entries::<Error>(|entry| {
            let DebEntry { path, kind, mode, size, reader, .. } = entry;
            if is_left_out(&self.app.real(&path)?, kind == DebKind::Dir) {
                return Ok(ControlFlow::Continue(()));
            }
            let node = match kind {
                DebKind::Dir => Node::Directory,
                DebKind::Symlink { target } => Node::Symlink(target),
                DebKind::Hardlink { target } => Node::HardLink(target),
                DebKind::File => {
                    if mode & 0o7000 != 0 {
                        say::warning(&format!(
                            "`{}`: set-user-ID and set-group-ID bits are dropped",
                            readable(&path)
                        ));
                    }
                    let content = spool.append(reader)?;
                    if path == copyright_path.as_bytes() && size <= COPYRIGHT_MAX {
                        let mut text = Vec::new();
                        content.reader().read_to_end(&mut text).map_err(Error::Temporary)?;
                        copyright = String::from_utf8_lossy(&text).into_owned();
                    }
                    Node::File { executable: mode & 0o111 != 0, content }
                }
            };
            // A later package's file replaces an earlier one's, as dpkg allows with `Replaces`.
            let is_directory = matches!(node, Node::Directory);
            let place = self.app.place(&path, node)?;
            if !is_directory {
                self.origins.insert(place, Origin::Package(Rc::clone(&label)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(copyright)
    }

    fn made(&mut self, made: Vec<Made>) -> Result<(), Error> {
        for Made { path, node } in made {
            let place = self.app.place(&path, node)?;
            self.origins.insert(place, Origin::other(maintainer_scripts::ORIGIN));
        }
        Ok(())
    }
}

fn is_left_out(path: &[u8], directory: bool) -> bool {
    let under = |root: &[u8]| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    // Directories of documentation are created by the copyright file in them.
    LEFT_OUT.into_iter().any(under) || (under(DOC) && (directory || file_name_of(path) != b"copyright"))
}

/// The notices for all packages together.
pub(crate) fn owed(texts: &[(&Package, String)], suite: &str) -> Owed {
    let list = |one: &dyn Fn(&Package) -> String| once(texts.iter().map(|(package, _)| one(package)));
    let origin = |package: &Package| format!("{}, sha256 {}", package.filename, package.sha256);
    let text = match texts {
        [(_, only)] => only.clone(),
        _ => texts.iter().fold(String::new(), |all, (package, text)| {
            all + &format!("==== {} {}\n\n{text}\n", package.name, package.version)
        }),
    };
    Owed {
        // Debian's copyright files name licences per file, not as one SPDX expression.
        licence: "NOASSERTION".to_owned(),
        source: list(&|package| format!("{} {}", package.source, package.source_version)),
        origin: format!("Debian archive, suite {suite}: {}", list(&origin)),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_documentation_only_the_copyright_stays() {
        for out in
            [&b"usr/share/man"[..], b"usr/share/man/man1/a.1.gz", b"usr/share/doc/a", b"usr/share/doc/a/NEWS"]
        {
            assert!(is_left_out(out, out.ends_with(b"a")), "{}", readable(out));
        }
        for kept in
            [&b"usr/share/doc/a/copyright"[..], b"usr/share/manual", b"usr/share/docs/x", b"usr/bin/a"]
        {
            assert!(!is_left_out(kept, false), "{}", readable(kept));
        }
    }

    #[test]
    fn files_outside_usr_lie_in_it_and_links_that_merge_nothing_are_left_out() {
        let file = || Node::File { executable: true, content: b"x".to_vec().into() };
        let mut files = Files::merged().expect("links");
        let mut place = |path: &[u8], node| files.app.place(path, node).expect("placed");
        // A package of unmerged times begins with its directories.
        assert_eq!(place(b"lib", Node::Directory), b"lib");
        assert_eq!(place(b"lib/x/liba.so", file()), b"usr/lib/x/liba.so");
        assert_eq!(
            place(b"lib/x/liba.so.1", Node::HardLink(b"lib/x/liba.so".to_vec())),
            b"usr/lib/x/liba.so.1"
        );
        // What `base-files` has, as a package of unmerged times and of ours.
        assert_eq!(place(b"lib", Node::Directory), b"lib");
        assert_eq!(place(b"lib", Node::Symlink(b"usr/lib".to_vec())), b"lib");
        // An alternative of a package whose author thinks of `/lib` (cpp).
        assert_eq!(place(b"lib/cpp", Node::Symlink(b"/etc/alternatives/cpp".to_vec())), b"usr/lib/cpp");
        assert_eq!(place(b"library/x", file()), b"library/x");
        assert_eq!(files.app.file(b"lib/x/liba.so.1").expect("a file").0, b"usr/lib/x/liba.so");
        files.drop_unused_links();
        assert!(matches!(files.app.get(b"lib"), Some(Node::Symlink(to)) if to == b"usr/lib"));
        assert!(files.app.get(b"lib64").is_none());
    }
}
