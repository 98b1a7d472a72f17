//! A package for rpm: `rpmbuild` packs it, `rpm` checks its digests, lists it, and installs it in an empty
//! root.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::Arch;

use super::content::{Content, installed, said, stage};
use super::metadata::Package;
use crate::workspace::workspace;

const RELEASE: &str = "1";

pub(super) fn make(content: &Content, package: &Package, out: &Path) -> Result<PathBuf> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    let placed = stage(content, &package.metadata.rpm.assets(&workspace())?, &root)?;
    let top = scratch.path().join("top");
    fs::create_dir(&top)?;
    let spec = scratch.path().join("unibin.spec");
    fs::write(&spec, described(content, package, &root, &placed))?;
    let arch = name(content.arch);
    said(
        Command::new("rpmbuild")
            .arg("-bb")
            .arg("--define")
            .arg(format!("_topdir {}", top.display()))
            .args(["--target", &format!("{arch}-unknown-linux")])
            .arg(&spec)
            .env("SOURCE_DATE_EPOCH", content.epoch.to_string()),
    )?;
    let file = format!("unibin-{}-{RELEASE}.{arch}.rpm", env!("CARGO_PKG_VERSION"));
    let to = out.join(&file);
    let built = top.join("RPMS").join(arch).join(&file);
    fs::copy(&built, &to).with_context(|| format!("cannot copy `{}`", built.display()))?;
    check(content, &to, &placed)?;
    Ok(to)
}

/// What rpm calls an architecture.
fn name(arch: Arch) -> &'static str {
    match arch {
        Arch::Armv7 => "armv7hl",
        other => other.name(),
    }
}

/// The spec file. Nothing is built, stripped or compressed by it: the files are laid out already.
fn described(content: &Content, package: &Package, root: &Path, placed: &[PathBuf]) -> String {
    let long = &package.metadata.deb.extended_description;
    let mut spec = format!(
        "%global __os_install_post %{{nil}}\n%global debug_package %{{nil}}\n%global _build_id_links none\n\
         %global _buildhost localhost\n%global use_source_date_epoch_as_buildtime 1\n\
         %global clamp_mtime_to_source_date_epoch 1\n%global _binary_payload w19.zstdio\n\
         Name: unibin\nVersion: {}\nRelease: {RELEASE}\nSummary: {}\nLicense: {}\n",
        env!("CARGO_PKG_VERSION"),
        package.metadata.rpm.summary,
        package.metadata.rpm.license,
    );
    if content.is_static {
        spec += "AutoReqProv: no\n";
    }
    // Writing to a String cannot fail.
    let _ = write!(
        spec,
        "%description\n{long}\n%install\nmkdir -p %{{buildroot}}\ncp -a {}/. %{{buildroot}}/\n%files\n%defattr(-,root,root)\n",
        root.display()
    );
    for path in placed {
        let kind = if path.starts_with("usr/share/licenses") { "%license " } else { "" };
        let _ = writeln!(spec, "{kind}/{}", path.display());
    }
    spec
}

fn check(content: &Content, package: &Path, placed: &[PathBuf]) -> Result<()> {
    let package = package.to_str().context("the path is not UTF-8")?;
    let empty = tempfile::tempdir()?;
    let root = empty.path().to_str().context("the path is not UTF-8")?;
    let rpm = |words: &[&str]| {
        said(Command::new("rpm").args(["--root", root, "--dbpath", "/var/lib/rpm"]).args(words))
    };
    said(Command::new("rpm").args(["-K", "--nosignature", package]))?;
    let listed = said(Command::new("rpm").args(["-qp", "--nosignature", "--list", package]))?;
    for path in placed {
        let path = format!("/{}", path.display());
        ensure!(listed.lines().any(|line| line == path), "rpm does not list `{path}`");
    }
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: installing the .rpm, which wants root");
        return Ok(());
    }
    rpm(&["--initdb"])?;
    // The libraries of a dynamic one are not there.
    rpm(&["--install", "--nodeps", "--ignorearch", "--nosignature", package])?;
    installed(content, empty.path(), placed)?;
    rpm(&["--verify", "--nodeps", "unibin"])?;
    fs::write(empty.path().join("usr/share/doc/unibin/README.md"), "changed")?;
    ensure!(rpm(&["--verify", "--nodeps", "unibin"]).is_err(), "rpm does not see a changed file");
    rpm(&["--erase", "unibin"])?;
    ensure!(!empty.path().join("usr/bin/unibin").exists(), "it is still there after its removal");
    Ok(())
}
