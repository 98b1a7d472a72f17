//! C programs for foreign CPUs, and for this machine's two C libraries, compiled by the pinned `ziglang` that
//! `cargo xtask tools` installs, and kept by the content of their sources.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::Arch;
use sha2::{Digest, Sha256};

use crate::musl::Musl;
use crate::needs::has;
use crate::unibin::{kept, tools};

/// Part of the key of everything that was compiled: another compiler makes other programs.
const VERSION: &str = "0.17.2";

/// Without optimisation, zig would check for undefined behaviour, by a library of its own.
const FLAGS: [&str; 3] = ["-s", "-fno-sanitize=undefined", "-DSQLITE_THREADSAFE=0"];

/// Optimised enough that an emulator is done soon.
const OPTIMISED: &str = "-O1";

/// The glibc whose symbols are asked for: one of 2020 serves every machine that runs these tests.
const GLIBC: &str = "gnu.2.31";

/// The same without the name of the ABI, which differs between CPUs.
const GLIBC_MINOR: &str = "2.31";

/// How zig names a CPU's static programs.
fn triple(target: Arch) -> String {
    match target {
        Arch::Armv7 => "arm-linux-musleabihf".to_owned(),
        Arch::I686 => "x86-linux-musl".to_owned(),
        Arch::Riscv64 => "riscv64-linux-musl".to_owned(),
        other => format!(
            "{}-linux-musl",
            other.rust_target().and_then(|name| name.split('-').next()).unwrap_or(other.name())
        ),
    }
}

/// A program of this repository's `tests/programs`.
pub fn own(source: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(source)
}

/// The static program `name` for `target`, made of `sources`, whose directories serve for includes. `None`,
/// loudly, without a compiler where that was allowed.
pub fn compile(name: &str, sources: &[PathBuf], target: Arch) -> Option<PathBuf> {
    compile_at(OPTIMISED, name, sources, target)
}

/// The same, not optimised: for sources that take longer to optimise than the program runs.
pub fn compile_unoptimised(name: &str, sources: &[PathBuf], target: Arch) -> Option<PathBuf> {
    compile_at("-O0", name, sources, target)
}

fn compile_at(level: &str, name: &str, sources: &[PathBuf], target: Arch) -> Option<PathBuf> {
    let name = format!("{name}-{}", target.name());
    build(&name, sources, &[level, "-target", &triple(target), "-static"], || {
        let musl = Musl::of(target)?;
        let lib = |file: &str| musl.lib.join(file).into_os_string();
        Some(Linked {
            flags: ["-nostdlib", "-nostdlibinc"]
                .map(OsString::from)
                .into_iter()
                .chain([musl.include.clone()].into_iter().chain(of_the_kernel(target)).flat_map(included))
                .collect(),
            before: vec![lib("crt1.o"), lib("crti.o")],
            behind: vec![lib("libc.a"), musl.support.into_os_string(), lib("crtn.o")],
        })
    })
}

fn included(directory: PathBuf) -> [OsString; 2] {
    ["-isystem".into(), directory.into_os_string()]
}

/// The compiler's directories of kernel headers, for this CPU and for all.
fn of_the_kernel(target: Arch) -> [PathBuf; 2] {
    let all = tools().join("ziglang/lib/libc/include");
    let triple = triple(target);
    let names = ["aarch64", "arm", "loongarch", "mips", "powerpc", "riscv", "s390x", "x86"];
    let own = names.into_iter().find(|name| triple.starts_with(name)).unwrap_or("any");
    [own, "any"].map(|name| all.join(format!("{name}-linux-any")))
}

/// The same for this machine's CPU, linked to its glibc.
pub fn compile_for_glibc(name: &str, sources: &[PathBuf]) -> Option<PathBuf> {
    build(
        &format!("{name}-glibc"),
        sources,
        &[OPTIMISED, "-target", &format!("x86_64-linux-{GLIBC}")],
        || None,
    )
}

/// A dynamic program or, with `-shared`, a library for the glibc of `target`'s Debian. `sources` may hold
/// libraries to link to.
pub fn compile_dynamic(name: &str, sources: &[PathBuf], target: Arch, flags: &[&str]) -> Option<PathBuf> {
    let triple = format!("{}.{GLIBC_MINOR}", triple(target).replace("musl", "gnu"));
    build(name, sources, &[&[OPTIMISED, "-target", &triple], flags].concat(), || None)
}

/// The same for musl.
pub fn compile_musl(name: &str, sources: &[PathBuf], target: Arch, flags: &[&str]) -> Option<PathBuf> {
    let triple = triple(target);
    let all = [&[OPTIMISED, "-target", triple.as_str(), "-dynamic"], flags].concat();
    build(&format!("{name}-musl-{}", target.name()), sources, &all, || None)
}

/// What a program is linked with in place of what the compiler would link by itself.
#[derive(Default)]
struct Linked {
    flags: Vec<OsString>,
    /// Before and behind the program's own.
    before: Vec<OsString>,
    behind: Vec<OsString>,
}

fn build(
    name: &str,
    sources: &[PathBuf],
    flags: &[&str],
    linked: impl FnOnce() -> Option<Linked>,
) -> Option<PathBuf> {
    let mut hasher = Sha256::new();
    hasher.update(format!("{VERSION} {FLAGS:?} {flags:?}"));
    for source in sources {
        hasher.update(fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display())));
    }
    let digest = bundle::Digest(hasher.finalize().into()).to_string();
    let key = &digest[..16];
    let directory = kept().join("programs");
    fs::create_dir_all(&directory).expect("directory");
    let output = directory.join(format!("{name}-{key}"));
    let lock = File::create(directory.join(format!("{name}-{key}.lock"))).expect("lock");
    lock.lock().expect("locked");
    if output.exists() {
        return Some(output);
    }
    if !has("zig") {
        return None;
    }
    let unfinished = output.with_extension("new");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", tools()).args(["-m", "ziglang", "cc"]).args(flags).args(FLAGS);
    // Zig keeps the C library that it compiles for a target; that belongs to the target directory too.
    command.env("ZIG_GLOBAL_CACHE_DIR", kept().join("zig")).env("ZIG_LOCAL_CACHE_DIR", kept().join("zig"));
    for directory in sources.iter().filter_map(|source| source.parent()) {
        command.arg("-I").arg(directory);
    }
    let linked = linked().unwrap_or_default();
    command.args(linked.flags).arg("-o").arg(&unfinished);
    let compiled = command.args(linked.before).args(sources).args(linked.behind).status();
    let compiled = compiled.expect("python3 starts");
    assert!(compiled.success(), "`{name}` does not compile");
    fs::rename(&unfinished, &output).expect("renamed");
    Some(output)
}
