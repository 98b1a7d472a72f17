//! Builds the launchers and the brokers, one static ELF of each per host, byte for byte the same on every
//! machine.
//!
//! `core` and `alloc` are built from source with the pinned stable compiler and linked by its own `rust-lld`:
//! no cross compiler, no nightly, no installed targets. `RUSTC_BOOTSTRAP` opens the flags for that, here
//! only.

pub(crate) mod committed;
pub(crate) mod rustc;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;
use end_to_end::cargo;

use crate::rust_src;
use committed::{DIRECTORY, Program, SIZES, sizes, write_sums};

/// The toolchain's own linker. rustc looks for it beside itself: a path here would be one of this machine's.
const LINKER: &str = "rust-lld";
/// What the compiler is told for every launcher. Nothing of it may differ between machines.
const FLAGS: [&str; 23] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    // No start files, libraries or libc.
    "-Clink-self-contained=no",
    "-Cdefault-linker-libraries=no",
    "-Crelocation-model=static",
    "-Ctarget-feature=+crt-static",
    // No note that differs from build to build.
    "-Clink-arg=--build-id=none",
    // Nobody unwinds: the tables are dead weight.
    "-Cforce-unwind-tables=no",
    // The launcher's own code does not panic. Should a library do so, a trap of the CPU ends the process: the
    // texts and places of panics were a tenth of the launcher.
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    // Off for `opt-level=z` by default; with it the launchers are a fortieth smaller.
    "-Zinline-mir=yes",
    // Functions with the same instructions are kept once; nothing compares their addresses.
    "-Clink-arg=--icf=all",
    // LLVM's choices for speed even where size is asked for, together a twentieth on ppc64le: what a loop
    // would compute again is kept in registers that every function then has to save; and little is inlined
    // (the default is 5 at `z`), though a call can be longer than what it calls.
    "-Cllvm-args=-disable-machine-licm",
    "-Cllvm-args=-inline-threshold=20",
    // Addresses in loops are computed as written, not kept in more registers.
    "-Cllvm-args=-disable-lsr",
    // A load is not repeated on one branch to spare it on another.
    "-Cllvm-args=-enable-load-pre=false",
    // Not `-enable-gvn-sink`, half a hundredth smaller: it orders values by their addresses in the compiler's
    // memory, so one in three builds was another one. Constants apart: merged into one block, all of it is
    // where addresses are changed at a start, and each use adds up an offset.
    "-Cllvm-args=-enable-global-merge=false",
    // Nobody changes addresses at a start, nor protects them afterwards: the program is static and fixed.
    // Then two segments less.
    "-Clink-arg=-znorelro",
    "-Clink-arg=--no-rosegment",
    // Nothing reads section headers when a program is started.
    "-Clink-arg=-znosectionheader",
    "--cfg=sha2_backend=\"soft\"",
    "--cfg=sha2_backend_soft=\"compact\"",
];

/// The same for the launchers of one host.
fn own_flags(host: Arch) -> &'static [&'static str] {
    match host {
        // Thumb, which every ARMv7 has: a third smaller. The ABI stays, and code of either kind can call the
        // other.
        Arch::Armv7 => &["-Ctarget-feature=+thumb-mode"],
        _ => &[],
    }
}

/// With each commit, those of other hosts: all of them take five minutes of the processor. A change of the
/// source changes every one, so a commit without new launchers is seen whichever are built.
pub(crate) const ROTATING: &str = "--rotating";
/// How many commits it takes to build them all.
const TURNS: usize = 4;

/// The hosts whose turn it is.
fn in_turn(turn: usize) -> Vec<Arch> {
    Arch::HOSTS.into_iter().skip(turn % TURNS).step_by(TURNS).collect()
}

struct Options {
    check: bool,
    hosts: Vec<Arch>,
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    let workspace = crate::workspace();
    let committed = workspace.join(DIRECTORY);
    let build = Build::prepare(&workspace)?;
    let scratch = tempfile::tempdir()?;
    let out = match (&options.out, options.check) {
        (Some(out), _) => out.clone(),
        (None, true) => scratch.path().to_owned(),
        (None, false) => committed.clone(),
    };
    fs::create_dir_all(&out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let mut differing = Vec::new();
    let hosts: Vec<(Arch, &str)> = options
        .hosts
        .iter()
        .map(|host| Ok((*host, host.rust_target().with_context(|| format!("no Rust target for {host}"))?)))
        .collect::<Result<_>>()?;
    for program in Program::ALL {
        build.program(program, &hosts)?;
        for (host, triple) in &hosts {
            let built = build.built(program, triple)?;
            println!("{:8} {host:12} {:6} bytes", program.name(), built.len());
            let name = program.file_name(*host);
            let path = out.join(&name);
            fs::write(&path, &built).with_context(|| format!("cannot write `{}`", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            if options.check && fs::read(committed.join(&name)).ok().as_ref() != Some(&built) {
                differing.push(name);
            }
        }
    }
    if options.check {
        ensure!(
            differing.is_empty(),
            "what is committed is not what the source builds: {}; run `cargo xtask launchers` and commit",
            differing.join(", ")
        );
        return Ok(());
    }
    write_sums(&out)?;
    fs::write(out.join(SIZES), sizes(&out)?).with_context(|| format!("cannot write `{SIZES}`"))
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { check: false, hosts: Arch::HOSTS.to_vec(), out: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => options.check = true,
            "--only" => {
                let arch = rest.next().context("`--only` wants a host")?;
                let host = Arch::from_name(arch).filter(|host| host.is_host());
                let known = Arch::HOSTS.map(Arch::name);
                options.hosts = vec![
                    host.with_context(|| format!("unknown host `{arch}`; there are {}", known.join(", ")))?,
                ];
            }
            ROTATING => options.hosts = in_turn(crate::turn::turn()?),
            "--out" => options.out = Some(rest.next().context("`--out` wants a directory")?.into()),
            other => bail!("unknown option `{other}` of `launchers`"),
        }
    }
    Ok(options)
}

/// What every build needs.
struct Build {
    workspace: PathBuf,
    library: PathBuf,
    target: PathBuf,
    cargo_home: PathBuf,
}

impl Build {
    fn prepare(workspace: &Path) -> Result<Self> {
        let tools = format!("lib/rustlib/{}/bin", rust_src::compiler_triple()?);
        let linker = rust_src::sysroot()?.join(tools).join(LINKER);
        ensure!(linker.is_file(), "the toolchain has no linker `{}`", linker.display());
        let cargo_home = match std::env::var_os("CARGO_HOME") {
            Some(home) => PathBuf::from(home),
            None => std::env::home_dir().context("neither `CARGO_HOME` nor a home directory")?.join(".cargo"),
        };
        Ok(Self {
            workspace: workspace.to_owned(),
            library: rust_src::library(workspace)?,
            // A directory of its own: the flags below would throw away what other builds left.
            target: crate::workspace::target_directory().join("launchers"),
            cargo_home,
        })
    }

    /// Builds a program for these hosts: in one call for all that have the same flags, so that one target's
    /// last step, which takes one processor, runs beside the next one's first.
    fn program(&self, program: Program, hosts: &[(Arch, &str)]) -> Result<()> {
        let mut left = hosts.to_vec();
        while let Some(flags) = left.first().map(|(host, _)| own_flags(*host)) {
            let (these, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|(host, _)| own_flags(*host) == flags);
            self.call(program, flags, these.iter().map(|(_, triple)| *triple))?;
            left = others;
        }
        Ok(())
    }

    fn call<'t>(
        &self,
        program: Program,
        own_flags: &[&str],
        triples: impl Iterator<Item = &'t str>,
    ) -> Result<()> {
        let status = cargo()
            .args(["build", "--quiet", "--locked", "--package=unibin-launcher"])
            .args(["--bin", program.name(), "--features", program.features()])
            .arg("--profile=launcher")
            .args(triples.flat_map(|triple| ["--target", triple]))
            .args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=optimize_for_size"])
            .arg("--target-dir")
            .arg(&self.target)
            .env("RUSTC_BOOTSTRAP", "1")
            // The name is cargo's: it is how rust-src outside the toolchain's directory is named.
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.library)
            .env("CARGO_ENCODED_RUSTFLAGS", [&FLAGS, own_flags].concat().join("\x1f"))
            .env_remove("RUSTFLAGS")
            .env("RUSTC_WRAPPER", std::env::current_exe().context("cannot tell this program's own path")?)
            .env(rustc::REMAP, self.remap()?)
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "the {}s do not build", program.name());
        Ok(())
    }

    /// The bytes of a program that was built for `triple`.
    fn built(&self, program: Program, triple: &str) -> Result<Vec<u8>> {
        let name = program.name();
        let path = self.target.join(triple).join("launcher").join(name);
        let linked = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        crate::elf_rules::loaded_part(&linked).with_context(|| format!("`{}` is no {name}", path.display()))
    }

    /// The names that stand for this machine's directories in messages of the standard library.
    fn remap(&self) -> Result<String> {
        // rustc takes the last prefix that fits: the deeper directory comes later.
        let directories = [
            (&self.cargo_home, "cargo"),
            (&self.workspace, "unibin"),
            (&self.target, "target"),
            (&self.library, "library"),
        ];
        directories.iter().try_fold(String::new(), |mut flags, (directory, name)| {
            let directory =
                directory.to_str().with_context(|| format!("`{}` is not UTF-8", directory.display()))?;
            writeln!(flags, "--remap-path-prefix={directory}={name}")?;
            Ok(flags)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_turn() {
        let mut built: Vec<Arch> = (7..7 + TURNS).flat_map(in_turn).collect();
        built.sort_unstable();
        let mut all = Arch::HOSTS.to_vec();
        all.sort_unstable();
        assert_eq!(built, all);
    }
}
