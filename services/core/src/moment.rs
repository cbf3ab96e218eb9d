//! When something is: UTC, in milliseconds, and the day it falls on.
//!
//! Written as RFC 3339 with exactly three digits after the point, so that the order of the texts is the order in time. Nothing
//! here asks a clock: that is a port.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;

/// An instant, as far as a service needs to tell instants apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Moment(i64);

impl Moment {
    /// The end of the year 9998: not much later there is no text of the same length.
    const LAST: i64 = 253_370_764_799_999;

    /// Milliseconds since 1970; what lies outside the years 1970 to 9998 becomes the nearest that does not.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, Self::LAST))
    }

    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as signatures and `exp` attributes want them.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; nothing if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    #[must_use]
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(DAY_MS))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{at:.3}")
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let at: Timestamp = text.parse().map_err(|_| NotAMoment)?;
        match at.as_millisecond() {
            millis @ 0..=Self::LAST => Ok(Self(millis)),
            _ => Err(NotAMoment),
        }
    }
}

impl TryFrom<String> for Moment {
    type Error = NotAMoment;

    fn try_from(text: String) -> Result<Self, NotAMoment> {
        text.parse()
    }
}

/// A day in UTC: the span of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    #[must_use]
    pub fn begins(self) -> Moment {
        Moment::from_millis(self.0.saturating_mul(DAY_MS))
    }

    /// The first moment that is no part of it: when a quota is whole again.
    #[must_use]
    pub fn ends(self) -> Moment {
        self.next().begins()
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// `2026-01-11`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_millisecond(self.begins().0).map_err(|_| fmt::Error)?;
        write!(f, "{}", at.to_zoned(TimeZone::UTC).date())
    }
}

impl FromStr for Day {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        if text.len() != 10 {
            return Err(NotAMoment);
        }
        format!("{text}T00:00:00Z").parse::<Moment>().map(Moment::day)
    }
}

/// A text that names no instant from 1970 to 9998.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMoment;

impl fmt::Display for NotAMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time like `2026-01-11T19:30:00.123Z`")
    }
}

impl std::error::Error for NotAMoment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_like_times() {
        let mut texts: Vec<String> = [0, 1, 999, 1000, 86_400_000, 1_768_159_800_123, Moment::LAST]
            .map(|millis| Moment::from_millis(millis).to_string())
            .to_vec();
        let written = texts.clone();
        texts.sort();
        assert_eq!(texts, written);
        assert!(texts.iter().all(|text| text.len() == "2026-01-11T19:30:00.123Z".len()), "{texts:?}");
        assert_eq!(texts[5], "2026-01-11T19:30:00.123Z");
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let last: Moment = "2026-12-31T23:59:59.999Z".parse().expect("a moment");
        assert_eq!(last.day().to_string(), "2026-12-31");
        assert_eq!(last.day().ends().to_string(), "2027-01-01T00:00:00.000Z");
        assert_eq!(last.plus(Duration::from_millis(1)).day(), last.day().next());
        assert_eq!("2026-12-31".parse::<Day>(), Ok(last.day()));
        assert_eq!("2026-13-31".parse::<Day>(), Err(NotAMoment));
    }
}
