//! The project's file as a value: what it is called, its builds, and the words that `pack` is given.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic_file::directory_of;
use crate::cli::sbom::{BillFormat, bill_format};
use crate::cli::sign::{Detach, detach};
use crate::error::{Error, ProjectError};
use crate::project::keys::{BUILD, Form, SECTIONS, Section};
use crate::project::nearest::nearest;
use crate::project::toml_file::{self, Row, Value, What};

/// A project's file.
#[derive(Debug)]
pub(crate) struct Project {
    /// The file.
    pub(crate) path: PathBuf,
    /// What its paths are relative to; empty for the working directory.
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) builds: Vec<Build>,
    /// What `pack` is given.
    pub(crate) words: Vec<OsString>,
    /// Where the bundle is written, if that is said.
    pub(crate) output: Option<PathBuf>,
    pub(crate) release: Release,
}

/// One `[[app.build]]`.
#[derive(Debug, Default)]
pub(crate) struct Build {
    /// As it is written: an architecture, and perhaps its level.
    pub(crate) arch: Option<String>,
    pub(crate) file: Option<PathBuf>,
    /// What makes it, for `sh`.
    pub(crate) command: Option<String>,
}

/// `[release]`.
#[derive(Debug, Default)]
pub(crate) struct Release {
    pub(crate) dist: Option<PathBuf>,
    /// Hosts that get a bundle of their own, as `--hosts` takes them.
    pub(crate) thin: Option<String>,
    pub(crate) sources: bool,
    /// Forms of bills of materials.
    pub(crate) sbom: Vec<BillFormat>,
    /// Who signs, as `unibin sign --key` takes it.
    pub(crate) sign: Option<PathBuf>,
    /// Forms of signatures beside files.
    pub(crate) detach: Vec<Detach>,
    pub(crate) builder: Option<String>,
}

/// Reads values, and knows in which file they are.
struct Reader<'f> {
    path: &'f Path,
    directory: PathBuf,
    /// What placeholders stand for.
    name: String,
    version: Option<String>,
}

impl Project {
    /// Reads the file at `path`; `suffix` is appended to its version.
    pub(crate) fn read(path: &Path, suffix: Option<&str>) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ProjectError::None { path: path.to_owned() }.into(),
            _ => Error::io("read", path, source),
        })?;
        Self::of(&text, path, suffix)
    }

    fn of(text: &str, path: &Path, suffix: Option<&str>) -> Result<Self, Error> {
        let fault = |line, what| ProjectError::Form { path: path.to_owned(), line, what, meant: None };
        let top = toml_file::read(text).map_err(|(line, what)| fault(line, what))?;
        match top.get("schema") {
            Some(Value { what: What::Integer(number), .. }) if number == "1" => {}
            Some(Value { line, what: What::Integer(number) }) => {
                return Err(fault(*line, format!("schema {number} is not known to this `unibin`")).into());
            }
            Some(Value { line, .. }) => return Err(fault(*line, "`schema` is a number".to_owned()).into()),
            None => return Err(fault(1, "`schema = 1` is missing".to_owned()).into()),
        }
        let directory = match directory_of(path) {
            here if here == Path::new(".") => PathBuf::new(),
            directory => directory.to_owned(),
        };
        let mut reader = Reader { path, directory, name: String::new(), version: None };
        let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        for row in table(&top) {
            if row.key != "schema" && !names.contains(&row.key.as_str()) {
                return Err(reader.unknown(row, "", &names));
            }
        }
        reader.names(top.get("app"), suffix)?;
        let mut project = Self {
            path: path.to_owned(),
            directory: reader.directory.clone(),
            name: reader.name.clone(),
            version: reader.version.clone(),
            builds: Vec::new(),
            words: Vec::new(),
            output: None,
            release: Release { detach: vec![Detach::Ssh], ..Release::default() },
        };
        for section in &SECTIONS {
            if let Some(value) = top.get(section.name) {
                reader.section(section, value, &mut project)?;
            }
        }
        reader.builds(top.get("app"), &mut project)?;
        Ok(project)
    }

    /// An error if a build is not there.
    pub(crate) fn check_builds(&self) -> Result<(), Error> {
        for build in &self.builds {
            if let Some(file) = build.file.as_ref().filter(|file| !file.exists()) {
                let (path, made) = (self.path.clone(), build.command.is_some());
                return Err(ProjectError::NotBuilt { path, file: file.clone(), made }.into());
            }
        }
        Ok(())
    }
}

fn table(value: &Value) -> &[Row] {
    match &value.what {
        What::Table(rows) => rows,
        _ => &[],
    }
}

impl Reader<'_> {
    fn fault(&self, line: usize, what: String) -> Error {
        ProjectError::Form { path: self.path.to_owned(), line, what, meant: None }.into()
    }

    fn unknown(&self, row: &Row, section: &str, known: &[&str]) -> Error {
        let what = match section {
            "" => format!("unknown key `{}`", row.key),
            section => format!("unknown key `{}` in `{section}`", row.key),
        };
        let elsewhere = || {
            let has = |of: &&Section| of.options.iter().any(|(key, _)| *key == row.key);
            let of = SECTIONS.iter().find(has)?;
            Some(format!("`{}` belongs into `[{}]`", row.key, of.name))
        };
        let near = || nearest(&row.key, known).map(|near| format!("did you mean `{near}`?"));
        let list = || format!("known are {}", known.join(", "));
        let meant = Some(elsewhere().or_else(near).unwrap_or_else(list));
        ProjectError::Form { path: self.path.to_owned(), line: row.line, what, meant }.into()
    }

    /// Reads what the placeholders stand for.
    fn names(&mut self, app: Option<&Value>, suffix: Option<&str>) -> Result<(), Error> {
        let is_plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with(['.', '-'])
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-~".contains(c))
        };
        let expected = "letters, digits, `.`, `_`, `+`, `~` and `-`, not first";
        let Some(name) = app.and_then(|app| app.get("name")) else {
            return Err(self.fault(app.map_or(1, |app| app.line), "`name` is missing in `[app]`".to_owned()));
        };
        match &name.what {
            What::Text(text) if is_plain(text) => self.name.clone_from(text),
            _ => return Err(self.fault(name.line, format!("`name` must be of {expected}"))),
        }
        match app.and_then(|app| app.get("version")) {
            None => self.version = suffix.map(|suffix| suffix.trim_start_matches('-').to_owned()),
            Some(Value { what: What::Text(text), .. }) if is_plain(text) => {
                self.version = Some(format!("{text}{}", suffix.unwrap_or_default()));
            }
            Some(Value { line, .. }) => {
                return Err(self.fault(*line, format!("`version` must be of {expected}")));
            }
        }
        Ok(())
    }

    fn section(&self, section: &Section, value: &Value, project: &mut Project) -> Result<(), Error> {
        let title = format!("[{}]", section.name);
        let What::Table(rows) = &value.what else {
            return Err(
                self.fault(value.line, format!("`{}` is {}, not a table", section.name, value.kind()))
            );
        };
        let known: Vec<&str> =
            section.options.iter().map(|(key, _)| *key).chain(section.others.iter().copied()).collect();
        for row in rows {
            let Row { key, value, .. } = row;
            if let Some((option, form)) = section.options.iter().find(|(option, _)| option == key) {
                self.option(option, *form, value, project)?;
                continue;
            }
            match (section.name, key.as_str()) {
                ("release", "dist") => project.release.dist = Some(self.path_of(&self.text(key, value)?)),
                ("release", "thin") => project.release.thin = Some(self.words(key, value)?.join(",")),
                ("release", "sources") => project.release.sources = self.flag(key, value)?,
                ("release", "sbom") => {
                    let forms = self.words(key, value)?;
                    project.release.sbom = forms
                        .iter()
                        .map(|form| bill_format(form).map_err(|what| self.fault(value.line, what)))
                        .collect::<Result<_, _>>()?;
                }
                ("release", "sign") => {
                    let key = self.text(key, value)?;
                    let is_file = key != "ssh-agent";
                    project.release.sign = Some(if is_file { self.path_of(&key) } else { key.into() });
                }
                ("release", "detach") => {
                    let forms = self.words(key, value)?;
                    project.release.detach = forms
                        .iter()
                        .map(|form| detach(form).map_err(|what| self.fault(value.line, what)))
                        .collect::<Result<_, _>>()?;
                }
                ("release", "builder") => project.release.builder = Some(self.text(key, value)?),
                ("app", "name" | "version" | "build") => {}
                _ => return Err(self.unknown(row, &title, &known)),
            }
        }
        Ok(())
    }

    /// Turns a key into the option of `pack` of the same name.
    fn option(&self, key: &str, form: Form, value: &Value, project: &mut Project) -> Result<(), Error> {
        let words = &mut project.words;
        let mut put = |value: OsString| {
            // In one word: a value that begins with a hyphen is no option.
            let mut word = OsString::from(format!("--{key}="));
            word.push(value);
            words.push(word);
        };
        match form {
            Form::Word => put(self.text(key, value)?.into()),
            Form::Commas => put(self.words(key, value)?.join(",").into()),
            Form::Each => self.words(key, value)?.into_iter().for_each(|text| put(text.into())),
            Form::Path => {
                let path = self.path_of(&self.text(key, value)?);
                if key == "output" {
                    project.output = Some(path.clone());
                }
                put(path.into());
            }
            Form::EachPath => {
                self.words(key, value)?.iter().for_each(|text| put(self.path_of(text).into()));
            }
            Form::EachPathIfSlash => {
                for text in self.words(key, value)? {
                    let is_path = text.contains('/') || text.strip_suffix(".deb").is_some();
                    put(if is_path { self.path_of(&text).into() } else { text.into() });
                }
            }
            Form::EachPathAfterEquals => {
                for text in self.words(key, value)? {
                    let Some((name, path)) = text.split_once('=') else {
                        return Err(self.fault(value.line, format!("`{key}`: `{text}` is not `HOST=FILE`")));
                    };
                    let mut word = OsString::from(format!("{name}="));
                    word.push(self.path_of(path));
                    put(word);
                }
            }
            Form::Number => match &value.what {
                What::Integer(number) => put(number.into()),
                _ => return Err(self.fault(value.line, format!("`{key}` is {}, not a number", value.kind()))),
            },
            Form::Flag => {
                if self.flag(key, value)? {
                    words.push(format!("--{key}").into());
                }
            }
        }
        Ok(())
    }

    fn builds(&self, app: Option<&Value>, project: &mut Project) -> Result<(), Error> {
        let Some(build) = app.and_then(|app| app.get("build")) else { return Ok(()) };
        let What::List(builds) = &build.what else {
            return Err(self.fault(build.line, "builds are written as `[[app.build]]`".to_owned()));
        };
        for value in builds {
            let mut build = Build::default();
            for row in table(value) {
                let Row { key, value, .. } = row;
                match key.as_str() {
                    "arch" => build.arch = Some(self.text(key, value)?),
                    "file" => build.file = Some(self.path_of(&self.text(key, value)?)),
                    "command" => build.command = Some(self.text(key, value)?),
                    _ => return Err(self.unknown(row, "[[app.build]]", &BUILD)),
                }
            }
            if build.file.is_none() && build.arch.is_none() {
                return Err(self.fault(value.line, "a build has a `file`, or an `arch`, or both".to_owned()));
            }
            project.builds.push(build);
        }
        // The first is INPUT, unless something else is what is packed.
        let of_others = ["--deb=", "--system=", "--oci=", "--debootstrap="];
        let is_other = |word: &OsString| {
            of_others.iter().any(|option| word.as_encoded_bytes().starts_with(option.as_bytes()))
        };
        let mut natives = &project.builds[..];
        if let ([Build { arch, file: Some(file), .. }, others @ ..], false) =
            (natives, project.words.iter().any(is_other))
        {
            if let Some(arch) = arch {
                if project.words.iter().any(|word| word.as_encoded_bytes().starts_with(b"--target=")) {
                    let what = "`target` in `[app]` and `arch` of the first build are the same thing";
                    return Err(self.fault(build.line, what.to_owned()));
                }
                project.words.push(format!("--target={arch}").into());
            }
            // Never taken for an option.
            let plain = file.as_os_str().as_encoded_bytes().starts_with(b"-");
            project.words.push(if plain { Path::new(".").join(file) } else { file.clone() }.into());
            natives = others;
        }
        for build in natives {
            let Some(arch) = &build.arch else {
                let what = "each build but the first needs an `arch`";
                return Err(self.fault(app.map_or(1, |app| app.line), what.to_owned()));
            };
            let mut word = OsString::from(format!("--native={arch}"));
            if let Some(file) = &build.file {
                word.push("=");
                word.push(file);
            }
            project.words.push(word);
        }
        Ok(())
    }

    fn flag(&self, key: &str, value: &Value) -> Result<bool, Error> {
        match value.what {
            What::Flag(flag) => Ok(flag),
            _ => Err(self.fault(value.line, format!("`{key}` is {}, not true or false", value.kind()))),
        }
    }

    fn text(&self, key: &str, value: &Value) -> Result<String, Error> {
        match &value.what {
            What::Text(text) => self.filled_in(key, text, value.line),
            _ => Err(self.fault(value.line, format!("`{key}` is {}, not a string", value.kind()))),
        }
    }

    /// A list of strings, or one.
    fn words(&self, key: &str, value: &Value) -> Result<Vec<String>, Error> {
        match &value.what {
            What::List(all) => all.iter().map(|one| self.text(key, one)).collect(),
            What::Text(_) => Ok(vec![self.text(key, value)?]),
            _ => Err(self.fault(value.line, format!("`{key}` is {}, not a list of strings", value.kind()))),
        }
    }

    fn path_of(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }

    /// `{name}` and `{version}` filled in. Behind a `$`, they are the shell's.
    fn filled_in(&self, key: &str, text: &str, line: usize) -> Result<String, Error> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, after) = rest.split_at(at);
            filled.push_str(before);
            let version = self.version.as_deref();
            if before.ends_with('$') {
                filled.push('{');
                rest = &after[1..];
            } else if let Some(after) = after.strip_prefix("{name}") {
                filled.push_str(&self.name);
                rest = after;
            } else if let Some(after) = after.strip_prefix("{version}") {
                let missing =
                    || self.fault(line, format!("`{key}` has `{{version}}`, and `[app]` no version"));
                filled.push_str(version.ok_or_else(missing)?);
                rest = after;
            } else {
                // `{tree}` is the bundle's, all else the program's or the shell's: but in no name of a file.
                let is_file = matches!(key, "file" | "output" | "dist" | "system" | "oci" | "library-path");
                if is_file {
                    let what = format!("`{key}`: only `{{name}}` and `{{version}}` are filled in");
                    return Err(self.fault(line, what));
                }
                filled.push('{');
                rest = &after[1..];
            }
        }
        filled.push_str(rest);
        if filled.contains('\0') {
            return Err(self.fault(line, format!("`{key}` has a NUL character")));
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
