//! The manifest's rows, as the reader sees them: references resolved, strings borrowed.

use crate::{Arch, Blob, EmulatorKey, Rules};

/// To which apps a broker attends: it runs the programs that they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attends {
    /// To none: it only unpacks, and does what a launcher has no room for.
    Never,
    /// To those that an emulator runs.
    Emulated,
    /// To those that run natively too.
    Always,
}

/// One host's launcher, or its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launcher<'a> {
    /// The CPU it runs on.
    pub host: Arch,
    /// Whether it is the one that the file begins with (`--head elf:HOST`), patched to know that.
    pub head: bool,
    /// Of a broker: to which apps it attends. A launcher attends to none.
    pub attends: Attends,
    /// Its bytes.
    pub blob: Blob<'a>,
}

/// The app built for one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Its number, as entries refer to it.
    pub index: u32,
    /// The CPU it was built for.
    pub target: Arch,
    /// The level of that CPU which it needs beyond the baseline, 0 for none (`x86_64`: 2, 3, 4 for
    /// x86-64-v2, -v3, -v4).
    pub level: u16,
    /// Its file tree.
    pub app: Blob<'a>,
    /// The files of its tree that other variants have too: a tree of their own, unpacked into the same
    /// directory.
    pub shared: Option<Blob<'a>>,
    /// The loader's path in the tree; empty for static programs.
    pub loader: &'a [u8],
    /// Rules for every entry of it.
    pub rules: Rules,
}

/// A program of a variant that can be started by name. The first of a variant is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The variant it belongs to.
    pub variant: u32,
    /// The name that selects it.
    pub name: &'a [u8],
    /// Its path in the tree, relative, without `.` or `..`.
    pub path: &'a [u8],
    /// Rules for it alone.
    pub rules: Rules,
}

/// An emulator for one cell of the (host, target) matrix. Several for one cell are tried in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translator<'a> {
    /// The cell.
    pub key: EmulatorKey,
    /// The emulator, or the tar that holds it.
    pub blob: Blob<'a>,
    /// Its path in the tar; empty when the blob is the emulator itself.
    pub member: &'a [u8],
    /// What it is, such as `qemu-user`.
    pub name: &'a [u8],
    /// Its version, as its maker writes it.
    pub version: &'a [u8],
    /// How to call it.
    pub rules: Rules,
}

/// What the bundle owes to the authors of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// The part that it is about.
    pub subject: Blob<'a>,
    /// The texts: licences, copyright.
    pub text: Blob<'a>,
    /// SPDX expression.
    pub licence: &'a [u8],
    /// The exact source: package name and version.
    pub source: &'a [u8],
    /// Where the part came from and how that was checked, for people.
    pub origin: &'a [u8],
}

/// What is known about the components of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Components<'a> {
    /// The part: of a variant its own blob, whatever it shares.
    pub subject: Blob<'a>,
    /// The facts: JSON, see FORMAT.md, section "Components".
    pub facts: Blob<'a>,
}
