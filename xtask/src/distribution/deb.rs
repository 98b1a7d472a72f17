//! A package of Debian's: `dpkg-deb` packs it, `dpkg` installs it in an empty root, verifies and removes it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::content::{Content, installed, said, stage};
use super::metadata::Package;
use crate::workspace::workspace;

/// Debian's word for this package's version of a release.
const REVISION: &str = "1";

pub(super) fn make(content: &Content, described: &Package, out: &Path) -> Result<PathBuf> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    let placed = stage(content, &described.metadata.deb.assets(&workspace())?, &root)?;
    let mut placed = placed;
    placed.push(copyright(content, &root)?);
    placed.sort();
    let control = root.join("DEBIAN");
    fs::create_dir(&control)?;
    fs::write(control.join("control"), fields(content, described, &root, &placed)?)?;
    let sums = said(Command::new("md5sum").args(&placed).current_dir(&root))?;
    fs::write(control.join("md5sums"), sums)?;
    let arch = content.arch.debian_name().context("Debian does not know this architecture")?;
    let version = env!("CARGO_PKG_VERSION");
    let package = out.join(format!("unibin_{version}-{REVISION}_{arch}.deb"));
    said(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([&root, &package])
            .env("SOURCE_DATE_EPOCH", content.epoch.to_string()),
    )?;
    check(content, &package, &placed)?;
    Ok(package)
}

/// Debian's description of licences, which each package has under this name.
fn copyright(content: &Content, root: &Path) -> Result<PathBuf> {
    let path = PathBuf::from("usr/share/doc/unibin/copyright");
    let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
        Upstream-Name: unibin\n\n\
        Files: *\nCopyright: The unibin project\nLicense: MIT or Apache-2.0\n\
        \x20The texts are in LICENSE-MIT and LICENSE-APACHE beside this file.\n\n\
        Files: usr/bin/unibin\nCopyright: The unibin project, and the authors of QEMU, glibc and GLib\n\
        License: (MIT or Apache-2.0) and GPL-2 and LGPL-2.1+\n\
        \x20Contains emulators that are builds of QEMU (GPL-2, in COPYING) with parts of glibc and GLib (LGPL-2.1+, in\n\
        \x20COPYING.LIB). distributing.md says where their sources are.\n";
    super::content::write(content, &root.join(&path), text)?;
    Ok(path)
}

/// deb-control(5).
fn fields(content: &Content, described: &Package, root: &Path, placed: &[PathBuf]) -> Result<String> {
    let mut length = 0;
    for path in placed {
        length += fs::metadata(root.join(path))?.len().div_ceil(1024);
    }
    let arch = content.arch.debian_name().context("Debian does not know this architecture")?;
    let table = &described.metadata.deb;
    let mut fields = String::new();
    let mut add = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(fields, "{name}: {value}");
    };
    add("Package", "unibin");
    add("Version", &format!("{}-{REVISION}", env!("CARGO_PKG_VERSION")));
    add("Architecture", arch);
    add("Maintainer", &table.maintainer);
    add("Installed-Size", &length.to_string());
    add("Section", &table.section);
    add("Priority", "optional");
    if !content.is_static {
        add("Depends", &depends(root)?);
    }
    add("Description", &format!("{}\n {}", described.description, table.extended_description));
    Ok(fields)
}

/// What a dynamic program needs, as `dpkg-shlibdeps` of dpkg-dev finds it.
fn depends(root: &Path) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    fs::create_dir(scratch.path().join("debian"))?;
    fs::write(
        scratch.path().join("debian/control"),
        "Source: unibin\n\nPackage: unibin\nArchitecture: any\n",
    )?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.arg("-O").arg("-e").arg(root.join("usr/bin/unibin")).current_dir(scratch.path());
    let told = said(&mut command)?;
    let line = told.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    line.map(ToOwned::to_owned).context("`dpkg-shlibdeps` tells nothing")
}

/// Installs it where nothing is, verifies it and removes it. Of those who are not root it is unpacked only.
fn check(content: &Content, package: &Path, placed: &[PathBuf]) -> Result<()> {
    let empty = tempfile::tempdir()?;
    let root = empty.path();
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: installing the .deb, which wants root; it is unpacked");
        said(Command::new("dpkg-deb").arg("-x").args([package, root]))?;
        return installed(content, root, placed);
    }
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::write(root.join("var/lib/dpkg/status"), "")?;
    let dpkg = |words: &[&str]| {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", root.display()));
        // The libraries of a dynamic one are not there.
        said(command.args(["--force-architecture", "--force-depends", "--log=/dev/null"]).args(words))
    };
    dpkg(&["--install", package.to_str().context("the path is not UTF-8")?])?;
    installed(content, root, placed)?;
    let listed = dpkg(&["--listfiles", "unibin"])?;
    for path in placed {
        let path = format!("/{}", path.display());
        ensure!(listed.lines().any(|line| line == path), "dpkg does not list `{path}`");
    }
    ensure!(dpkg(&["--verify", "unibin"])?.is_empty(), "dpkg finds other sums");
    // It looks at what is there: a changed file is found.
    fs::write(root.join("usr/share/doc/unibin/README.md"), "changed")?;
    let mut verify = Command::new("dpkg");
    verify.arg(format!("--root={}", root.display())).args(["--verify", "unibin"]);
    let told = verify.output().context("cannot run dpkg")?.stdout;
    ensure!(String::from_utf8_lossy(&told).contains("README.md"), "dpkg does not see a changed file");
    dpkg(&["--purge", "unibin"])?;
    ensure!(!root.join("usr/bin/unibin").exists(), "it is still there after its removal");
    Ok(())
}
