//! What the files of other tools say about a project: its name, version and programs, and how its builds are
//! made. They are read, never executed.

use std::fs;
use std::path::Path;

use crate::error::{Error, ProjectError, readable};
use crate::json;
use crate::project::toml_file::{self, Value, What};

/// A project as another tool's file describes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    /// The file that was read.
    pub(super) from: &'static str,
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) builds: Vec<BuildLines>,
    pub(super) entries: Vec<String>,
    /// Whether libraries or an interpreter come from Debian.
    pub(super) needs_libs: bool,
    /// What the writer of the file should know.
    pub(super) notes: Vec<String>,
}

/// One build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BuildLines {
    pub(super) arch: String,
    pub(super) file: String,
    pub(super) command: Option<String>,
}

/// The files that are known, in the order in which they count.
pub(super) const FILES: [&str; 4] = ["Cargo.toml", "go.mod", "pyproject.toml", "package.json"];

/// Architecture, Rust's target and Go's name of it: what is built if nothing says otherwise.
const USUAL: [(&str, &str, &str); 3] = [
    ("x86_64", "x86_64-unknown-linux-musl", "amd64"),
    ("aarch64", "aarch64-unknown-linux-musl", "arm64"),
    ("riscv64", "riscv64gc-unknown-linux-musl", "riscv64"),
];

/// What the file `from` in `directory` says.
pub(super) fn read(directory: &Path, from: &'static str) -> Result<Described, Error> {
    let path = directory.join(from);
    let text = fs::read_to_string(&path).map_err(|source| Error::io("read", &path, source))?;
    let lacks = |what| Error::from(ProjectError::Lacks { path: path.clone(), what });
    let toml = |text: &str| {
        toml_file::read(text).map_err(|(line, what)| {
            Error::from(ProjectError::Form { path: path.clone(), line, what, meant: None })
        })
    };
    let mut described = match from {
        "Cargo.toml" => cargo(&toml(&text)?, directory).ok_or_else(|| lacks("`name` in `[package]`"))?,
        "go.mod" => go(&text).ok_or_else(|| lacks("`module`"))?,
        "pyproject.toml" => python(&toml(&text)?).ok_or_else(|| lacks("`name` in `[project]`"))?,
        _ => node(&text).ok_or_else(|| lacks("`name`"))?,
    };
    described.from = from;
    Ok(described)
}

fn cargo(manifest: &Value, directory: &Path) -> Option<Described> {
    let package = manifest.get("package")?;
    let name = package.text("name")?.to_owned();
    // `version.workspace = true`: this file's workspace, or that of a directory above.
    let of_workspace = |text: &str| {
        let page = toml_file::read(text).ok()?;
        Some(page.get("workspace")?.get("package")?.text("version")?.to_owned())
    };
    let above = || {
        let directory = directory.canonicalize().ok()?;
        directory
            .ancestors()
            .find_map(|directory| of_workspace(&fs::read_to_string(directory.join("Cargo.toml")).ok()?))
    };
    let inherited = package.get("version").is_some_and(|version| version.get("workspace").is_some());
    let version = package.text("version").map(ToOwned::to_owned).or_else(|| inherited.then(above).flatten());
    let program = match manifest.get("bin").map(|bin| &bin.what) {
        Some(What::List(programs)) => programs.first().and_then(|bin| bin.text("name")).unwrap_or(&name),
        _ => &name,
    };
    let build = |(arch, target, _): (&str, &str, &str)| BuildLines {
        arch: arch.to_owned(),
        file: format!("target/{target}/release/{program}"),
        command: Some(format!("cargo build --release --locked --target {target}")),
    };
    let note = "a `-musl` target gives static programs: `rustup target add` each; `cargo zigbuild` needs no other \
                linker";
    Some(Described {
        builds: USUAL.map(build).into(),
        name: program.to_owned(),
        version,
        notes: vec![note.to_owned()],
        ..Described::default()
    })
}

fn go(text: &str) -> Option<Described> {
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    let module = module.split("//").next()?.trim().trim_matches('"');
    // `example.org/app/v2` is `app`.
    let mut parts = module.rsplit('/');
    let last = parts.next()?;
    let is_major = last.strip_prefix('v').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    let name = if is_major { parts.next().unwrap_or(last) } else { last };
    let build = |(arch, _, goarch): (&str, &str, &str)| BuildLines {
        arch: arch.to_owned(),
        file: format!("build/{{name}}-{arch}"),
        command: Some(format!(
            "CGO_ENABLED=0 GOOS=linux GOARCH={goarch} go build -trimpath -o build/{{name}}-{arch} ."
        )),
    };
    Some(Described { name: name.to_owned(), builds: USUAL.map(build).into(), ..Described::default() })
}

fn python(page: &Value) -> Option<Described> {
    let project = page.get("project")?;
    let name = project.text("name")?.to_owned();
    // How a wheel's file is called (PEP 427).
    let file_name = name.replace(['-', '.'], "_");
    let scripts = project.get("scripts").map(|scripts| &scripts.what);
    let entries = match scripts {
        Some(What::Table(rows)) => rows.iter().map(|row| row.key.clone()).collect(),
        _ => Vec::new(),
    };
    let build = |(arch, _, _): (&str, &str, &str)| BuildLines {
        arch: arch.to_owned(),
        file: format!("build/{file_name}-{{version}}-py3-none-any.whl"),
        command: Some("python3 -m pip wheel --no-deps --wheel-dir build .".to_owned()),
    };
    let mut notes = vec![
        "a wheel of pure Python runs by Debian's Python, which is packed for each architecture".to_owned(),
    ];
    if project.get("dependencies").is_some() {
        notes.push(
            "dependencies are not packed with a wheel: `pip install --target DIR .`, and pack DIR".to_owned(),
        );
    }
    if entries.is_empty() {
        notes.push("`[project.scripts]` names no program: `entry` must".to_owned());
    }
    let version = project.text("version").map(ToOwned::to_owned);
    let builds = USUAL.map(build).into();
    Some(Described { name, version, builds, needs_libs: true, notes, ..Described::default() })
}

fn node(text: &str) -> Option<Described> {
    let package = json::package(text.as_bytes()).filter(|package| !package.name.is_empty())?;
    let name = package.name.rsplit('/').next()?.to_owned();
    let file_name = package.name.trim_start_matches('@').replace('/', "-");
    let build = |(arch, _, _): (&str, &str, &str)| BuildLines {
        arch: arch.to_owned(),
        file: format!("build/{file_name}-{{version}}.tgz"),
        command: Some("mkdir -p build && npm pack --pack-destination build".to_owned()),
    };
    let notes = vec![
        "the package runs by Debian's Node.js, which is packed for each architecture".to_owned(),
        "of `dependencies`, only `bundledDependencies` are in the package".to_owned(),
    ];
    // As Debian has it: Node.js is not built for all of them.
    let builds = USUAL.map(build).into();
    let version = Some(package.version).filter(|version| !version.is_empty());
    Some(Described { name, version, builds, needs_libs: true, notes, ..Described::default() })
}

/// A name that a file can have, made of `name`.
pub(super) fn plain_name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._+-~".contains(c) { c } else { '-' };
    let name: String = readable(name.as_bytes()).chars().map(fits).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(from: &'static str, text: &str) -> Described {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join(from), text).expect("written");
        read(directory.path(), from).expect("read")
    }

    #[test]
    fn the_files_of_other_tools_name_programs_and_builds() {
        let cargo = described(
            "Cargo.toml",
            "[workspace.package]\nversion='2.0'\n[package]\nname='a'\nversion.workspace=true\n[[bin]]\nname='tool'\n",
        );
        assert_eq!((cargo.name.as_str(), cargo.version.as_deref()), ("tool", Some("2.0")));
        assert_eq!(cargo.builds[1].file, "target/aarch64-unknown-linux-musl/release/tool");
        let go = described("go.mod", "// mine\nmodule example.org/x/app/v2 // here\n\ngo 1.22\n");
        assert_eq!((go.name.as_str(), go.version), ("app", None));
        assert!(
            go.builds[1].command.as_ref().is_some_and(|command| command.contains("GOARCH=arm64 go build"))
        );
        let python =
            described("pyproject.toml", "[project]\nname='my-app'\nversion='1'\nscripts={my='a:b'}\n");
        assert_eq!(python.builds[0].file, "build/my_app-{version}-py3-none-any.whl");
        assert!(python.needs_libs && python.notes.len() == 1, "{:?}", python.notes);
        let node = described("package.json", r#"{"name": "@me/app", "version": "3.1.0", "bin": "a.js"}"#);
        assert_eq!((node.name.as_str(), node.version.as_deref()), ("app", Some("3.1.0")));
        assert_eq!(node.builds[0].file, "build/me-app-{version}.tgz");
    }

    #[test]
    fn a_file_without_a_name_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        for (from, text) in [("Cargo.toml", "[workspace]\n"), ("go.mod", ""), ("package.json", "{}")] {
            fs::write(directory.path().join(from), text).expect("written");
            let error = read(directory.path(), from).expect_err("refused").text();
            assert!(error.contains(from) && error.contains("has no"), "{error}");
        }
        assert_eq!((plain_name("-ü a"), plain_name("..")), ("a".to_owned(), "app".to_owned()));
    }
}
