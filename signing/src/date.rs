//! The times of `valid-after` and `valid-before`: `YYYYMMDD[HHMM[SS]][Z]`. Without `Z` they mean the time zone of
//! whoever checks, which is not asked for here: what depends on it is said to be unsure.

/// An hour in seconds.
const HOUR: i64 = 3600;
/// The clocks that are the furthest behind UTC, and before it.
const ZONES: (i64, i64) = (12 * HOUR, 14 * HOUR);

/// A point in time, perhaps of an unknown time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    earliest: i64,
    latest: i64,
}

impl Moment {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, utc) = match text.strip_suffix(['Z', 'z']) {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
            return None;
        }
        let field = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |field| field.parse::<i64>().ok());
        let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
        let (hour, minute, second) = (field(8, 10)?, field(10, 12)?, field(12, 14)?);
        let days = days(year, month, day)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let local = days * 24 * HOUR + hour * HOUR + minute * 60 + second;
        let (behind, before) = if utc { (0, 0) } else { ZONES };
        Some(Self { earliest: local - before, latest: local + behind })
    }

    /// Whether it is over at `now`; `None` where that depends on the time zone.
    pub(crate) fn is_before(self, now: i64) -> Option<bool> {
        match now {
            now if now < self.earliest => Some(false),
            now if now > self.latest => Some(true),
            // As OpenSSH has it: neither before nor after itself.
            _ if self.earliest == self.latest => Some(false),
            _ => None,
        }
    }

    pub(crate) fn is_after(self, now: i64) -> Option<bool> {
        let exact = self.earliest == self.latest;
        if exact { Some(now < self.earliest) } else { self.is_before(now).map(|before| !before) }
    }

    pub(crate) fn is_later_than(self, other: Self) -> bool {
        self.earliest > other.earliest
    }
}

/// Days since 1970 in the Gregorian calendar; `None` if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if year < 1970 || day < 1 || day > *lengths.get(before)? {
        return None;
    }
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + lengths[..before].iter().sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_date_1() {
        let utc = |text: &str| Moment::parse(text).map(|moment| moment.earliest);
        assert_eq!(utc("19700101Z"), Some(0));
        assert_eq!(utc("20240229235959Z"), Some(1_709_251_199));
        assert_eq!(utc("210003010000Z"), Some(4_107_542_400));
        for bad in ["20230229Z", "2024022", "202402291", "20241301Z", "20240101240000Z", "2024010a", "", "Z"] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_sure_only_half_a_day_away() {
        let moment = Moment::parse("19700102").expect("a time");
        assert_eq!(moment.is_before(11 * HOUR), None);
        assert_eq!(moment.is_before(9 * HOUR), Some(false));
        assert_eq!(moment.is_before(24 * HOUR), None);
        assert_eq!(moment.is_before(37 * HOUR), Some(true));
    }
}
