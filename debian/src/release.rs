//! The `Release` file of a suite: its names, its dates, and the size and SHA-256 of every index. The caller
//! passes only text that a signature covers. Refuses a table past its `Valid-Until` and one of another suite.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, SystemTime};

use bundle::Digest;

use crate::digest::FileDigest;
use crate::stanza::stanzas;

/// A suite's signed table of contents.
#[derive(Debug, Clone)]
pub struct Release {
    /// `stable`, `unstable`, `stable-updates`…
    pub suite: String,
    /// `trixie`, `sid`…
    pub codename: String,
    /// The distribution that publishes it: `Debian`, `Ubuntu`; may be empty.
    pub origin: String,
    /// The number of the release, such as `13.2`; empty for suites that have none.
    pub version: String,
    /// Its date, as written in it.
    pub date: String,
    /// The date until which it is valid; suites that change rarely have none.
    pub valid_until: Option<String>,
    /// Debian names of the CPUs, among them `all`.
    pub architectures: Vec<String>,
    /// Whether indexes can be fetched by digest, which works during an update of the mirror too.
    pub by_hash: bool,
    files: HashMap<String, FileDigest>,
}

/// A `Release` file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Not the syntax of a `Release` file.
    #[error("the signed `Release` file cannot be read")]
    Syntax(#[source] io::Error),
    /// A field is missing or invalid.
    #[error("the signed `Release` file has no usable field `{field}`")]
    Field {
        /// The field's name.
        field: &'static str,
    },
    /// It has expired.
    #[error("the index of {date} was valid until {valid_until}")]
    StaleIndex {
        /// When it was made.
        date: String,
        /// When it expired.
        valid_until: String,
    },
    /// It is the table of a suite that was not requested.
    #[error("asked for suite `{asked}`, the archive signed suite `{suite}` (`{codename}`)")]
    OtherSuite {
        /// What was requested.
        asked: String,
        /// The field `Suite`.
        suite: String,
        /// The field `Codename`.
        codename: String,
    },
}

impl ReleaseError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StaleIndex { .. } => Some(
                "the mirror is out of date or this machine's clock is wrong; an old index can be allowed explicitly"
                    .into(),
            ),
            _ => None,
        }
    }
}

impl Release {
    /// Reads the signed text of a `Release` or `InRelease` file.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let field = |field| ReleaseError::Field { field };
        let stanza = stanzas(text.as_bytes()).next().ok_or(field("SHA256"))?.map_err(ReleaseError::Syntax)?;
        let get = |name| stanza.get(name).map(|value| value.trim().to_owned());
        let mut files = HashMap::new();
        for line in stanza.get("SHA256").ok_or(field("SHA256"))?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                [digest, size, path] => {
                    let sha256 = digest.parse().map_err(|_| field("SHA256"))?;
                    let size = size.parse().map_err(|_| field("SHA256"))?;
                    files.insert(path.to_owned(), FileDigest { size, sha256 });
                }
                _ => return Err(field("SHA256")),
            }
        }
        let codename = get("Codename").ok_or(field("Codename"))?;
        Ok(Self {
            suite: get("Suite").unwrap_or_else(|| codename.clone()),
            codename,
            date: get("Date").ok_or(field("Date"))?,
            valid_until: get("Valid-Until"),
            architectures: get("Architectures")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            origin: get("Origin").unwrap_or_default(),
            version: get("Version").unwrap_or_default(),
            by_hash: get("Acquire-By-Hash").as_deref() == Some("yes"),
            files,
        })
    }

    /// Size in bytes and SHA-256 of the index at `path`, relative to the suite's directory.
    pub fn file(&self, path: &str) -> Option<FileDigest> {
        self.files.get(path).copied()
    }

    /// Whether the table lists a file with this digest.
    pub fn lists(&self, sha256: Digest) -> bool {
        self.files.values().any(|listed| listed.sha256 == sha256)
    }

    /// Refuses the table of another suite: the same keys sign all of them, so a mirror could swap one for
    /// another.
    pub fn check_suite(&self, asked: &str) -> Result<(), ReleaseError> {
        if asked == self.suite || asked == self.codename {
            return Ok(());
        }
        let (suite, codename) = (self.suite.clone(), self.codename.clone());
        Err(ReleaseError::OtherSuite { asked: asked.to_owned(), suite, codename })
    }

    /// Refuses a table whose `Valid-Until` lies before `now`.
    pub fn check_fresh(&self, now: SystemTime) -> Result<(), ReleaseError> {
        let Some(valid_until) = &self.valid_until else { return Ok(()) };
        let end = parse_date(valid_until).ok_or(ReleaseError::Field { field: "Valid-Until" })?;
        if end >= now {
            return Ok(());
        }
        Err(ReleaseError::StaleIndex { date: self.date.clone(), valid_until: valid_until.clone() })
    }

    /// When the table was signed.
    pub fn time(&self) -> Option<SystemTime> {
        parse_date(&self.date)
    }

    /// The end of the day of this table, as a timestamp of the snapshot archive, which has everything that
    /// the table lists, unless that day is today.
    pub fn end_of_its_day(&self) -> Option<String> {
        let (year, month, day) = civil_day(&self.date.split_whitespace().collect::<Vec<_>>())?;
        Some(format!("{year:04}{month:02}{day:02}T235959Z"))
    }
}

/// A date as `Release` files write it: `Sat, 12 Sep 2026 07:55:41 UTC` (Debian wiki,
/// `DebianRepository/Format`).
fn parse_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (year, month, day) = civil_day(&words)?;
    let [.., time, "UTC" | "GMT" | "+0000"] = words[..] else { return None };
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let days = days_since_1970(year, month, day)?;
    let in_range = hour < 24 && minute < 60 && second <= 60 && clock.next().is_none();
    in_range.then_some(())?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// Year, month and day of a date's six words.
fn civil_day(words: &[&str]) -> Option<(u64, u64, u64)> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_weekday, day, month, year, _time, _zone] = words else { return None };
    let month = MONTHS.iter().position(|name| name == month)? as u64 + 1;
    Some((year.parse().ok()?, month, day.parse().ok()?))
}

/// A timestamp of the snapshot archive: `20261101T000000Z`.
pub(crate) fn parse_timestamp(text: &str) -> Option<SystemTime> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let days = days_since_1970(number(0..4)?, number(4..6)?, number(6..8)?)?;
    let seconds = number(9..11)? * 3600 + number(11..13)? * 60 + number(13..15)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(days * 86_400 + seconds))
}

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant's `days_from_civil`), for years up to 9999.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    valid.then_some(())?;
    // The year starts in March, so that the leap day is its last day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Suite: unstable\nCodename: sid\nDate: Fri, 30 Oct 2026 08:08:01 UTC\n\
        Valid-Until: Fri, 06 Nov 2026 08:08:01 UTC\nArchitectures: all amd64\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/x\n";

    fn at(text: &str) -> SystemTime {
        parse_date(text).expect("a date")
    }

    #[test]
    fn an_index_past_its_valid_until_is_stale_and_one_without_never_is() {
        let release = Release::parse(TEXT).expect("a release");
        let stale = release.check_fresh(at("Fri, 06 Nov 2026 08:08:02 UTC"));
        assert!(matches!(stale, Err(ReleaseError::StaleIndex { .. })), "{stale:?}");
        assert!(release.check_fresh(at("Fri, 06 Nov 2026 08:08:01 UTC")).is_ok());
        let endless = TEXT.replace("Valid-Until", "Valid-Never");
        let release = Release::parse(&endless).expect("a release");
        assert!(release.check_fresh(at("Fri, 31 Dec 9999 23:59:59 UTC")).is_ok());
    }

    #[test]
    fn the_end_of_its_day_is_a_moment_of_the_snapshot_archive() {
        let release = Release::parse(TEXT).expect("a release");
        let end = release.end_of_its_day().expect("a moment");
        assert_eq!(end, "20261030T235959Z");
        assert_eq!(parse_timestamp(&end), Some(at("Fri, 30 Oct 2026 23:59:59 UTC")));
        let odd = Release::parse(&TEXT.replace("Fri, 30 Oct 2026 08:08:01 UTC", "in autumn")).expect("text");
        assert_eq!(odd.end_of_its_day(), None);
    }

    #[test]
    fn an_unreadable_valid_until_is_refused() {
        for bad in ["yesterday", "Fri, 06 Nov 2026 08:08:01 CET", "Fri, 00 Nov 2026 08:08:01 UTC"] {
            let release = Release::parse(&TEXT.replace("Fri, 06 Nov 2026 08:08:01 UTC", bad)).expect("text");
            let fresh = release.check_fresh(SystemTime::UNIX_EPOCH);
            assert!(matches!(fresh, Err(ReleaseError::Field { field: "Valid-Until" })), "{bad}: {fresh:?}");
        }
    }

    #[test]
    fn another_suite_is_refused_by_either_of_its_names() {
        let release = Release::parse(TEXT).expect("a release");
        assert!(matches!(release.check_suite("trixie"), Err(ReleaseError::OtherSuite { .. })));
        assert!(release.check_suite("sid").is_ok() && release.check_suite("unstable").is_ok());
    }

    #[test]
    fn a_broken_table_is_refused_and_a_whole_one_read() {
        for broken in [TEXT.replace("SHA256", "MD5Sum"), TEXT.replace(" 0 main/x", " main/x")] {
            assert!(matches!(Release::parse(&broken), Err(ReleaseError::Field { field: "SHA256" })));
        }
        let release = Release::parse(TEXT).expect("a release");
        assert_eq!(release.file("main/x"), Some(FileDigest { size: 0, sha256: crate::digest::of(b"") }));
    }

    #[test]
    fn dates_and_timestamps_of_one_moment_agree() {
        let epoch = Duration::from_hours(498_192);
        assert_eq!(at("Sun, 01 Nov 2026 00:00:00 UTC"), SystemTime::UNIX_EPOCH + epoch);
        assert_eq!(parse_timestamp("20261101T000000Z"), Some(SystemTime::UNIX_EPOCH + epoch));
        assert_eq!(
            at("Thu, 29 Feb 2024 00:00:00 UTC"),
            at("Wed, 28 Feb 2024 00:00:00 UTC") + Duration::from_hours(24)
        );
    }
}
