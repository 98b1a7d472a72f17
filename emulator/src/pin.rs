//! Writes the catalogue: follows Debian's signatures to each host's package, reads the whole package, checks
//! that each program in it can be an emulator, and pins them. The same packages give the same text. The suite
//! for each host is chosen here by hand; everything else is read from the archive.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use bundle::{Arch, Digest};
use debian::FileDigest;
use debian::digest;
use debian::{
    Archive, ArchiveError, ArchiveOptions, Deb, DebError, DebKind, FetchOptions, MirrorSources, Package,
    Progress, SourceFile,
};
use tempfile::NamedTempFile;

use crate::elf_check::{self, ElfFault};
use crate::qemu_version::upstream;

/// Where one host's emulators come from.
#[derive(Clone, Copy)]
struct Supply {
    host: Arch,
    suite: &'static str,
    /// Debian's package of QEMU's user-mode emulators: `qemu-user` is static since 9.0.2+ds-7 (its
    /// README.Debian), before that `qemu-user-static` is.
    package: &'static str,
    /// What follows the CPU's name in a program's file name.
    suffix: &'static str,
    /// Limits of these emulators beyond [`LIMITS`].
    limits: &'static [&'static str],
}

const fn newest(host: Arch, suite: &'static str) -> Supply {
    Supply { host, suite, package: "qemu-user", suffix: "", limits: &[] }
}

/// The last release that has 64-bit targets on 32-bit hosts.
const fn bookworm(host: Arch) -> Supply {
    Supply {
        host,
        suite: "bookworm",
        package: "qemu-user-static",
        suffix: "-static",
        limits: &OF_32_BIT_HOSTS,
    }
}

/// The Debian suite for each host. Debian 13 has no `loong64`, and its QEMU has no 64-bit targets on 32-bit
/// hosts.
const SUPPLIES: [Supply; 8] = [
    newest(Arch::X86_64, "trixie"),
    newest(Arch::Aarch64, "trixie"),
    newest(Arch::Riscv64, "trixie"),
    newest(Arch::Ppc64le, "trixie"),
    newest(Arch::S390x, "trixie"),
    newest(Arch::Loongarch64, "sid"),
    bookworm(Arch::I686),
    bookworm(Arch::Armv7),
];

/// QEMU as a whole is GPL-2.0-only (its LICENSE file); the rest is what `Built-Using` names: glib2.0, glibc,
/// capstone, zlib, gcc's runtime, sysprof.
const LICENCE: &str = "GPL-2.0-only AND LGPL-2.1-or-later AND BSD-3-Clause AND Zlib AND \
                       (GPL-3.0-or-later WITH GCC-exception-3.1) AND BSD-2-Clause-Patent";

/// QEMU's user-mode emulation, in its own documentation (docs/user/main.rst) and as measured.
pub(crate) const LIMITS: [&str; 3] = [
    "32-bit targets need 4 GiB of address space: they do not start under a lower `ulimit -v`",
    "child processes need outside help: QEMU passes execve to the host's kernel",
    "ptrace does not work, and so debuggers and tracers built for the target do not",
];

/// QEMU's docs/about/removed-features.rst (10.0) and docs/about/deprecated.rst (8.0) on 32-bit hosts.
const OF_32_BIT_HOSTS: [&str; 2] = [
    "QEMU 7.2 is Debian's last release with 64-bit targets on 32-bit hosts: it lacks newer CPU features",
    "atomic operations of 64-bit targets on memory shared between threads are unreliable on 32-bit hosts",
];

/// tar's unit of length, in bytes.
const RECORD: u64 = 512;

/// Where to get the packages.
pub struct PinOptions<'a> {
    /// The Debian archives to ask.
    pub mirrors: MirrorSources,
    /// Where fetched files are kept.
    pub cache: PathBuf,
    /// Options for fetching.
    pub fetch: FetchOptions,
    /// Accept an index past its `Valid-Until`.
    pub allow_stale: bool,
    /// Receives the progress of transfers.
    pub progress: &'a dyn Progress,
}

/// Why a row cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The package cannot be fetched from the archive.
    #[error("cannot pin the emulators for {host}")]
    Archive {
        /// The host.
        host: Arch,
        /// The reason.
        source: ArchiveError,
    },
    /// The suite has no such package for the host.
    #[error("suite `{suite}` has no package `{package}` for {host}")]
    NoPackage {
        /// The host.
        host: Arch,
        /// The package.
        package: &'static str,
        /// The suite.
        suite: &'static str,
    },
    /// A package without a single program of a known name.
    #[error("package `{package}` for {host} holds no emulator")]
    Empty {
        /// The host.
        host: Arch,
        /// The package.
        package: &'static str,
    },
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// A program of the package cannot be an emulator for the host.
    #[error("`{path}` of the package for {host} cannot be pinned: {fault}")]
    Refused {
        /// The host.
        host: Arch,
        /// The program's path in the package.
        path: String,
        /// The reason.
        fault: ElfFault,
    },
    /// The cache directory cannot be used.
    #[error("cannot write to the cache `{path}`", path = path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl PinError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Archive { source, .. } => source.hint(),
            Self::Refused { fault, .. } => fault.hint(),
            _ => None,
        }
    }
}

/// One pinned program.
struct Pin {
    path: String,
    size: u64,
    sha256: Digest,
    tar_offset: u64,
}

/// The text of `catalogue.toml` for the current contents of the archives.
pub fn catalogue(options: &PinOptions<'_>) -> Result<String, PinError> {
    let mut text = String::from(
        "# Static emulators that are known, and their pins. Written by `cargo xtask catalogue`; not edited by hand.\n\
         # How a row is made: src/pin.rs. What its fields mean: src/catalogue.rs.\n",
    );
    for supply in SUPPLIES {
        let Supply { host, suite, package: name, .. } = supply;
        let archive = open(options, suite).map_err(|source| PinError::Archive { host, source })?;
        let architecture = host.debian_name().ok_or(PinError::NoPackage { host, package: name, suite })?;
        let wrap = |source| PinError::Archive { host, source };
        let index = archive.packages(architecture).map_err(wrap)?;
        let package = index.find(name).ok_or(PinError::NoPackage { host, package: name, suite })?;
        let sources = archive.sources(|name| name == package.source).map_err(wrap)?;
        let source = sources.into_iter().find(|source| source.version == package.source_version);
        let files = source.map(|source| source.files).unwrap_or_default();
        let deb = Deb::open(&archive.download(package).map_err(wrap)?)?;
        let pins = pins(&deb, supply, options)?;
        if pins.is_empty() {
            return Err(PinError::Empty { host, package: name });
        }
        // Writing to a string cannot fail.
        let _ = write_row(&mut text, supply, package, &files, &pins);
    }
    Ok(text)
}

fn open<'a>(options: &PinOptions<'a>, suite: &str) -> Result<Archive<'a>, ArchiveError> {
    let mut archive = ArchiveOptions::new(options.cache.clone(), options.progress);
    archive.mirrors = options.mirrors.clone();
    archive.fetch = options.fetch.clone();
    archive.allow_stale = options.allow_stale;
    Archive::open(archive, suite)
}

/// The emulators in a package, by target.
fn pins(deb: &Deb, supply: Supply, options: &PinOptions<'_>) -> Result<BTreeMap<Arch, Pin>, PinError> {
    let mut pins = BTreeMap::new();
    // The root's own header comes first, and `entries` omits it. Debian's paths are short enough for one
    // header.
    let mut tar_offset = RECORD;
    deb.entries(|entry| {
        let here = tar_offset;
        tar_offset += RECORD + entry.size.next_multiple_of(RECORD);
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let target = path
            .strip_prefix("usr/bin/qemu-")
            .and_then(|name| name.strip_suffix(supply.suffix))
            // QEMU 7.2 has CPUs that later releases lack: the catalogue has a target for every host or for
            // none.
            .and_then(|name| Arch::CATALOGUED.iter().copied().find(|arch| arch.qemu_name() == name));
        if let (Some(target), DebKind::File) = (target, &entry.kind) {
            let FileDigest { size, sha256 } = checked(entry.reader, &path, supply.host, options)?;
            pins.insert(target, Pin { path, size, sha256, tar_offset: here });
        }
        Ok::<_, PinError>(ControlFlow::Continue(()))
    })?;
    Ok(pins)
}

fn checked(
    program: &mut dyn io::Read,
    path: &str,
    host: Arch,
    options: &PinOptions<'_>,
) -> Result<FileDigest, PinError> {
    let io = |source| PinError::Io { path: options.cache.clone(), source };
    let mut file = NamedTempFile::new_in(&options.cache).map_err(io)?;
    let found = digest::copy(program, file.as_file_mut()).map_err(io)?;
    elf_check::check(file.path(), host).map_err(|fault| PinError::Refused {
        host,
        path: path.to_owned(),
        fault,
    })?;
    Ok(found)
}

fn write_row(
    text: &mut String,
    Supply { host, suite, package: name, limits, .. }: Supply,
    package: &Package,
    files: &[SourceFile],
    pins: &BTreeMap<Arch, Pin>,
) -> fmt::Result {
    let version = upstream(&package.version);
    writeln!(text, "\n[[row]]\nhost = {}\ntranslator = {}", quoted(host.name()), quoted(name))?;
    writeln!(text, "version = {}\nlicence = {}\nlimits = [", quoted(version), quoted(LICENCE))?;
    for limit in LIMITS.iter().chain(limits) {
        writeln!(text, "    {},", quoted(limit))?;
    }
    writeln!(text, "]\n\n[row.package]\nsuite = {}", quoted(suite))?;
    for (field, value) in [
        ("architecture", &package.architecture),
        ("name", &package.name),
        ("version", &package.version),
        ("source", &package.source),
        ("source-version", &package.source_version),
        ("built-using", &package.built_using),
        ("file", &package.filename),
    ] {
        writeln!(text, "{field} = {}", quoted(value))?;
    }
    writeln!(text, "source-files = [")?;
    for SourceFile { name, size, sha256 } in files {
        writeln!(text, "    {{ name = {}, size = {size}, sha256 = \"{sha256}\" }},", quoted(name))?;
    }
    writeln!(text, "]")?;
    writeln!(text, "size = {}\nsha256 = \"{}\"\n\n[row.members]", package.size, package.sha256)?;
    for (target, Pin { path, size, sha256, tar_offset }) in pins {
        let (target, path) = (target.name(), quoted(path));
        writeln!(
            text,
            "{target} = {{ path = {path}, size = {size}, sha256 = \"{sha256}\", tar-offset = {tar_offset} }}"
        )?;
    }
    Ok(())
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
