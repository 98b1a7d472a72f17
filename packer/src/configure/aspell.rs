//! Aspell's dictionaries, which a script of Debian's compiles from lists of words: the packages have empty
//! files in their places. They differ between CPUs in the order of bytes alone, so those for the order of
//! this machine are made.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use bundle::{Arch, directory_of, join};
use inputs::decoded;

use crate::bounds::Bounded;
use crate::cli::ArchiveArgs;
use crate::configure::made::{Files, Made, Source, Workshop, again, kept_files, key, name, output, sources};
use crate::error::{Error, HostProgramError};
use crate::host_program::HostProgram;
use crate::tree::app_tree::{App, Node};

/// A language has an empty `LANGUAGE.compat` here, and its dictionaries come here.
const PLACE: &[u8] = b"var/lib/aspell";
/// Lists of words, and `LANGUAGE.contents`, which names those of a language.
const LISTS: &[u8] = b"usr/share/aspell";
/// What is known about languages and character sets.
const DATA: &[u8] = b"usr/lib/aspell";

const ASPELL: HostProgram<'static> =
    HostProgram { packages: &["aspell"], path: "usr/bin/aspell", files: &["usr/lib/aspell/**"] };
const PREZIP: HostProgram<'static> =
    HostProgram { packages: &["aspell"], path: "usr/bin/prezip-bin", files: &[] };

/// A dictionary, the language that it is for, and its list of words.
struct Dictionary {
    path: Vec<u8>,
    language: String,
    list: Vec<u8>,
}

/// The dictionaries that are missing or empty.
pub(super) fn dictionaries(app: &App, target: Arch, archive: &ArchiveArgs) -> Result<Vec<Made>, Error> {
    let lacking = lacking(app)?;
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let host = Arch::HOST.ok_or(HostProgramError::NoArchitecture)?;
    if host.endian() != target.endian() {
        let why = format!("a dictionary for {target} takes a machine with the same order of bytes");
        return Err(HostProgramError::Failed { program: name(&ASPELL), why }.into());
    }
    let is_needed = |path: &[u8]| {
        let is_list = lacking.iter().any(|dictionary| dictionary.list == path);
        is_list || directory_of(path) == DATA && !path.ends_with(b".rws")
    };
    let sources = sources(app, is_needed);
    let mut what = format!("aspell\0{}", host.endian() as u8);
    for Dictionary { path, language, .. } in &lacking {
        what.extend(["\0", &String::from_utf8_lossy(path), "\0", language]);
    }
    let made = kept_files(key(&what, &sources, archive)?, || compiled(&lacking, &sources, archive))?;
    let list = |path: &[u8]| lacking.iter().find(|dictionary| dictionary.path == path);
    let made = made.into_iter().filter_map(|(path, content)| {
        let of = list(&path)?.list.clone();
        Some(Made { path, of, content: content.into() })
    });
    Ok(made.collect())
}

/// Which dictionaries the script would compile (aspell-autobuildhash(8)).
fn lacking(app: &App) -> Result<Vec<Dictionary>, Error> {
    let mut found = Vec::new();
    for file in app.names(PLACE).filter(|name| name.ends_with(b".compat")) {
        let language = file.strip_suffix(b".compat").unwrap_or(file);
        let Ok(text) = std::str::from_utf8(language) else { continue };
        let contents = join(LISTS, &[language, b".contents"].concat());
        let contents = match app.file(&contents) {
            Some((_, Node::File { content, .. })) => content.bytes().map_err(Error::Temporary)?,
            _ => language.to_vec(),
        };
        let names = contents.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for name in names.filter(|name| !name.is_empty() && !name.starts_with(b"#") && !name.contains(&b'/'))
        {
            let path = join(PLACE, &[name, b".rws"].concat());
            let is_there = match app.get(&path) {
                None => false,
                Some(Node::File { content, .. }) => content.len() != 0,
                Some(_) => true,
            };
            let endings: [&[u8]; 3] = [b".mwl.gz", b".wl.gz", b".cwl.gz"];
            let list = endings.iter().map(|ending| join(LISTS, &[name, ending].concat()));
            let list = list.into_iter().find(|list| app.file(list).is_some());
            if let Some(list) = list.filter(|_| !is_there) {
                found.push(Dictionary { path, language: text.to_owned(), list });
            }
        }
    }
    Ok(found)
}

fn compiled(
    dictionaries: &[Dictionary],
    sources: &[Source<'_>],
    archive: &ArchiveArgs,
) -> Result<Files, Error> {
    let workshop = Workshop::new(sources)?;
    let prezip = workshop.program(&PREZIP, archive)?;
    let aspell = workshop.program(&ASPELL, archive)?;
    let (words, data) = (workshop.at(b"words"), workshop.at(DATA));
    let option = |option: &str| format!("--{option}={}", data.display());
    fs::create_dir_all(workshop.at(PLACE)).map_err(Error::Temporary)?;
    for Dictionary { path, language, list } in dictionaries {
        unpack(&workshop.at(list), &words).map_err(Error::Temporary)?;
        if list.ends_with(b".cwl.gz") {
            let text = output(again(&prezip).arg("-d"), &name(&PREZIP), Some(&words))?;
            fs::write(&words, text).map_err(Error::Temporary)?;
        }
        let mut aspell = again(&aspell);
        aspell.args(["--per-conf=/dev/null", "--dont-validate-affixes"]);
        aspell.args([option("data-dir"), option("local-data-dir"), option("dict-dir")]);
        aspell.arg(format!("--lang={language}")).args(["create", "master"]).arg(workshop.at(path));
        output(&mut aspell, &name(&ASPELL), Some(&words))?;
    }
    workshop.files(PLACE)
}

fn unpack(list: &Path, to: &Path) -> io::Result<()> {
    let list = File::open(list)?;
    let stored = list.metadata()?.len();
    let words = Bounded::unpacked(decoded(BufReader::new(list))?, stored);
    io::copy(&mut { words }, &mut File::create(to)?).map(drop)
}
