//! What starts a bundle: the stub's text, the launchers and the brokers, from crate `templates`, which is
//! touched here only. `UNIBIN_LAUNCHERS=DIR` takes `launcher-HOST` and `broker-HOST` from a directory
//! instead, for trying those that are not committed yet.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::PathBuf;

use bundle::{Arch, Digest};
use emulator::Store;
use templates::StubLauncher;

use crate::byte_search;
use crate::cli::values::Head;
use crate::error::Error;
use crate::tree::content::Content;
use crate::write::compress::{self, Frame};
use crate::write::turns;

/// Where a launcher says how it was started: what stands there once before and after patching. Found by
/// itself: a launcher has no section headers.
const MARK_SH: &[u8; 16] = b"unibin-head:sh\0\0";
const MARK_ELF: &[u8; 16] = b"unibin-head:elf\0";

/// Length of the stub region in bytes.
pub(crate) const STUB_LEN: u64 = templates::STUB_LEN as u64;

/// How the stub begins, in every bundle with that head.
const STUB_START: &[u8] = b"#!/bin/sh\n# A unibin bundle: ";

/// No head is longer, in bytes: a launcher has at most 120 KiB (`cargo xtask verify`).
pub(crate) const LONGEST: usize = 128 * 1024;

/// Whether a file with this start begins as a bundle: with the stub, or with a launcher that knows that it is
/// a head. Other programs that hold the mark, such as this one, have section headers (`e_shoff` of the ELF
/// header).
pub(crate) fn is_start(start: &[u8]) -> bool {
    let sections = match start {
        [0x7f, b'E', b'L', b'F', 2, ..] => start.get(40..48),
        [0x7f, b'E', b'L', b'F', ..] => start.get(32..36),
        _ => return start.starts_with(STUB_START),
    };
    sections.is_some_and(|offset| offset.iter().all(|byte| *byte == 0))
        && start.windows(MARK_ELF.len()).any(|window| window == MARK_ELF)
}

/// The launcher for `host`.
fn launcher(host: Arch) -> Result<Vec<u8>, Error> {
    if let Some(directory) = std::env::var_os("UNIBIN_LAUNCHERS") {
        let path = PathBuf::from(directory).join(format!("launcher-{}", host.name()));
        return fs::read(&path).map_err(|source| Error::io("read", &path, source));
    }
    templates::launcher(host).map(Cow::into_owned).ok_or(Error::NoLauncher { host })
}

/// The broker for `host`.
pub(crate) fn broker(host: Arch) -> Result<Vec<u8>, Error> {
    if let Some(directory) = std::env::var_os("UNIBIN_LAUNCHERS") {
        let path = PathBuf::from(directory).join(format!("broker-{}", host.name()));
        return fs::read(&path).map_err(|source| Error::io("read", &path, source));
    }
    templates::broker(host).map(Cow::into_owned).ok_or(Error::NoBroker { host })
}

/// The brokers for these hosts: a launcher starts what is unpacked already, and leaves all else to them.
pub(crate) fn brokers(
    hosts: &[Arch],
    level: i32,
    store: Option<&Store>,
) -> Result<Vec<(Arch, Frame)>, Error> {
    let broker = |host: &Arch| Ok((*host, Content::from(broker(*host)?)));
    let brokers: Vec<(Arch, Content)> = hosts.iter().map(broker).collect::<Result<_, Error>>()?;
    let frame = |(host, broker): (Arch, Content)| Ok((host, compress::frame(&broker, level, store)?));
    let frames = turns::each(brokers, frame);
    frames.into_iter().collect::<io::Result<_>>().map_err(Error::Temporary)
}

/// The launchers for `hosts`.
pub(crate) fn launchers(hosts: &[Arch]) -> Result<Vec<(Arch, Vec<u8>)>, Error> {
    hosts.iter().map(|host| Ok((*host, launcher(*host)?))).collect()
}

/// The launcher for `host`, patched to know that the file begins with it.
pub(crate) fn as_head(host: Arch, launcher: &[u8]) -> Result<Vec<u8>, Error> {
    marked(host, launcher, MARK_SH, MARK_ELF)
}

/// The launcher for `host` that a file begins with, as it is behind a stub.
pub(crate) fn as_behind_stub(host: Arch, head: &[u8]) -> Result<Vec<u8>, Error> {
    marked(host, head, MARK_ELF, MARK_SH)
}

fn marked(host: Arch, launcher: &[u8], from: &[u8; 16], to: &[u8; 16]) -> Result<Vec<u8>, Error> {
    let one = |at: usize| byte_search::position(&launcher[at + 1..], from).is_none().then_some(at);
    let at = byte_search::position(launcher, from).and_then(one).ok_or(Error::NoHeadMark { host })?;
    let mut marked = launcher.to_vec();
    let mark = marked.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    *mark.ok_or(Error::NoHeadMark { host })? = *to;
    Ok(marked)
}

/// Whether there is what `head` starts with, for every host.
pub(crate) fn require(head: Head, hosts: &[Arch]) -> Result<(), Error> {
    match head {
        Head::Elf(host) => as_head(host, &launcher(host)?).map(drop),
        Head::Sh => launchers(hosts).map(drop),
    }
}

/// Where a launcher lies.
pub(crate) struct LauncherRange {
    pub(crate) host: Arch,
    pub(crate) digest: Digest,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The stub's text for launchers that lie so.
pub(crate) fn stub(launchers: &[LauncherRange]) -> Result<Vec<u8>, Error> {
    let rows: Vec<_> = launchers
        .iter()
        .map(|LauncherRange { host, digest, offset, length }| StubLauncher {
            host: *host,
            digest: *digest,
            offset: *offset,
            length: *length,
        })
        .collect();
    Ok(templates::stub(&rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_launcher_is_as_short_as_a_head_must_be() {
        for host in Arch::HOSTS {
            let launcher = templates::launcher(host).expect("a launcher for each host");
            assert!(launcher.len() <= LONGEST, "{host}: {} bytes", launcher.len());
        }
    }
}
