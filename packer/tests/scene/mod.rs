//! A directory of its own for one test, the `unibin` program in it, and small ELF files made by bytes.
#![allow(dead_code, reason = "each test program uses its own part of it")]

pub(crate) mod image;
pub(crate) mod registry;
pub(crate) mod server;
pub(crate) mod ssh;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const X86_64: u16 = 62;
pub(crate) const RISCV64: u16 = 243;
pub(crate) const AARCH64: u16 = 183;
pub(crate) const ET_REL: u16 = 1;
pub(crate) const ET_EXEC: u16 = 2;
pub(crate) const ET_DYN: u16 = 3;
pub(crate) const ET_CORE: u16 = 4;

/// Where a test runs.
pub(crate) struct Scene {
    pub(crate) directory: tempfile::TempDir,
}

impl Scene {
    /// `unibin` with these words.
    pub(crate) fn words(&self, words: &str) -> Run {
        self.run(words.split_whitespace())
    }

    /// What a file of the working directory holds.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.at("w").join(name)).expect("a file")
    }

    /// Another program, in the working directory.
    pub(crate) fn tool(&self, program: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new(program);
        command.current_dir(self.at("w")).args(arguments).stdin(Stdio::null());
        Run::of(&command.output().expect("the tool starts"))
    }

    /// As `ssh-keygen` checks `app.sig`, by the file `allowed`.
    pub(crate) fn checked_by_ssh(&self, name: &str) -> Run {
        let line = format!("ssh-keygen -Y verify -f allowed -I {name} -n file -s app.sig < app");
        self.tool("sh", &["-c", &line])
    }

    /// A fresh directory with launchers and brokers in it for every host.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let scene = Self { directory };
        fs::create_dir(scene.at("launchers")).expect("a directory");
        for (number, host) in
            (0u8..).zip(["x86_64", "aarch64", "riscv64", "ppc64le", "s390x", "loongarch64", "i686", "armv7"])
        {
            let path = scene.at("launchers").join(format!("launcher-{host}"));
            fs::write(path, launcher(5000 + usize::from(number))).expect("a launcher");
            let path = scene.at("launchers").join(format!("broker-{host}"));
            fs::write(path, launcher(7000 + 8 * usize::from(number))).expect("a broker");
        }
        fs::create_dir(scene.at("w")).expect("a directory");
        scene
    }

    pub(crate) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.directory.path().join(name.as_ref())
    }

    /// A file in the work directory.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.at("w").join(name.as_ref());
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// The emulators of two hosts: `emulator-x` and `emulator-a`.
    pub(crate) fn write_emulators(&self) {
        self.write("emulator-x", &emulator(X86_64));
        self.write("emulator-a", &emulator(AARCH64));
    }

    /// `unibin` with this scene's store and launchers, in the work directory.
    pub(crate) fn unibin(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unibin"));
        command
            .current_dir(self.at("w"))
            .env("UNIBIN_STORE", self.at("store"))
            .env("UNIBIN_LAUNCHERS", self.at("launchers"))
            .env_remove("UNIBIN_MIRROR");
        command
    }

    /// Runs `unibin` with `args`.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.unibin().args(args).output().expect("unibin starts"))
    }

    /// What lies in the work directory.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.at("w"))
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Failed with `code` and a message of the usual form that holds each of `texts`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains("error: "), "{self:?}");
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is missing: {self:?}");
        }
        self
    }
}

/// Parts of an ELF file to make.
#[derive(Clone, Copy)]
pub(crate) struct Elf<'a> {
    pub(crate) class: u8,
    pub(crate) osabi: u8,
    pub(crate) machine: u16,
    pub(crate) kind: u16,
    pub(crate) loader: Option<&'a str>,
    pub(crate) needed: &'a [&'a str],
    pub(crate) contents: &'a [u8],
}

/// A static program.
pub(crate) fn program(machine: u16) -> Vec<u8> {
    program_of(machine, b"code")
}

/// A static program that is given as an emulator.
pub(crate) fn emulator(machine: u16) -> Vec<u8> {
    program_of(machine, b"emulator")
}

/// A static program with these bytes in it.
pub(crate) fn program_of(machine: u16, contents: &[u8]) -> Vec<u8> {
    elf(Elf { class: 2, osabi: 0, machine, kind: ET_EXEC, loader: None, needed: &[], contents })
}

/// Little-endian, either class; one `PT_LOAD` over the whole file, `PT_INTERP` and `PT_DYNAMIC` as asked for.
pub(crate) fn elf(parts: Elf<'_>) -> Vec<u8> {
    let wide = parts.class == 2;
    let word =
        |value: u64| if wide { value.to_le_bytes().to_vec() } else { value.to_le_bytes()[..4].to_vec() };
    let (header, segment) = if wide { (64usize, 56usize) } else { (52, 32) };
    let count = 1 + usize::from(parts.loader.is_some()) + usize::from(!parts.needed.is_empty());
    let mut body = Vec::new();
    let base = header + count * segment;
    let mut place = |bytes: &[u8]| {
        body.resize(body.len().next_multiple_of(8), 0);
        let at = base + body.len();
        body.extend_from_slice(bytes);
        (at as u64, bytes.len() as u64)
    };
    place(parts.contents);
    let mut segments = Vec::new();
    if let Some(loader) = parts.loader {
        segments.push((3u32, place(&[loader.as_bytes(), b"\0"].concat())));
    }
    if !parts.needed.is_empty() {
        let mut strings = vec![0u8];
        let mut rows = Vec::new();
        for name in parts.needed {
            rows.push((1u64, strings.len() as u64));
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        let (at, length) = place(&strings);
        rows.extend([(5, at), (10, length), (0, 0)]);
        let rows: Vec<u8> =
            rows.iter().flat_map(|(tag, value)| [word(*tag), word(*value)].concat()).collect();
        segments.push((2, place(&rows)));
    }
    let total = (base + body.len()) as u64;
    segments.insert(0, (1, (0, total)));

    let mut file = vec![0x7f, b'E', b'L', b'F', parts.class, 1, 1, parts.osabi, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(parts.kind.to_le_bytes());
    file.extend(parts.machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(word(u64::from(parts.kind != ET_DYN) * 0x40));
    file.extend(word(header as u64));
    file.extend(word(0));
    file.extend(0u32.to_le_bytes());
    for value in [header, segment, count, 0, 0, 0] {
        file.extend(u16::try_from(value).expect("small").to_le_bytes());
    }
    for (kind, (at, length)) in segments {
        file.extend(kind.to_le_bytes());
        if wide {
            file.extend(5u32.to_le_bytes());
            file.extend([word(at), word(at), word(at), word(length), word(length), word(8)].concat());
        } else {
            file.extend(
                [word(at), word(at), word(at), word(length), word(length), word(5), word(4)].concat(),
            );
        }
    }
    file.extend(body);
    file
}

/// A file with the mark that the packer patches, `length` bytes long.
pub(crate) fn launcher(length: usize) -> Vec<u8> {
    let mut file = program(X86_64);
    file.resize(length.next_multiple_of(8) - 8, 0x90);
    file.extend(b"unibin-head:sh\0\0");
    file
}

/// By the tool of the machine, so that the packer's own hashing is not checked by itself.
/// The Python that has `module`, somebody else's validator: `UNIBIN_VALIDATORS_PYTHON` names another one than
/// `python3`. `None` if there is none, which is said.
pub(crate) fn python(module: &str) -> Option<std::ffi::OsString> {
    let python = std::env::var_os("UNIBIN_VALIDATORS_PYTHON").unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if has.is_ok_and(|has| has.status.success()) {
        return Some(python);
    }
    let required = std::env::var_os("UNIBIN_VALIDATORS_PYTHON").is_some();
    assert!(!required, "UNIBIN_VALIDATORS_PYTHON has no module {module}");
    end_to_end::say(&format!("NOT RUN: there is no Python module {module}"));
    None
}

pub(crate) fn sha256(bytes: &[u8]) -> bundle::Digest {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    let output = Command::new("sha256sum").arg(file.path()).output().expect("sha256sum runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    bundle::Digest::from_hex(&text[..64]).expect("a digest")
}

/// Packs the work directory's `app` for `x86_64`, without network, into `bundle`.
pub(crate) fn pack(scene: &Scene, more: &[&str]) -> Run {
    let pack = ["pack", "app", "--fast", "--offline", "--hosts", "x86_64", "-o", "bundle"];
    scene.run(pack.iter().chain(more))
}

/// Locks the emulator for riscv64 on `x86_64`, without network.
pub(crate) fn lock(scene: &Scene) -> Run {
    scene.run(["emulator", "lock", "--offline", "--target", "riscv64", "--hosts", "x86_64"])
}
