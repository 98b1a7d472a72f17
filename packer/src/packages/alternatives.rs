//! `update-alternatives`: reads which links packages offer in their scripts, and decides which links result.
//! A link that cannot be known without running the script is reported, not guessed.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::packages::maintainer_scripts::Made;
use crate::packages::script::{self, Word};
use crate::tree::app_tree::{App, Node};

/// One `--install` or `--slave`: the link, and the file that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) link: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) priority: i64,
}

/// What one script offers.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    pub(crate) choices: Vec<Choice>,
    /// The names of alternatives whose link or target is not known; `?` for one whose name is not either.
    pub(crate) unknown: Vec<String>,
}

/// Reads what a script passes to `update-alternatives`.
pub(crate) fn offers(script: &str) -> Offers {
    let mut offers = Offers::default();
    script::commands(script, &mut |words| {
        let is_it = |word: &Word| word.as_ref().is_some_and(|word| word.ends_with("update-alternatives"));
        if let Some(start) = words.iter().position(is_it) {
            offers.add(&words[start + 1..]);
        }
    });
    offers
}

impl Offers {
    fn add(&mut self, words: &[Word]) {
        let mut words = words.iter();
        let mut priority = 0;
        while let Some(word) = words.next() {
            let install = word.as_deref() == Some("--install");
            if !install && word.as_deref() != Some("--slave") {
                continue;
            }
            let (Some(link), Some(name), Some(target)) = (words.next(), words.next(), words.next()) else {
                break;
            };
            if install {
                let number = words.next().cloned().flatten();
                priority = number.and_then(|number| number.parse().ok()).unwrap_or(0);
            }
            match (plain(link.as_ref()), plain(target.as_ref())) {
                (Some(link), Some(target)) => self.choices.push(Choice { link, target, priority }),
                _ if install => self.unknown.push(name.clone().unwrap_or_else(|| "?".to_owned())),
                _ => {}
            }
        }
    }
}

/// An absolute path as one of the tree.
fn plain(path: Option<&String>) -> Option<Vec<u8>> {
    Some(path?.strip_prefix('/')?.as_bytes().to_vec())
}

/// The links that `choices` offer, highest priority first, if their targets exist and their places are free.
pub(crate) fn links(app: &App, mut choices: Vec<Choice>) -> Result<Vec<Made>, Error> {
    choices.sort_by_key(|choice| std::cmp::Reverse(choice.priority));
    // What is there, and what will be: an alternative may lead through another (php through php.default).
    let mut tree = app.clone();
    let mut made: BTreeMap<Vec<u8>, Node> = BTreeMap::new();
    loop {
        let before = made.len();
        for Choice { link, target, .. } in &choices {
            let Ok(place) = tree.real(link) else { continue };
            if tree.file(target).is_some() && tree.get(&place).is_none() {
                let node = Node::Symlink([b"/", target.as_slice()].concat());
                tree.add(&place, node.clone())?;
                made.insert(place, node);
            }
        }
        if made.len() == before {
            return Ok(made.into_iter().map(|(path, node)| Made { path, node }).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
#!/bin/sh
base=/usr/lib/jvm/x
case \"$1\" in configure)
update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10 \\
    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/gawk.1.gz
\tupdate-alternatives --quiet --install \"/usr/bin/x\" x /usr/bin/$name 5
for i in java keytool; do
\tunset more
\tupdate-alternatives --install /usr/bin/$i $i $base/bin/$i 2111 $more
done
";

    #[test]
    fn offers_are_read_and_those_that_only_a_run_would_tell_are_named() {
        let found = offers(SCRIPT);
        let links: Vec<_> = found.choices.iter().map(|choice| (&choice.link[..], choice.priority)).collect();
        assert_eq!(
            links,
            [
                (&b"usr/bin/awk"[..], 10),
                (b"usr/share/man/man1/awk.1.gz", 10),
                (b"usr/bin/java", 2111),
                (b"usr/bin/keytool", 2111)
            ]
        );
        assert_eq!(found.choices[3].target, b"usr/lib/jvm/x/bin/keytool");
        assert_eq!(found.unknown, ["x"]);
    }

    fn choice(link: &[u8], target: &[u8], priority: i64) -> Choice {
        Choice { link: link.into(), target: target.into(), priority }
    }

    fn app(paths: &[&[u8]]) -> App {
        let mut app = App::default();
        for path in paths {
            let content = b"x".to_vec().into();
            app.add(path, Node::File { executable: true, content }).expect("added");
        }
        app
    }

    #[test]
    fn the_offer_of_the_highest_priority_wins_and_a_file_in_its_place_stays() {
        let app = app(&[b"usr/bin/gawk", b"usr/bin/mawk", b"usr/bin/vi"]);
        let offers = vec![
            choice(b"usr/bin/awk", b"usr/bin/mawk", 5),
            choice(b"usr/bin/awk", b"usr/bin/gawk", 10),
            choice(b"usr/bin/awk", b"usr/bin/none", 50),
            choice(b"usr/bin/vi", b"usr/bin/gawk", 1),
        ];
        let made = links(&app, offers).expect("links");
        let made: Vec<_> = made.iter().map(|made| (&made.path[..], &made.node)).collect();
        assert!(
            matches!(made[..], [(b"usr/bin/awk", Node::Symlink(to))] if to == b"/usr/bin/gawk"),
            "{made:?}"
        );
    }

    #[test]
    fn an_alternative_may_lead_through_another() {
        let app = app(&[b"usr/bin/b8"]);
        let made =
            links(&app, vec![choice(b"usr/bin/a", b"usr/bin/b", 9), choice(b"usr/bin/b", b"usr/bin/b8", 1)]);
        assert_eq!(made.expect("links").len(), 2);
    }
}
