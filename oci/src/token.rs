//! What a registry asks for (`WWW-Authenticate`, RFC 9110, section 11) and what a token server answers
//! (the distribution project, "Token Authentication Specification").

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a registry asks to be sent with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A token from `realm`.
    Bearer { realm: String, service: String, scope: String },
}

impl Challenge {
    /// The first challenge in a header that is known here; a token is preferred.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut basic = false;
        for (scheme, parameters) in challenges(header) {
            if scheme.eq_ignore_ascii_case("basic") {
                basic = true;
            }
            if scheme.eq_ignore_ascii_case("bearer") {
                let get = |name: &str| parameters.get(name).cloned().unwrap_or_default();
                let realm = get("realm");
                if !realm.is_empty() {
                    return Some(Self::Bearer { realm, service: get("service"), scope: get("scope") });
                }
            }
        }
        basic.then_some(Self::Basic)
    }
}

/// Schemes with their parameters.
fn challenges(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word.is_empty() {
            return all;
        }
        let Some(value) = behind.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            all.push((word.to_owned(), BTreeMap::new()));
            rest = behind;
            continue;
        };
        let value = value.trim_start_matches([' ', '\t']);
        let (value, behind) = match value.strip_prefix('"') {
            None => {
                let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
            Some(quoted) => unquoted(quoted),
        };
        rest = behind;
        if let Some((_, parameters)) = all.last_mut() {
            parameters.insert(word.to_ascii_lowercase(), value);
        }
    }
}

/// What stands before the closing quotation mark, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// A token server's answer.
#[derive(Deserialize)]
pub(crate) struct Granted {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Granted {
    /// The token, if it can stand in a header.
    pub(crate) fn token(self) -> Option<String> {
        let token = self.token.or(self.access_token)?;
        (!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(token)
    }
}

/// `text` in the query of a URL (RFC 3986, section 2).
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |text, byte| {
        if plain(byte) { text + &char::from(byte).to_string() } else { text + &format!("%{byte:02X}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_however_it_is_written() {
        let bearer = |realm: &str, service: &str, scope: &str| {
            let [realm, service, scope] = [realm, service, scope].map(str::to_owned);
            Some(Challenge::Bearer { realm, service, scope })
        };
        for (header, expected) in [
            (
                r#"Bearer realm="https://a.example/token",service="b",scope="repository:x:pull,push""#,
                bearer("https://a.example/token", "b", "repository:x:pull,push"),
            ),
            (r#"Basic realm="x", bearer  Realm = "r\"q" , service=s"#, bearer("r\"q", "s", "")),
            (r#"Basic realm="Registry Realm""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (r#"Bearer service="b""#, None),
            ("Negotiate abc", None),
            (r#"Bearer realm="unclosed"#, bearer("unclosed", "", "")),
            ("=,=", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn a_token_that_would_end_a_header_is_none() {
        let granted = |token: &str| Granted { token: Some(token.to_owned()), access_token: None }.token();
        assert_eq!(granted("abc.def-1"), Some("abc.def-1".to_owned()));
        assert_eq!((granted("a\r\nX: y"), granted("")), (None, None));
        assert_eq!(escaped("repository:a/b:pull"), "repository%3Aa%2Fb%3Apull");
    }
}
