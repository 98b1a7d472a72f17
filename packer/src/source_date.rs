//! The time that goes into what is written: that of `SOURCE_DATE_EPOCH`
//! (<https://reproducible-builds.org/specs/source-date-epoch/>), never the clock's.

use crate::error::{Error, SourceDateError};

/// The time of what must have one, if none was given.
pub(crate) const NONE: &str = "1970-01-01T00:00:00Z";

/// The last second of the year 9999, which is the last that RFC 3339 can name.
const LAST: u64 = 253_402_300_799;

/// The time that the environment gives, as RFC 3339 has it; `None` if it gives none.
pub(crate) fn given() -> Result<Option<String>, Error> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seconds = value.to_str().and_then(|text| text.parse().ok()).filter(|seconds| *seconds <= LAST);
    seconds.map(|seconds| Some(text(seconds))).ok_or_else(|| SourceDateError { value }.into())
}

/// Seconds since 1970 as `2026-11-30T12:00:00Z`. The calendar's days are counted from 1 March of the year
/// 0, so that a leap day is a year's last.
fn text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400 + 719_468, seconds % 86400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::{LAST, NONE, text};

    #[test]
    fn seconds_are_dates() {
        for (seconds, date) in [
            (0, NONE),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_796_083_199, "2026-11-30T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(seconds), date);
        }
    }
}
