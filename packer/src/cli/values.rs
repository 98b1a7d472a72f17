//! Parsers for the values of options: architectures, lists of hosts, `HOST=FILE`. A refused value is answered
//! with what is expected in its place.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use bundle::Arch;
use debian::SystemVariant;
use oci::Platform;

/// Zstandard's levels for the parts of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// For the trees of apps and systems, which are new each time.
    pub(crate) tree: i32,
    /// For everything else: emulators, which are the same for many bundles and compressed once, and short
    /// texts.
    pub(crate) parts: i32,
}

impl Level {
    /// Quick for trees, which are new each time.
    pub(crate) const DEFAULT: Self = Self { tree: 9, parts: 19 };
    /// What `init` writes into a project: a release is packed once and downloaded often.
    pub(crate) const RELEASE: i32 = 19;
    /// `--fast`.
    pub(crate) const FAST: Self = Self::same(1);
    /// `--ultra`.
    pub(crate) const ULTRA: Self = Self::same(22);

    /// One level for all.
    pub(crate) const fn same(level: i32) -> Self {
        Self { tree: level, parts: level }
    }
}

/// `--libs`: Debian, and the suite if one was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Libs {
    pub(crate) suite: Option<String>,
}

/// `--hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Every host; those without an emulator are left out.
    All,
    /// These; each must be possible.
    Listed(Vec<Arch>),
}

/// `--native`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Native {
    pub(crate) target: Arch,
    /// Level of x86-64; 0 is the baseline.
    pub(crate) level: u16,
    /// The program; `None` means the packages of `--deb`.
    pub(crate) file: Option<PathBuf>,
}

/// `--children`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// Brokers attend to what an emulated app starts.
    Auto,
    /// Brokers only unpack.
    None,
}

/// `--configure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Configure {
    /// What programs of this machine can make.
    Auto,
    /// Only what can be made by reading.
    #[default]
    None,
}

/// `--argv0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argv0 {
    /// What the bundle was called.
    Called,
    /// The program's path.
    Path,
}

/// `--view`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The host's files alone.
    Host,
    /// The tree laid over the host's root.
    Union,
    /// The tree, and of the host what is the machine's and its users'.
    Root,
}

/// `--head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The stub.
    Sh,
    /// One host's launcher.
    Elf(Arch),
}

fn names(arches: &[Arch]) -> String {
    arches.iter().map(|arch| arch.name()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn variant(name: &str) -> Result<SystemVariant, String> {
    match name {
        "minbase" => Ok(SystemVariant::Minbase),
        "important" => Ok(SystemVariant::Important),
        "standard" => Ok(SystemVariant::Standard),
        _ => Err("unknown variant; variants are minbase, important, standard".to_owned()),
    }
}

pub(crate) fn arch(name: &str) -> Result<Arch, String> {
    Arch::from_name(name).ok_or_else(|| format!("unknown target; targets are {}", names(Arch::ALL)))
}

pub(crate) fn host(name: &str) -> Result<Arch, String> {
    let found = Arch::from_name(name).filter(|arch| arch.is_host());
    found.ok_or_else(|| format!("unknown host; hosts are {}", names(&Arch::HOSTS)))
}

pub(crate) fn hosts(list: &str) -> Result<Hosts, String> {
    if list == "all" {
        return Ok(Hosts::All);
    }
    let wanted = list.split(',').map(|name| host(name.trim()).map_err(|error| format!("`{name}`: {error}")));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    // In the order of the table and each once: the order of a list must not change a bundle's bytes.
    Ok(Hosts::Listed(Arch::HOSTS.into_iter().filter(|host| wanted.contains(host)).collect()))
}

pub(crate) fn libs(text: &str) -> Result<Libs, String> {
    match text.split_once(':') {
        None if text == "debian" => Ok(Libs { suite: None }),
        Some(("debian", suite)) if !suite.is_empty() => Ok(Libs { suite: Some(suite.to_owned()) }),
        _ => Err("expected `debian` or `debian:SUITE`".to_owned()),
    }
}

pub(crate) fn head(text: &str) -> Result<Head, String> {
    match text.strip_prefix("elf:") {
        Some(name) => host(name).map(Head::Elf),
        None if text == "sh" => Ok(Head::Sh),
        None => Err("expected `sh` or `elf:HOST`".to_owned()),
    }
}

/// A number of bytes, or of KiB, MiB, GiB, TiB with `K`, `M`, `G`, `T` behind it.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected a number with K, M, G or T behind it, such as 20G".to_owned();
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units.iter().find_map(|(letter, shift)| Some((text.strip_suffix(*letter)?, *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|number| number.checked_mul(1 << shift));
    number.filter(|number| *number > 0 && number.is_multiple_of(512)).ok_or_else(expected)
}

pub(crate) fn flags(text: &str) -> Result<String, String> {
    let known = |letter: char| "OPFC".contains(letter) && text.matches(letter).count() == 1;
    if text.chars().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected letters out of O, P, F and C, each at most once".to_owned())
    }
}

pub(crate) fn platform(text: &str) -> Result<Platform, String> {
    let expected = "expected a platform such as linux/arm64, linux/amd64 or linux/arm/v7";
    Platform::parse(text).ok_or_else(|| expected.to_owned())
}

pub(crate) fn children(text: &str) -> Result<Children, String> {
    match text {
        "auto" => Ok(Children::Auto),
        "none" => Ok(Children::None),
        _ => Err("expected `auto` or `none`".to_owned()),
    }
}

pub(crate) fn configure(text: &str) -> Result<Configure, String> {
    match text {
        "auto" => Ok(Configure::Auto),
        "none" => Ok(Configure::None),
        _ => Err("expected `auto` or `none`".to_owned()),
    }
}

pub(crate) fn argv0(text: &str) -> Result<Argv0, String> {
    match text {
        "called" => Ok(Argv0::Called),
        "path" => Ok(Argv0::Path),
        _ => Err("expected `called` or `path`".to_owned()),
    }
}

pub(crate) fn view(text: &str) -> Result<View, String> {
    match text {
        "host" => Ok(View::Host),
        "union" => Ok(View::Union),
        "root" => Ok(View::Root),
        _ => Err("expected `union`, `host` or `root`".to_owned()),
    }
}

pub(crate) fn native(text: &OsString) -> Result<Native, String> {
    let bytes = text.as_bytes();
    let (name, file) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(PathBuf::from(OsString::from_vec(bytes[at + 1..].to_vec())))),
        None => (bytes, None),
    };
    let name = std::str::from_utf8(name).map_err(|_| "expected ARCH[=FILE]")?;
    let levels = ["-v2", "-v3", "-v4"].into_iter().zip(2..);
    for (ending, level) in levels {
        if let Some(name) = name.strip_suffix(ending) {
            // The psABI writes `x86-64-v3`.
            let target = host(if name == "x86-64" { "x86_64" } else { name })?;
            if target != Arch::X86_64 {
                return Err("only x86_64 has levels (v2, v3, v4)".to_owned());
            }
            return Ok(Native { target, level, file });
        }
    }
    Ok(Native { target: host(name)?, level: 0, file })
}

pub(crate) fn host_file(text: &OsString) -> Result<(Arch, PathBuf), String> {
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').ok_or("expected HOST=FILE")?;
    let name = std::str::from_utf8(&bytes[..at]).map_err(|_| "expected HOST=FILE")?;
    Ok((host(name)?, PathBuf::from(OsString::from_vec(bytes[at + 1..].to_vec()))))
}
