//! The bundles that the cases run, packed of Debian's packages by the `unibin` of this tree, and kept by its
//! digest.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::digest;
use end_to_end::{SUITE_BEFORE, alpha_that_starts, lacking, smallest};

use super::archive::appear;
use super::cases::{CASES, emulated_on};
use super::compile::compile;
use crate::unibin::unibin;

/// Systems, one that is emulated and one for the host itself, as the cases name them.
const SYSTEM: &str = "system";
const SYSTEM_NATIVE: &str = "system-native";

/// The packer, and where what it packs is kept.
pub(crate) struct Packer {
    program: PathBuf,
    directory: PathBuf,
    /// Launchers to pack instead of those inside it.
    launchers: Option<PathBuf>,
}

impl Packer {
    /// Builds `unibin`. What it packs is kept in `directory`. `UNIBIN_LAUNCHERS` names launchers that are not
    /// committed yet.
    pub(crate) fn build(directory: &Path) -> Result<Self> {
        let program = unibin()?;
        let digest = digest::of(&fs::read(&program)?).to_string();
        let packer = Self { program, directory: directory.join(&digest[..16]), launchers: None };
        match std::env::var_os("UNIBIN_LAUNCHERS") {
            Some(launchers) => packer.with_launchers(Path::new(&launchers)),
            None => Ok(packer),
        }
    }

    /// What tells this packer, and its launchers, from others.
    pub(crate) fn digest(&self) -> &str {
        self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The same packer with the launchers and brokers in a directory; the bundles of others are kept apart.
    pub(crate) fn with_launchers(&self, launchers: &Path) -> Result<Self> {
        let mut names: Vec<_> =
            fs::read_dir(launchers)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        names.sort();
        let mut all = self.digest().as_bytes().to_vec();
        for name in names {
            all.extend(fs::read(name)?);
        }
        let directory = self.directory.with_file_name(&digest::of(&all).to_string()[..16]);
        Ok(Self { program: self.program.clone(), directory, launchers: Some(launchers.to_owned()) })
    }

    /// A directory with the bundles for `host` that scripts name: `/bundles/NAME/PROGRAM`.
    pub(crate) fn all_for(&self, host: Arch, scripts: &str) -> Result<PathBuf> {
        let programs = self.directory.join("programs");
        let pages = compile("pages", Arch::X86_64)?;
        let mut wanted = wanted(host, &pages);
        wanted.push(("alpha".to_owned(), alpha(host, &programs)?));
        let limited = "limited".to_owned();
        wanted.push((limited.clone(), String::new()));
        wanted.retain(|(name, _)| scripts.contains(&format!("/bundles/{name}/")));
        if let Some((_, words)) = wanted.iter_mut().find(|(name, _)| *name == limited) {
            *words = self.limited(host, &pages, &programs)?;
        }
        if scripts.contains("/bundles/power/") {
            let data = data(&programs)?;
            let other = emulated_on(host);
            let words = format!("--deb busybox-static --target {other} --hosts {host}");
            wanted.push(("power".to_owned(), format!("{words} --add {}:usr/share/power", data.display())));
        }
        for (name, target) in [(SYSTEM, emulated_on(host)), (SYSTEM_NATIVE, host)] {
            if scripts.contains(&format!("/bundles/{name}/")) {
                wanted.push((name.to_owned(), self.system(host, target, &programs)?));
            }
        }
        let mut bundles = Vec::new();
        for (_, words) in &wanted {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            bundles.push(self.pack(&words)?);
        }
        // Of the bundles too: one may stand in for what could not be packed that day.
        let key = digest::of(format!("{wanted:?} {bundles:?}").as_bytes()).to_string();
        let directory = self.directory.join(format!("{}-{}", host.name(), &key[..16]));
        if directory.exists() {
            return Ok(directory);
        }
        appear(&directory, |new| {
            fs::create_dir(new)?;
            for ((name, words), bundle) in wanted.iter().zip(&bundles) {
                // By its name busybox knows which of its programs it is to be.
                let package = words.strip_prefix("--deb ").and_then(|rest| rest.split(' ').next());
                let program = package.map_or(name.as_str(), |package| package.trim_end_matches("-static"));
                fs::create_dir(new.join(name))?;
                fs::hard_link(bundle, new.join(name).join(program))?;
            }
            Ok(())
        })?;
        Ok(directory)
    }

    /// The bundle that `unibin pack WORDS` writes.
    pub(crate) fn pack(&self, words: &[String]) -> Result<PathBuf> {
        let name = digest::of(words.join("\n").as_bytes()).to_string();
        let bundle = self.directory.join(&name[..16]);
        if bundle.exists() {
            return Ok(bundle);
        }
        println!("lab: unibin pack {}", words.join(" "));
        let mut told = String::new();
        let packed = appear(&bundle, |new| {
            let mut command = Command::new(&self.program);
            if let Some(launchers) = &self.launchers {
                command.env("UNIBIN_LAUNCHERS", launchers);
            }
            let packed = command
                .args(["pack", "--allow-stale", "--level", "3"])
                .args(words)
                .arg("-o")
                .arg(new)
                .output();
            let packed = packed.with_context(|| format!("cannot run `{}`", self.program.display()))?;
            String::from_utf8_lossy(&packed.stderr).trim().clone_into(&mut told);
            ensure!(packed.status.success(), "`unibin pack` failed: {told}");
            Ok(fs::set_permissions(new, fs::Permissions::from_mode(0o755))?)
        });
        match (packed, lacking(&told)) {
            (Err(_), Some(why)) if !words.iter().any(|word| word == "--suite") => {
                println!("lab: NOT RUN as it should be: {why}: of {SUITE_BEFORE} instead");
                self.pack(&[words, &["--suite".to_owned(), SUITE_BEFORE.to_owned()]].concat())
            }
            (packed, _) => packed.map(|()| bundle),
        }
    }

    /// How `pages` is packed with the catalogue's emulator as one of the user's own, which does not serve
    /// every kernel's pages.
    fn limited(&self, host: Arch, pages: &Path, programs: &Path) -> Result<String> {
        let emulator = self.emulator(host, Arch::X86_64)?;
        let rows = format!(
            "catalogue = false\n[[translator]]\nhost = \"{host}\"\ntarget = \"x86_64\"\nname = \"limited\"\n\
             version = \"1\"\nprogram = {:?}\npages = 8192\n",
            emulator.display().to_string()
        );
        let file = written(programs, "limited.toml", rows.as_bytes())?;
        Ok(format!("{} --target x86_64 --hosts {host} --translators {}", pages.display(), file.display()))
    }

    /// How a small root file system for `target` is packed: busybox, and a few files around it.
    fn system(&self, host: Arch, target: Arch, programs: &Path) -> Result<String> {
        let words = format!("--deb busybox-static --target {target} --hosts {host}");
        let busybox = self.pack(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
        let root = programs.join(format!("root-{target}"));
        if !root.exists() {
            appear(&root, |new| {
                fs::create_dir(new)?;
                let mut extract = Command::new(&self.program);
                let extracted = extract.arg("extract").arg(&busybox).arg(new.join("x")).output()?;
                ensure!(extracted.status.success(), "{}", String::from_utf8_lossy(&extracted.stderr).trim());
                for directory in ["bin", "etc", "root"] {
                    fs::create_dir(new.join(directory))?;
                }
                fs::rename(new.join("x/usr/bin/busybox"), new.join("bin/busybox"))?;
                fs::remove_dir_all(new.join("x"))?;
                std::os::unix::fs::symlink("/bin/busybox", new.join("bin/sh"))?;
                fs::write(new.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n")?;
                Ok(fs::write(new.join("etc/name"), format!("a system for {target}\n"))?)
            })?;
        }
        Ok(format!("--system {} --target {target} --hosts {host}", root.display()))
    }

    /// The emulator of `host` for `target`, out of the store.
    pub(crate) fn emulator(&self, host: Arch, target: Arch) -> Result<PathBuf> {
        let run = |words: &[&str]| -> Result<String> {
            let ran = Command::new(&self.program).arg("emulator").args(words).output()?;
            ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr).trim());
            Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
        };
        run(&["fetch", "--target", target.name(), "--hosts", host.name()])?;
        Ok(run(&["path", "--target", target.name(), "--host", host.name()])?.into())
    }
}

/// A file below `programs`. The bundles are kept by the words that pack them: other bytes have another path.
fn written(programs: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = programs.join(&digest::of(bytes).to_string()[..16]).join(name);
    appear(&path, |new| {
        fs::write(new, bytes)?;
        Ok(fs::set_permissions(new, fs::Permissions::from_mode(0o755))?)
    })?;
    Ok(path)
}

/// A directory with files that are long enough to be written for a while, and `sums` of them.
fn data(programs: &Path) -> Result<PathBuf> {
    const FILES: u32 = 24;
    const LINES: u32 = 2048;
    let directory = programs.join(format!("data-{FILES}-{LINES}"));
    if !directory.exists() {
        appear(&directory, |new| {
            fs::create_dir(new)?;
            let mut sums = String::new();
            for number in 0..FILES {
                // What cannot be made shorter.
                let line = |line: u32| digest::of(format!("{number} {line}").as_bytes()).to_string() + "\n";
                let text: String = (0..LINES).map(line).collect();
                let _ = writeln!(sums, "{}  {number}", digest::of(text.as_bytes()));
                fs::write(new.join(number.to_string()), text)?;
            }
            Ok(fs::write(new.join("sums"), sums)?)
        })?;
    }
    Ok(directory)
}

/// How an Alpha program is packed that becomes a riscv32 one, as in the talk that unibin began with.
fn alpha(host: Arch, programs: &Path) -> Result<String> {
    let app = written(programs, "alpha", &alpha_that_starts("/usr/bin/child"))?;
    let child = written(programs, "child", &smallest(Arch::Riscv32).elf())?;
    Ok(format!(
        "{} --target alpha --hosts {} --add {}:usr/bin/child --also-target riscv32",
        app.display(),
        host.name(),
        child.display()
    ))
}

/// The bundles that there can be for a host, by the names that the cases have for them, and how each is
/// packed.
fn wanted(host: Arch, pages: &Path) -> Vec<(String, String)> {
    let (own, other) = (host.name(), emulated_on(host).name());
    let natives = Arch::HOSTS.iter().filter(|host| **host != Arch::Riscv64);
    let natives: Vec<String> = natives.map(|host| format!("--native {}", host.name())).collect();
    let natives = natives.join(" ");
    let mut wanted = Vec::new();
    let mut want = |name: &str, words: String| wanted.push((name.to_owned(), words));
    want("native", format!("--deb busybox-static --target {own} --hosts {own}"));
    let targets: BTreeSet<&str> = CASES.iter().filter_map(|case| case.target).map(Arch::name).collect();
    for target in targets.into_iter().filter(|target| *target != own) {
        want(target, format!("--deb busybox-static --target {target} --hosts {own}"));
    }
    want("hello", format!("--deb hello --target {other} --hosts {own}"));
    want("hello-native", format!("--deb hello --target {own} --hosts {own}"));
    want("head", format!("--deb busybox-static --target {other} --hosts {own} --head elf:{own}"));
    want("variants", format!("--deb busybox-static --target riscv64 {natives} --hosts all"));
    want("pages", format!("{} --target x86_64 --hosts {own}", pages.display()));
    want("all", "--deb busybox-static --target s390x --hosts all".to_owned());
    wanted
}
