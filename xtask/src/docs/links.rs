//! A Markdown text's relative links and the anchors of its headings. The only file that touches
//! `pulldown-cmark`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A text, and what leads out of and into it.
pub(super) struct Page {
    text: String,
    pub(super) links: Vec<Link>,
    /// What can stand behind a `#`.
    pub(super) anchors: BTreeSet<String>,
}

/// A link to a place in the repository.
pub(super) struct Link {
    pub(super) to: String,
    /// From 1.
    pub(super) line: usize,
    /// Where the whole link stands in the text.
    range: Range<usize>,
}

impl Page {
    pub(super) fn parse(text: String) -> Self {
        let mut links = Vec::new();
        let mut anchors = BTreeSet::new();
        let mut seen = BTreeMap::new();
        let mut heading: Option<String> = None;
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
        for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
                    if is_relative(&dest_url) =>
                {
                    let line = 1 + text[..range.start].matches('\n').count();
                    links.push(Link { to: dest_url.into_string(), line, range });
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    // The second heading of the same words gets a number.
                    let count = seen.entry(anchor.clone()).or_insert(0_usize);
                    anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
                    *count += 1;
                }
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        Self { text, links, anchors }
    }

    /// The text with some links changed.
    pub(super) fn with_links(&self, change: impl Fn(&str) -> Option<String>) -> String {
        let mut text = self.text.clone();
        for link in self.links.iter().rev() {
            let Some(new) = change(&link.to) else { continue };
            // The last, since the words of a link may look like its address.
            if let Some(at) = text[link.range.clone()].rfind(&link.to) {
                let begin = link.range.start + at;
                text.replace_range(begin..begin + link.to.len(), &new);
            }
        }
        text
    }
}

fn is_relative(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// As GitHub and mdBook make it from a heading's words.
fn anchor(words: &str) -> String {
    let kept = words.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// The path in the repository of what `to` names in the text at `from`; `None` outside.
pub(super) fn resolve(from: &str, to: &str) -> Option<String> {
    if to.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_found_and_code_is_not_read() {
        let text = "# A `b`: c_d!\n\n[x](docs/y.md#z) `[no](no.md)` [net](https://example.org/)\n\n\
            ```text\n[no](no.md)\n# no\n```\n\n[ref][r] ![p](p.png)\n\n## A `b`: c_d!\n\n[r]: r.md\n";
        let page = Page::parse(text.to_owned());
        let links: Vec<_> = page.links.iter().map(|link| (link.line, link.to.as_str())).collect();
        assert_eq!(links, [(3, "docs/y.md#z"), (10, "r.md"), (10, "p.png")]);
        assert_eq!(Vec::from_iter(page.anchors), ["a-b-c_d", "a-b-c_d-1"]);
    }

    #[test]
    fn a_link_is_resolved_from_where_its_text_lies() {
        assert_eq!(resolve("docs/a.md", "../b/./c.md").as_deref(), Some("b/c.md"));
        assert_eq!(resolve("docs/a.md", "").as_deref(), Some("docs/a.md"));
        assert_eq!(resolve("a.md", "docs/").as_deref(), Some("docs"));
        assert_eq!(resolve("a.md", "../b.md"), None);
    }

    #[test]
    fn only_the_address_of_a_link_is_changed() {
        let page = Page::parse("[a.md](a.md), [b](b.md)\n".to_owned());
        let changed = page.with_links(|to| (to == "a.md").then(|| "https://example.org/a".to_owned()));
        assert_eq!(changed, "[a.md](https://example.org/a), [b](b.md)\n");
    }
}
