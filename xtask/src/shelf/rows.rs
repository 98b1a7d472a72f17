//! The rows, `shelf/*.toml`: which program, how it is packed, what it is made to do, and what is to come of
//! it. A row that contradicts itself is refused before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;
use serde::Deserialize;

use super::outcome::Outcome;

/// A row that does not say otherwise may run this long, in seconds.
const SECONDS: u64 = 300;

/// A program, its work, and what is to come of it.
#[derive(Debug)]
pub(crate) struct Program {
    /// How it is called on the command line of the shelf.
    pub(crate) name: String,
    /// The name of its file, which can be given in place of the names in it.
    group: String,
    /// The work, for the table: "sorts and copies".
    pub(crate) about: String,
    /// Each is a row of the table.
    pub(crate) targets: Vec<Arch>,
    /// Debian packages.
    pub(crate) deb: Vec<String>,
    /// `NAME=PATH` of each entry; the first is the default.
    pub(crate) entries: Vec<String>,
    /// Further words for `unibin pack`.
    pub(crate) pack: Vec<String>,
    /// A script that makes what `pack` names, with `TARGET` set; it runs where `inputs` lie.
    pub(crate) build: Option<String>,
    /// Programs of this machine that the row needs.
    pub(crate) needs: Vec<String>,
    /// Files by their names, for packing and for the run.
    pub(crate) inputs: BTreeMap<String, String>,
    /// A short command whose time is taken.
    pub(crate) start: Vec<String>,
    /// The work: a script of `sh -eu` that finds the entries in `PATH`.
    pub(crate) run: String,
    /// How the script has to end.
    pub(crate) code: i32,
    /// What the run is compared with.
    pub(crate) truth: Truth,
    /// Files that the script makes, which are compared too.
    pub(crate) made: Vec<String>,
    /// How long the script may take.
    pub(crate) seconds: u64,
    /// It is small and quick enough for continuous integration.
    pub(crate) light: bool,
    /// The failures that are known.
    fails: Vec<Fails>,
}

/// What a run is compared with.
#[derive(Debug)]
pub(crate) enum Truth {
    /// The same program for this machine, run natively.
    Native,
    /// What the row says.
    Stored(Outcome),
}

/// A failure that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fails {
    /// For these targets; for all if there are none.
    #[serde(default)]
    targets: Vec<String>,
    /// Text that must be among what is complained about, so that another failure is seen.
    pub(crate) symptom: String,
    /// Why, for the table.
    pub(crate) why: String,
}

impl Program {
    /// Whether this word of the command line means it.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.name == word || self.group == word
    }

    /// The failure that is known for this target.
    pub(crate) fn fails_for(&self, target: Arch) -> Option<&Fails> {
        let meant = |fails: &&Fails| {
            fails.targets.is_empty() || fails.targets.iter().any(|name| name == target.name())
        };
        self.fails.iter().find(meant)
    }

    /// The names of the entries.
    pub(crate) fn entry_names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| Some(entry.split_once('=')?.0))
    }
}

/// All rows: files by name, rows as they stand in them.
pub(crate) fn read(directory: &Path) -> Result<Vec<Program>> {
    let listed = fs::read_dir(directory).with_context(|| format!("cannot list `{}`", directory.display()))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut programs: Vec<Program> = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let group = path.file_stem().and_then(|stem| stem.to_str()).context("a name that is not UTF-8")?;
        programs.extend(parse(&text, group).with_context(|| format!("`{}` is unusable", path.display()))?);
    }
    let mut names = BTreeSet::new();
    for program in &programs {
        ensure!(names.insert(&program.name), "two rows of the shelf are called `{}`", program.name);
    }
    ensure!(!programs.is_empty(), "`{}` has no rows", directory.display());
    Ok(programs)
}

fn parse(text: &str, group: &str) -> Result<Vec<Program>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        program: Vec<Written>,
    }
    let file: File = crate::tables::read(text)?;
    let read = |row: Written| {
        let name = row.name.clone();
        row.checked(group).with_context(|| format!("row `{name}`"))
    };
    file.program.into_iter().map(read).collect()
}

/// A row as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    about: String,
    targets: Vec<String>,
    #[serde(default)]
    deb: Vec<String>,
    #[serde(default)]
    entries: Vec<String>,
    #[serde(default)]
    pack: Vec<String>,
    build: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    start: Vec<String>,
    run: String,
    #[serde(default)]
    code: i32,
    /// What the script prints. Without it the native program is the truth.
    output: Option<String>,
    /// With `output`: the files that the script makes, and what is in them.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Without `output`: the files that are compared with the native program's.
    #[serde(default)]
    made: Vec<String>,
    seconds: Option<u64>,
    #[serde(default)]
    light: bool,
    #[serde(default)]
    fails: Vec<Fails>,
}

impl Written {
    fn checked(self, group: &str) -> Result<Program> {
        ensure!(!self.targets.is_empty(), "`targets` is empty");
        let arch =
            |name: &String| Arch::from_name(name).with_context(|| format!("unknown architecture `{name}`"));
        let targets = self.targets.iter().map(arch).collect::<Result<Vec<_>>>()?;
        for fails in &self.fails {
            ensure!(!fails.symptom.is_empty(), "a failure that is known needs its `symptom`");
            let strange = fails.targets.iter().find(|name| !self.targets.contains(name));
            if let Some(name) = strange {
                bail!("fails for `{name}`, which is none of its targets");
            }
        }
        ensure!(!self.deb.is_empty() || !self.pack.is_empty(), "neither `deb` nor `pack` says what it is");
        ensure!(!self.start.is_empty(), "`start` is empty");
        let entries =
            if self.entries.is_empty() { vec![format!("{0}=/usr/bin/{0}", self.name)] } else { self.entries };
        ensure!(entries.iter().all(|entry| entry.contains('=')), "an entry of the shelf is `NAME=PATH`");
        let (truth, made) = if let Some(output) = self.output {
            ensure!(
                self.made.is_empty(),
                "`made` goes with the native program: `files` says what is in them"
            );
            let made = self.files.keys().cloned().collect();
            (Truth::Stored(Outcome::stored(self.code, output, self.files)), made)
        } else {
            ensure!(
                self.files.is_empty(),
                "`files` goes with `output`: `made` compares with the native ones"
            );
            ensure!(!self.light, "a light row has its `output`: the native program is packed for the others");
            (Truth::Native, self.made)
        };
        Ok(Program {
            name: self.name,
            group: group.to_owned(),
            about: self.about,
            targets,
            deb: self.deb,
            entries,
            pack: self.pack,
            build: self.build,
            needs: self.needs,
            inputs: self.inputs,
            start: self.start,
            run: self.run,
            code: self.code,
            truth,
            made,
            seconds: self.seconds.unwrap_or(SECONDS),
            light: self.light,
            fails: self.fails,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[program]]\nname = 'jq'\nabout = 'filters'\ntargets = ['riscv64', 's390x']\n\
                        deb = ['jq']\nstart = ['jq']\nrun = 'jq'\n";

    #[test]
    fn the_rows_of_this_tree_are_well_formed() {
        let rows = read(&crate::workspace().join(super::super::DIRECTORY)).expect("rows");
        assert!(rows.iter().filter(|row| row.light).count() >= 8, "too few light rows to rotate");
    }

    #[test]
    fn a_row_that_contradicts_itself_is_refused() {
        let row = parse(GOOD, "data").expect("a row").remove(0);
        assert_eq!(row.entries, ["jq=/usr/bin/jq"]);
        assert!(row.is_called("data") && row.is_called("jq") && !row.is_called("j"));
        for (more, complaint) in [
            ("made = ['a']\noutput = ''", "goes with the native program"),
            ("files = { a = '' }", "goes with `output`"),
            ("light = true", "has its `output`"),
            ("entries = ['/usr/bin/jq']", "NAME=PATH"),
            ("colour = 'red'", "colour"),
            ("fails = [{ symptom = '', why = 'x' }]", "symptom"),
            ("fails = [{ symptom = 'x', why = 'x', targets = ['armv7'] }]", "none of its targets"),
        ] {
            let error = parse(&format!("{GOOD}{more}\n"), "data").expect_err(more);
            assert!(format!("{error:#}").contains(complaint), "{more}: {error:#}");
        }
        let vax = GOOD.replace("s390x", "vax9");
        assert!(format!("{:#}", parse(&vax, "data").expect_err("no vax")).contains("vax9"));
    }

    #[test]
    fn a_failure_is_known_for_the_targets_that_it_names() {
        let text = format!("{GOOD}fails = [{{ symptom = 'x', why = 'y', targets = ['s390x'] }}]\n");
        let row = parse(&text, "data").expect("a row").remove(0);
        assert!(row.fails_for(Arch::S390x).is_some() && row.fails_for(Arch::Riscv64).is_none());
    }
}
