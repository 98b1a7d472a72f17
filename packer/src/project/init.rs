//! `unibin init`: writes a project's file from what is there, for its owner to edit.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::cli::project::InitArgs;
use crate::cli::values::Level;
use crate::error::{Error, ProjectError};
use crate::project::NAME;
use crate::project::file::Project;
use crate::project::manifests::{self, BuildLines, Described, FILES, plain_name};
use crate::project::toml_file::quoted;
use inputs::elf::{self, Kind};

/// Writes the file, and tells what it is made of.
pub(crate) fn init(args: &InitArgs) -> Result<String, Error> {
    let path = Path::new(NAME);
    if path.symlink_metadata().is_ok() {
        return Err(ProjectError::Exists { path: path.to_owned() }.into());
    }
    let described = if args.programs.is_empty() {
        let found = FILES.into_iter().find(|name| Path::new(name).is_file());
        let from = found.ok_or_else(|| ProjectError::NothingToBeginWith { names: FILES.to_vec() })?;
        manifests::read(Path::new(""), from)?
    } else {
        of_programs(&args.programs)?
    };
    let text = file(&described);
    let failed = |source| Error::io("write", path, source);
    let mut new = File::create_new(path).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    // What is written can be read.
    if let Err(error) = Project::read(path, None) {
        fs::remove_file(path).map_err(failed)?;
        return Err(error);
    }
    let mut told = match described.from {
        "" => format!("{NAME}: {}\n", described.name),
        from => format!("{NAME}: {}, from {from}\n", described.name),
    };
    for note in &described.notes {
        let _ = writeln!(told, "  note  {note}"); // writing to a String cannot fail
    }
    told += "  next  `unibin plan` shows what `unibin release` would make\n";
    Ok(told)
}

fn of_programs(programs: &[PathBuf]) -> Result<Described, Error> {
    let mut described = Described::default();
    for path in programs {
        let mut file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        let found = fs::metadata(path).map_err(|source| Error::io("open", path, source))?;
        if !found.is_file() {
            return Err(Error::NotAFile { path: path.clone(), found: "a directory" });
        }
        let elf = elf::read(&mut file).map_err(|source| Error::io("read", path, source))?;
        let elf = elf.map_err(|found| Error::NotAProgram { path: path.clone(), found })?;
        if !matches!(elf.kind, Kind::Static | Kind::Dynamic) {
            return Err(Error::NotStartable { path: path.clone(), arch: elf.arch, kind: elf.kind });
        }
        described.needs_libs |= elf.loader.is_some();
        if described.name.is_empty() {
            described.name = without_arch(path.file_name().unwrap_or_default(), elf.arch);
        }
        let arch = elf.arch.name().to_owned();
        described.builds.push(BuildLines { arch, file: path.display().to_string(), command: None });
    }
    if described.needs_libs {
        described.notes.push("a program is dynamic: its libraries come from Debian".to_owned());
    }
    Ok(described)
}

/// `app` of `app-x86_64`, `app_arm64` or `app.riscv64`.
fn without_arch(name: &OsStr, arch: Arch) -> String {
    let name = name.to_string_lossy();
    let spellings = [Some(arch.name()), Some(arch.qemu_name()), arch.debian_name()];
    let cut = spellings.into_iter().flatten().find_map(|spelling| name.strip_suffix(spelling));
    let cut = cut.and_then(|rest| rest.strip_suffix(['-', '_', '.'])).filter(|rest| !rest.is_empty());
    cut.unwrap_or(&name).to_owned()
}

/// The file's text.
fn file(described: &Described) -> String {
    let Described { name, version, builds, entries, needs_libs, .. } = described;
    let mut text =
        "# What `unibin release` makes: see docs/releasing.md of unibin.\nschema = 1\n\n[app]\n".to_owned();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(&format!("name = {}", quoted(&plain_name(name))));
    match version {
        Some(version) => line(&format!("version = {}", quoted(version))),
        None => line("version = \"0.1.0\" # nothing here said it"),
    }
    if !entries.is_empty() {
        let entries: Vec<_> = entries.iter().map(|entry| quoted(entry)).collect();
        line(&format!("entry = [{}]", entries.join(", ")));
    }
    if builds.len() > 1 {
        line("\n# The first build is emulated where no other one runs natively.");
    }
    for build in builds {
        line(&format!("\n[[app.build]]\narch = {}\nfile = {}", quoted(&build.arch), quoted(&build.file)));
        if let Some(command) = &build.command {
            line(&format!("command = {}", quoted(command)));
        }
    }
    if *needs_libs {
        line("\n[libs]\nlibs = \"debian\"");
    }
    let level = Level::RELEASE;
    line(&format!(
        "\n[hosts]\nlevel = {level} # small and slow, for a release; `unibin pack --fast` while you try"
    ));
    let natives: Vec<_> = builds.iter().map(|build| quoted(&build.arch)).collect();
    line(&format!("\n[release]\nthin = [{}]", natives.join(", ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_is_no_part_of_the_name() {
        for (name, arch, app) in [
            ("app-x86_64", Arch::X86_64, "app"),
            ("app_arm64", Arch::Aarch64, "app"),
            ("x86_64", Arch::X86_64, "x86_64"),
            ("app-arm64", Arch::X86_64, "app-arm64"),
        ] {
            assert_eq!(without_arch(OsStr::new(name), arch), app);
        }
    }
}
