//! The commands of a shell script as far as they can be known by reading: variables with literal values and
//! `for` over literal words are followed, all branches are taken, nothing is executed. What depends on
//! anything else (`$(…)`, positional parameters, patterns) is unknown, never guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

/// More commands are not followed: nested loops could go on for long.
const COMMANDS_MAX: usize = 20_000;

/// A word of a command; `None` if it is unknown.
pub(crate) type Word = Option<String>;

/// Calls `visit` with the words of every command that `script` may run.
pub(crate) fn commands(script: &str, visit: &mut dyn FnMut(&[Word])) {
    let commands = parse(script);
    Run { variables: BTreeMap::new(), left: COMMANDS_MAX, visit }.all(&commands);
}

/// All words of `script` that could be names of programs, wherever they are: of paths the last part.
pub(crate) fn words(script: &str) -> BTreeSet<&str> {
    let is_in_path = |letter: char| letter.is_ascii_alphanumeric() || "_-+./".contains(letter);
    let paths = script.split(|letter| !is_in_path(letter));
    paths.filter_map(|path| path.rsplit('/').next()).filter(|word| !word.is_empty()).collect()
}

/// A part of a word as written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable {
        name: String,
        quoted: bool,
    },
    /// Known at run time only.
    Unknown,
}

/// A word as written.
type Written = Vec<Part>;

/// What has to be executed to follow a script.
struct Run<'a> {
    variables: BTreeMap<String, String>,
    left: usize,
    visit: &'a mut dyn FnMut(&[Word]),
}

impl Run<'_> {
    fn all(&mut self, commands: &[Vec<Written>]) {
        let mut at = 0;
        while let Some(command) = commands.get(at) {
            at += 1;
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let command = without_keywords(command);
            if keyword(command, 0) != Some("for") {
                self.one(command);
                continue;
            }
            let end = at + end_of_loop(&commands[at..]);
            let body = &commands[at..end];
            if let (Some(name), Some("in")) = (keyword(command, 1), keyword(command, 2)) {
                let values: Vec<Word> = command[3..].iter().flat_map(|word| self.expanded(word)).collect();
                for value in values {
                    match value {
                        Some(value) => drop(self.variables.insert(name.to_owned(), value)),
                        None => drop(self.variables.remove(name)),
                    }
                    self.all(body);
                }
            } else {
                self.all(body);
            }
            at = end + 1;
        }
    }

    fn one(&mut self, command: &[Written]) {
        let mut words = command;
        while let Some((first, rest)) = words.split_first() {
            match assignment(first) {
                Some((name, value)) => {
                    // What cannot be known leaves the value that was known: all branches are taken, and the
                    // plain one is usually the one that counts.
                    if let Some(value) = self.value(&value) {
                        self.variables.insert(name, value);
                    }
                }
                None if matches!(keyword(words, 0), Some("export" | "local" | "readonly")) => {}
                None => break,
            }
            words = rest;
        }
        if keyword(words, 0) == Some("unset") {
            for name in (1..words.len()).filter_map(|at| keyword(words, at)) {
                self.variables.remove(name);
            }
        }
        let words: Vec<Word> = words.iter().flat_map(|word| self.expanded(word)).collect();
        if !words.is_empty() {
            (self.visit)(&words);
        }
    }

    /// The value of a word that is not split.
    fn value(&self, word: &[Part]) -> Word {
        let mut value = String::new();
        for part in word {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Variable { name, .. } => value.push_str(self.variables.get(name)?),
                Part::Unknown => return None,
            }
        }
        Some(value)
    }

    /// The words that one written word becomes.
    fn expanded(&self, word: &[Part]) -> Vec<Word> {
        let splits = word.iter().any(|part| matches!(part, Part::Variable { quoted: false, .. }));
        match self.value(word) {
            Some(value) if splits => value.split_whitespace().map(|word| Some(word.to_owned())).collect(),
            value => vec![value],
        }
    }
}

/// How many commands are the body of a loop whose head came before.
fn end_of_loop(commands: &[Vec<Written>]) -> usize {
    let mut depth = 1;
    for (at, command) in commands.iter().enumerate() {
        match keyword(without_keywords(command), 0) {
            Some("for") => depth += 1,
            Some("done") => depth -= 1,
            _ if before(command).any(|word| matches!(word, "while" | "until")) => depth += 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    commands.len()
}

/// A command without what stands before it.
fn without_keywords(command: &[Written]) -> &[Written] {
    &command[before(command).count()..]
}

/// The words that stand before a command.
fn before(command: &[Written]) -> impl Iterator<Item = &str> {
    const BEFORE: [&str; 9] = ["do", "then", "else", "elif", "if", "{", "!", "while", "until"];
    command.iter().map_while(|word| text(word).filter(|word| BEFORE.contains(word)))
}

fn keyword(command: &[Written], at: usize) -> Option<&str> {
    text(command.get(at)?)
}

/// A word that is nothing but text.
fn text(word: &[Part]) -> Option<&str> {
    match word {
        [Part::Text(text)] => Some(text),
        _ => None,
    }
}

/// `NAME=VALUE`.
fn assignment(word: &[Part]) -> Option<(String, Written)> {
    let (Part::Text(first), rest) = word.split_first()? else { return None };
    let (name, value) = first.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.chars().all(is_in_name);
    let value = [Part::Text(value.to_owned())].into_iter().chain(rest.iter().cloned());
    is_name.then(|| (name.to_owned(), value.collect()))
}

fn is_in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The commands of a script: what stands between newlines, `;`, `&`, `|` and parentheses.
fn parse(script: &str) -> Vec<Vec<Written>> {
    // A backslash before a newline joins lines.
    let script = script.replace("\\\n", " ");
    let mut letters = script.chars().peekable();
    let (mut commands, mut command) = (Vec::new(), Vec::new());
    while let Some(&letter) = letters.peek() {
        match letter {
            '\n' | ';' | '&' | '|' | '(' | ')' => {
                letters.next();
                if !command.is_empty() {
                    commands.push(std::mem::take(&mut command));
                }
            }
            '#' => while letters.next_if(|letter| *letter != '\n').is_some() {},
            _ if letter.is_whitespace() => drop(letters.next()),
            _ => command.push(word(&mut letters)),
        }
    }
    commands.push(command);
    commands
}

fn word(letters: &mut Peekable<Chars<'_>>) -> Written {
    let mut word = Written::new();
    let mut quoted = false;
    while let Some(&letter) = letters.peek() {
        let ends = matches!(letter, '\n' | ';' | '&' | '|' | '(' | ')') || letter.is_whitespace();
        if !quoted && ends {
            break;
        }
        letters.next();
        match letter {
            '"' => quoted = !quoted,
            '\'' if !quoted => {
                let mut inside = String::new();
                while let Some(letter) = letters.next_if(|letter| *letter != '\'') {
                    inside.push(letter);
                }
                letters.next();
                push(&mut word, &inside);
            }
            '\\' => push(&mut word, &letters.next().map(String::from).unwrap_or_default()),
            '$' => word.push(dollar(letters, quoted)),
            '`' => {
                while letters.next_if(|letter| *letter != '`').is_some() {}
                letters.next();
                word.push(Part::Unknown);
            }
            '*' | '?' | '[' if !quoted && letters.peek().is_some_and(|next| !next.is_whitespace()) => {
                word.push(Part::Unknown);
            }
            letter => push(&mut word, &letter.to_string()),
        }
    }
    word
}

/// What comes after a dollar sign.
fn dollar(letters: &mut Peekable<Chars<'_>>, quoted: bool) -> Part {
    let mut name = String::new();
    match letters.peek() {
        Some('(') => {
            let mut depth = 0;
            for letter in letters.by_ref() {
                depth += i32::from(letter == '(') - i32::from(letter == ')');
                if depth == 0 {
                    break;
                }
            }
            return Part::Unknown;
        }
        Some('{') => {
            letters.next();
            while let Some(letter) = letters.next_if(|letter| *letter != '}') {
                name.push(letter);
            }
            letters.next();
        }
        _ => {
            while let Some(letter) = letters.next_if(|letter| is_in_name(*letter)) {
                name.push(letter);
            }
            if name.is_empty() {
                letters.next();
            }
        }
    }
    let plain = name.starts_with(|letter: char| !letter.is_ascii_digit()) && name.chars().all(is_in_name);
    if plain { Part::Variable { name, quoted } } else { Part::Unknown }
}

fn push(word: &mut Written, text: &str) {
    match word.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ => word.push(Part::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        let mut all = Vec::new();
        commands(script, &mut |words| {
            let words: Vec<&str> = words.iter().map(|word| word.as_deref().unwrap_or("?")).collect();
            all.push(words.join(" "));
        });
        all
    }

    #[test]
    fn variables_and_loops_over_literal_words_are_followed() {
        assert_eq!(read("a=1; b=\"$a 2\"\nx $b \"$b\" '$b'"), ["x 1 2 1 2 $b"]);
        assert_eq!(
            read("t='p q'\nfor i in $t r; do\n  x /$i.${i}1 \\\n  y # z\ndone; z"),
            ["x /p.p1 y", "x /q.q1 y", "x /r.r1 y", "z"]
        );
        let nested = "for a in 1 2; do for b in $a; do while c; do x $a$b; done; done; done; y";
        assert_eq!(read(nested), ["c", "x 11", "done", "c", "x 22", "done", "y"]);
    }

    #[test]
    fn what_only_a_run_would_tell_is_unknown() {
        let script = "a=1; a=$(f $a); if [ \"$2\" ]; then b=2; fi; x $a $b $c ${b#2} `f` $1 /*/y \"*\"";
        let all = read(script);
        assert_eq!(all.last().map(String::as_str), Some("x 1 2 ? ? ? ? ? *"), "{all:?}");
        // Whatever is in a script, its end is the end.
        for cut in ["for i in", "\"", "'", "$(", "${", "`", "\\", "for", "x $", "done done"] {
            read(cut);
        }
    }

    #[test]
    fn loops_without_an_end_in_sight_are_left() {
        let words = "1 2 3 4 5 6 7 8 9 ".repeat(20);
        let script = "for i in W; do ".replace('W', &words).repeat(8) + "x; " + &"done;".repeat(8);
        assert!(read(&script).len() <= COMMANDS_MAX);
    }
}
