//! `allowed_signers` of ssh-keygen(1): whose keys these are, for what and when. A line that cannot be
//! understood is an error, not a line that allows nothing.

use thiserror::Error;

use crate::date::Moment;
use crate::error::SigningError;
use crate::pattern::matches_list;
use crate::ssh_key;
use crate::ssh_public::SshKey;

/// The contents of an `allowed_signers` file.
#[derive(Clone, Debug)]
pub struct AllowedSigners(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    principals: String,
    authority: bool,
    namespaces: Option<String>,
    after: Option<Moment>,
    before: Option<Moment>,
    /// The key, or why it does not count.
    key: Result<SshKey, &'static str>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {why}")]
pub struct LineError {
    /// The line's number, from 1.
    pub line: usize,
    /// Why it is refused.
    pub why: String,
}

/// The keys of one signer, for one purpose, now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Keys that may sign.
    pub keys: Vec<SshKey>,
    /// Why other keys of that signer may not.
    pub passed_over: Vec<String>,
}

impl AllowedSigners {
    /// Reads a file.
    pub fn parse(text: &[u8]) -> Result<Self, LineError> {
        let text =
            str::from_utf8(text).map_err(|_| LineError { line: 1, why: "it is not text".to_owned() })?;
        let lines = text.lines().zip(1..).filter_map(|(line, number)| {
            let line = line.trim();
            let said = !line.is_empty() && !line.starts_with('#');
            said.then(|| Line::parse(line, number).map_err(|why| LineError { line: number, why }))
        });
        lines.collect::<Result<_, _>>().map(Self)
    }

    /// The keys with which `name` may sign in `namespace` at the time `now`, in seconds since 1970.
    pub fn of(&self, name: &str, namespace: &str, now: i64) -> Result<Allowed, LineError> {
        let mut allowed = Allowed::default();
        for line in self.0.iter().filter(|line| matches_list(name, &line.principals)) {
            match line.key_for(namespace, now) {
                Ok(Ok(key)) => allowed.keys.push(key),
                Ok(Err(why)) => allowed.passed_over.push(format!("line {}: {why}", line.number)),
                Err(why) => return Err(LineError { line: line.number, why: why.to_owned() }),
            }
        }
        Ok(allowed)
    }
}

const OTHER_TYPE: &str = "its key is of a type that is not supported";
const NO_ZONE: &str = "its time has no time zone, and it matters here: add `Z`, for UTC";

impl Line {
    fn parse(line: &str, number: usize) -> Result<Self, String> {
        let (principals, rest) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => line.split_once([' ', '\t']).ok_or("it has no key")?,
        };
        let mut line = Self {
            number,
            principals: principals.to_owned(),
            authority: false,
            namespaces: None,
            after: None,
            before: None,
            key: Err(OTHER_TYPE),
        };
        let mut rest = rest.trim_start();
        if !ssh_key::is_public(rest) {
            let (options, key) = options(rest)?;
            options.into_iter().try_for_each(|option| line.option(option))?;
            rest = key;
        }
        if let (Some(after), Some(before)) = (line.after, line.before)
            && !before.is_later_than(after)
        {
            return Err("`valid-before` is not later than `valid-after`".to_owned());
        }
        if !ssh_key::is_public(rest) {
            return Err("it has no key".to_owned());
        }
        line.key = match SshKey::of_line(rest) {
            Ok(key) => Ok(key),
            Err(SigningError::KeyType(_)) => Err(OTHER_TYPE),
            Err(SigningError::Weak) => Err("its RSA key has less than 2048 bits"),
            Err(error) => return Err(format!("its key: {error}")),
        };
        Ok(line)
    }

    fn option(&mut self, (name, value): (String, Option<String>)) -> Result<(), String> {
        let moment = |value: &str| {
            Moment::parse(value).ok_or(format!("`{value}` is not a time (YYYYMMDD[HHMM[SS]][Z])"))
        };
        let is_new = match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", None) => !std::mem::replace(&mut self.authority, true),
            ("namespaces", Some(value)) => self.namespaces.replace(value).is_none(),
            ("valid-after", Some(value)) => self.after.replace(moment(&value)?).is_none(),
            ("valid-before", Some(value)) => self.before.replace(moment(&value)?).is_none(),
            _ => {
                return Err(format!(
                    "`{name}` is not an option that is known here, or lacks its value in quotes"
                ));
            }
        };
        if is_new { Ok(()) } else { Err(format!("`{name}` is there twice")) }
    }

    /// The key, or why it does not count; an error where that cannot be decided.
    fn key_for(&self, namespace: &str, now: i64) -> Result<Result<SshKey, &'static str>, &'static str> {
        if self.authority {
            return Err("certificate authorities (`cert-authority`) are not supported");
        }
        let key = match &self.key {
            Ok(key) => key,
            Err(why) => return Ok(Err(why)),
        };
        if self.namespaces.as_ref().is_some_and(|list| !matches_list(namespace, list)) {
            return Ok(Err("its key may not sign files (`namespaces`)"));
        }
        if let Some(after) = self.after
            && after.is_after(now).ok_or(NO_ZONE)?
        {
            return Ok(Err("its key may not sign yet (`valid-after`)"));
        }
        if let Some(before) = self.before
            && before.is_before(now).ok_or(NO_ZONE)?
        {
            return Ok(Err("its key may no longer sign (`valid-before`)"));
        }
        Ok(Ok(key.clone()))
    }
}

/// Name and perhaps value of an option.
type NamedOption = (String, Option<String>);

/// `name,name="value",...` up to a blank outside quotes; `\"` is a quote within a value.
fn options(text: &str) -> Result<(Vec<NamedOption>, &str), String> {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find([',', '=', ' ', '\t']).ok_or("it has no key")?;
        let (name, behind) = rest.split_at(end);
        let mut value = None;
        rest = behind;
        if let Some(quoted) = behind.strip_prefix("=\"") {
            let (text, behind) = quoted_value(quoted).ok_or("a quote is not closed")?;
            (value, rest) = (Some(text), behind);
        }
        options.push((name.to_owned(), value));
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.starts_with([' ', '\t']) => return Ok((options, rest.trim_start())),
            None => return Err(format!("`{name}` is not followed by `,` or a blank")),
        }
    }
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with('"') => {
                characters.next();
                value.push('"');
            }
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::SecretKey;

    fn key() -> SshKey {
        SecretKey::from_seed(&[1; 32]).public().into()
    }

    fn keys(options: &str, name: &str, now: i64) -> Result<usize, String> {
        let text = format!("# comment\n\nann@*,!*@evil.org {options}{} ann's\n", key().line());
        let signers = AllowedSigners::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        signers.of(name, "file", now).map(|allowed| allowed.keys.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn who_when_and_for_what_all_count() {
        assert_eq!(keys("", "ann@example.org", 0), Ok(1));
        assert_eq!(keys("", "ann@evil.org", 0), Ok(0));
        assert_eq!(keys("", "bob@example.org", 0), Ok(0));
        assert_eq!(keys("namespaces=\"git,file\" ", "ann@a", 0), Ok(1));
        assert_eq!(keys("NameSpaces=\"git\" ", "ann@a", 0), Ok(0));
        let times = "valid-after=\"20240101Z\",valid-before=\"20250101Z\" ";
        let (year_2024, year_2025) = (1_704_067_200, 1_735_689_600);
        assert_eq!(keys(times, "ann@a", year_2024 - 1), Ok(0));
        assert_eq!(keys(times, "ann@a", year_2024), Ok(1));
        assert_eq!(keys(times, "ann@a", year_2025), Ok(1));
        assert_eq!(keys(times, "ann@a", year_2025 + 1), Ok(0));
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_says_where() {
        for (options, why) in [
            ("cert-authority ", "cert-authority"),
            ("no-touch-required ", "`no-touch-required` is not"),
            ("namespaces=file ", "not followed by"),
            ("namespaces=\"file ", "quote is not closed"),
            ("namespaces=\"a\",namespaces=\"b\" ", "twice"),
            ("valid-after=\"2024\" ", "not a time"),
            ("valid-before=\"20240101Z\",valid-after=\"20250101Z\" ", "not later"),
            ("valid-before=\"19700101\" ", "no time zone"),
        ] {
            let error = keys(options, "ann@a", 0).expect_err(options);
            assert!(error.starts_with("line 3: ") && error.contains(why), "{options}: {error}");
        }
        assert!(AllowedSigners::parse(b"ann ssh-ed25519 AAAA\n").is_err());
        assert!(AllowedSigners::parse(b"ann ssh-rsa AAAA\n").is_err());
        assert!(AllowedSigners::parse(b"ann\n").is_err());
        let other = AllowedSigners::parse(b"ann ssh-dss AAAA\n").expect("another type is no error");
        assert_eq!(other.of("ann", "file", 0).expect("decided").passed_over.len(), 1);
        let quoted = format!("\"ann,bob smith\" {}", key().line());
        let quoted = AllowedSigners::parse(quoted.as_bytes()).expect("quoted principals");
        assert_eq!(quoted.of("bob smith", "file", 0).expect("decided").keys, [key()]);
    }
}
