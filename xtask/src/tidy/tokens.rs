//! Rust source as words and signs: without comments, literals and what only tests compile. No parser, but
//! enough to see which paths a file names.

/// A word, a lone sign, or `::`.
pub(crate) type Token<'a> = &'a str;

/// The tokens of `source`, without comments, strings, characters, lifetimes and numbers' signs.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if let Some(comment) = rest.strip_prefix("//") {
            2 + comment.find('\n').unwrap_or(comment.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(first) {
            let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            found.push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            found.push(&rest[..2]);
            2
        } else {
            if !first.is_whitespace() {
                found.push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// The length of the block comment that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let (step, change) = match text.get(at..at + 2) {
            Some("/*") => (2, 1),
            Some("*/") => (2, -1),
            _ => (text[at..].chars().next().map_or(1, char::len_utf8), 0),
        };
        at += step;
        depth = depth.saturating_add_signed(change);
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string, character or lifetime that `text` starts with.
fn literal(text: &str) -> Option<usize> {
    let prefix = text.find(|letter| !matches!(letter, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let body = &text[prefix..];
    if text[..prefix].contains('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = body[hashes..].strip_prefix('"')?;
        return Some(prefix + hashes + 1 + inside.find(&end).map_or(inside.len(), |at| at + end.len()));
    }
    let quote = body.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    if quote == '\'' && prefix == 0 {
        let mut letters = body.chars().skip(1);
        let (one, two) = (letters.next()?, letters.next());
        if one != '\\' && two != Some('\'') {
            // A lifetime or a label: its name is no path.
            return Some(body[1..].find(|letter: char| !letter.is_alphanumeric() && letter != '_')? + 1);
        }
    }
    let mut escaped = false;
    for (at, letter) in body.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(prefix + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// `tokens` without the items under `#[cfg(test)]` and `#[test]`; also the modules in files of their own that
/// they declare.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let attribute = tokens[at..].starts_with(&["#", "["]).then(|| group(&tokens[at + 1..]));
        let is_test = attribute.is_some_and(|length| {
            let words = &tokens[at + 2..(at + 1 + length).min(tokens.len())];
            words.starts_with(&["test"])
                || words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
        });
        if !is_test {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        at += 1 + attribute.unwrap_or_default();
        // The item: up to its body's end, or its semicolon.
        let item = &tokens[at..];
        if let Some(&[_, name, _]) = item.first_chunk::<3>().filter(|item| item[0] == "mod" && item[2] == ";")
        {
            modules.push(name);
        }
        while at < tokens.len() {
            let length = group(&tokens[at..]);
            let (first, last) = (tokens[at], tokens[(at + length - 1).min(tokens.len() - 1)]);
            at += length;
            if first == ";" || last == "}" {
                break;
            }
        }
    }
    (kept, modules)
}

/// How many tokens the bracketed group has that `tokens` start with; 1 for anything else.
pub(crate) fn group(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_tokens() {
        let source = "a::b /* c /* d */ e */ \"f\\\"g\" // h\n r#\"i\"j\"# b'k' '\\'' 'l' &'m n: 'o'";
        assert_eq!(tokens(source), ["a", "::", "b", "&", "n", ":"]);
        assert_eq!(tokens("crate_b br\"x\" b\"y\" c\"z\" rest"), ["crate_b", "rest"]);
    }

    #[test]
    fn what_only_tests_compile_is_left_out() {
        let source = "fn a() {} #[cfg(test)] mod tests { fn b() { c() } } fn d() {} #[cfg(test)] mod e; \
                      #[cfg(test)] use f::g; #[cfg(not(test))] fn h() {} #[test] fn i() {} fn j() {}";
        let all = tokens(source);
        let (kept, modules) = without_tests(&all);
        assert_eq!(modules, ["e"]);
        for gone in ["b", "c", "f", "g", "i"] {
            assert!(!kept.contains(&gone), "{gone}: {kept:?}");
        }
        for there in ["a", "d", "h", "j"] {
            assert!(kept.contains(&there), "{there}: {kept:?}");
        }
    }
}
