//! What a bundle does for those who have nothing but the bundle: `UNIBIN_DO=info`, `notices`, `verify` and
//! `extract`.
//! None of them executes anything of it. A launcher leaves all of them to its broker.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{BlobKind, Manifest, Signatures, Variant};

use crate::absolute::absolute;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, decimal, join, name, printable, zeroed};
use crate::cache::remove_tree;
use crate::controls::Controls;
use crate::error::Error;
use crate::hash::Sha256;
use crate::progress::Progress;
use crate::route::{HOST, base_name};
use crate::start::Start;
use crate::sys::{self, At, Errno, Follow, OFlags, Rename};
use crate::tar::ROOTS;
use crate::unpack::write_trees;
use crate::way;

/// Gaps are read in pieces of this size.
const PIECE: usize = 128 * 1024;

/// A text that a bundle prints has at most this many bytes: it is held in memory until its digest is known to
/// be right.
const LONGEST_TEXT: u64 = 16 * 1024 * 1024;

/// Prints what is inside: what only this run knows, then the packer's own summary.
pub fn info(file: &BundleFile<'_>, manifest: &Manifest<'_>) -> Result<i32, Error> {
    let signers = || Signatures::keys(file.signatures());
    print(join(&[
        b"bundle: ",
        name(file.name()),
        b"\nsize: ",
        decimal(file.footer().file_length),
        b" bytes\nmanifest: sha256 ",
        &file.footer().manifest_digest.to_hex(),
        b"\nthis host: ",
        HOST.name().as_bytes(),
        b"\nsignatures inside: ",
        decimal(signers().count() as u64),
        b" (`unibin verify` checks them)\n",
    ]))?;
    for key in signers() {
        print(join(&[b"  by the key SHA256:", &fingerprint(key), b"\n"]))?;
    }
    print(b"its packer's summary:\n")?;
    // Set off, so that no line of it looks like one of ours.
    texts(file, manifest, BlobKind::Summary, b"  ")
}

/// A key's fingerprint as `ssh-keygen -l` shows it: SHA-256 of the key as OpenSSH writes it (RFC 8709), in
/// base64 (RFC 4648) without padding.
fn fingerprint(key: &[u8]) -> [u8; 43] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = Sha256::of(join(&[b"\0\0\0\x0bssh-ed25519\0\0\0 ", key])).0;
    core::array::from_fn(|digit| {
        // Six bits, of one byte or of two.
        let bit = digit.wrapping_mul(6);
        let byte = |number: usize| u16::from(bytes.get(number).copied().unwrap_or(0));
        let both = byte(bit / 8) << 8 | byte((bit / 8).wrapping_add(1));
        let six = both >> 10usize.wrapping_sub(bit % 8) & 63;
        DIGITS.get(usize::from(six)).copied().unwrap_or(0)
    })
}

/// Prints every text of this kind, with `margin` before each line.
pub fn texts(
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
    kind: BlobKind,
    margin: &[u8],
) -> Result<i32, Error> {
    for blob in manifest.blobs().filter(|blob| blob.kind == kind) {
        let length = usize::try_from(blob.length().min(LONGEST_TEXT)).unwrap_or(0);
        let mut text = Vec::new();
        BlobReader::open(file, blob)?.each(None, &mut |piece| {
            let room = length.saturating_sub(text.len()).min(piece.len());
            text.extend_from_slice(piece.get(..room).unwrap_or_default());
            Ok(())
        })?;
        let mut lines = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            lines.extend_from_slice(margin);
            lines.extend_from_slice(line);
        }
        print(&lines)?;
    }
    Ok(0)
}

/// On standard output; nothing that a bundle says can steer a terminal.
pub fn print(text: &[u8]) -> Result<(), Error> {
    sys::stdout(printable(text)).map_err(|errno| Error::cannot_write(b"standard output", errno.text()))
}

/// Checks every byte of the bundle and says so.
pub fn verify(file: &BundleFile<'_>, manifest: &Manifest<'_>) -> Result<(), Error> {
    check_blobs(file, manifest)?;
    print(join(&[b"unibin: every byte of `", name(file.name()), b"` is as it was packed\n"]))
}

/// Compares every stored and every unpacked byte with the manifest's digests, and the gaps between blobs with
/// zero.
pub fn check_blobs(file: &BundleFile<'_>, manifest: &Manifest<'_>) -> Result<(), Error> {
    let mut free = 0;
    for blob in manifest.blobs() {
        check_gap(file, free, blob.offset())?;
        // Every byte that is stored has its digest before it is unpacked.
        BlobReader::open(file, blob)?.finish()?;
        free = blob.end().unwrap_or(u64::MAX);
    }
    check_gap(file, free, file.footer().manifest_offset)
}

/// Bytes of no blob are zero.
fn check_gap(file: &BundleFile<'_>, start: u64, end: u64) -> Result<(), Error> {
    let piece = zeroed(PIECE);
    let mut offset = start;
    while offset < end {
        let want = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(PIECE);
        let bytes = piece.get_mut(..want).unwrap_or_default();
        file.read_exact_at(offset, bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(Error::damaged(file.name(), b"padding"));
        }
        offset = offset.saturating_add(want as u64);
    }
    Ok(())
}

/// Unpacks each variant's tree into a new directory: `UNIBIN_TO`, else `<name of the bundle>.extracted`. With
/// several variants each goes into a directory named after its CPU.
pub fn extract(
    start: &Start<'_>,
    controls: &Controls<'_>,
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
) -> Result<i32, Error> {
    let default = c_string(&[base_name(start.argv0.to_bytes()), b".extracted"]);
    let to = controls.to.unwrap_or(default);
    let failed = |why: &[u8]| Error::cannot_write(to.to_bytes(), why);
    let failed_call = |errno: Errno| failed(errno.text());
    if sys::statat(At::CWD, to, Follow::No).is_ok() {
        return Err(failed_call(Errno::EEXIST));
    }
    // Whole or not at all: under another name until all of it is there.
    let unfinished = c_string(&[way::trimmed(to.to_bytes()), b".new-", decimal(u64::from(sys::getpid()))]);
    sys::mkdirat(At::CWD, unfinished, 0o755).map_err(failed_call)?;
    let extracted = extract_variants(file, manifest, unfinished, absolute(to.to_bytes()))
        .and_then(|()| Ok(sys::renameat2(At::CWD, unfinished, At::CWD, to, Rename::Replace)?));
    if let Err(error) = extracted {
        if let Ok(here) = sys::openat(At::CWD, c".", OFlags::DIRECTORY, 0) {
            remove_tree(&here, unfinished);
        }
        return Err(if error.next_candidate_may_do() { failed(error.text()) } else { error });
    }
    print(join(&[b"unibin: extracted into ", name(to.to_bytes()), b"\n"]))?;
    Ok(0)
}

fn extract_variants(
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
    to: &CStr,
    place: &[u8],
) -> Result<(), Error> {
    let directory = sys::openat(At::CWD, to, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
    let several = manifest.variants().nth(1).is_some();
    manifest.variants().try_for_each(|variant| extract_variant(file, &directory, place, &variant, several))
}

fn extract_variant(
    file: &BundleFile<'_>,
    directory: &sys::Fd,
    place: &[u8],
    variant: &Variant<'_>,
    several: bool,
) -> Result<(), Error> {
    let blobs = [Some(variant.app), variant.shared];
    let write = |tree: &sys::Fd, place: &[u8]| {
        if write_trees(file, blobs, tree, place, &mut Progress::start(tree)?)? || !ROOTS {
            return Ok(());
        }
        print(b"unibin: owners are lost: this file system takes no user attributes\n")
    };
    if !several {
        return write(directory, place);
    }
    let mut name = c_string(&[variant.target.name().as_bytes()]);
    if variant.level != 0 {
        name = c_string(&[name.to_bytes(), b"-v", decimal(variant.level.into())]);
    }
    sys::mkdirat(directory.at(), name, 0o755)?;
    let tree = sys::openat(directory.at(), name, OFlags::DIRECTORY, 0)?;
    write(&tree, join(&[place, b"/", name.to_bytes()]))
}
