//! Points in time, in milliseconds.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, UtcDateTime, format_description::well_known::Rfc3339};

/// Milliseconds in a minute.
pub const MINUTE_MS: u64 = 60_000;
/// Milliseconds in a day.
pub const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// The last millisecond of the year 9999, the last that RFC 3339 can write.
const LATEST_MS: u64 = 253_402_300_799_999;

/// Milliseconds since the Unix epoch, from 1970 to 9999.
///
/// In JSON it is an RFC 3339 string in UTC with milliseconds. Any offset is accepted on input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The end of the year 9999.
    pub const LATEST: Timestamp = Timestamp(LATEST_MS);

    /// Returns `None` past the year 9999.
    pub fn from_millis(millis: u64) -> Option<Self> {
        (millis <= LATEST_MS).then_some(Self(millis))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Adds milliseconds, up to the end of the year 9999.
    pub fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis).min(LATEST_MS))
    }

    /// Milliseconds since `earlier`. 0 if `earlier` is later.
    pub fn millis_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Milliseconds between both times, whichever is later.
    pub fn millis_apart(self, other: Timestamp) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// The start of this time's minute.
    pub fn minute(self) -> Timestamp {
        Self(self.0 - self.0 % MINUTE_MS)
    }

    /// Its day in UTC, such as `2026-11-24`.
    pub fn day(self) -> String {
        let mut text = self.to_string();
        text.truncate("2026-11-24".len());
        text
    }

    /// The midnight of UTC at which this time's day began.
    pub fn midnight(self) -> Timestamp {
        Self(self.0 - self.0 % DAY_MS)
    }

    /// Parses RFC 3339; digits past milliseconds are dropped. Returns `None` if it is not valid, or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_millis(u64::try_from(millis(text)?).ok()?)
    }

    /// Like `parse`, but a time that is earlier or later than any of ours is the first or the last.
    pub fn parse_bounded(text: &str) -> Option<Self> {
        let millis = u64::try_from(millis(text)?.max(0)).unwrap_or(u64::MAX);
        Some(Self::from_millis(millis).unwrap_or(Self::LATEST))
    }
}

/// Milliseconds since 1970 of a time of RFC 3339.
fn millis(text: &str) -> Option<i128> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(at.unix_timestamp_nanos().div_euclid(1_000_000))
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        let at = UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::MAX);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.0 % 1000
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text)
            .ok_or_else(|| de::Error::custom("is not a time of RFC 3339, such as 2026-11-24T20:15:00Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_is_taken_and_written_as_utc() {
        let at = Timestamp::parse("2026-11-24T12:00:00.5+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-24T10:00:00.500Z");
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let days = ["2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z"].map(|at| Timestamp::parse(at).unwrap().day());
        assert_eq!(days, ["2026-11-24", "2026-11-25"]);
    }

    #[test]
    fn times_are_as_far_apart_whichever_is_later() {
        let (early, late) = (Timestamp(5), Timestamp(12));
        assert_eq!((early.millis_apart(late), late.millis_apart(early)), (7, 7));
        assert_eq!((early.millis_since(late), late.millis_since(early)), (0, 7));
    }

    #[test]
    fn a_day_begins_at_midnight_of_utc() {
        let at = Timestamp::parse("2026-11-24T23:59:59.999Z").unwrap();
        assert_eq!(at.midnight().to_string(), "2026-11-24T00:00:00.000Z");
        assert_eq!(at.plus_millis(1).midnight(), at.plus_millis(1));
    }

    #[test]
    fn a_leap_second_is_the_last_millisecond_of_the_second_before() {
        let read = |text| Timestamp::parse(text).map(|at| at.to_string());
        let last = Some("2016-12-31T23:59:59.999Z".to_owned());
        assert_eq!([read("2016-12-31T23:59:60Z"), read("2017-01-01T00:59:60.5+01:00")], [last.clone(), last]);
        assert_eq!([read("2016-12-30T23:59:60Z"), read("2016-12-31T23:58:60Z")], [None, None]);
    }

    #[test]
    fn a_bounded_time_is_within_ours() {
        let bounded = |text| Timestamp::parse_bounded(text);
        assert_eq!(bounded("0364-05-27T13:58:49Z"), Some(Timestamp::EPOCH));
        assert_eq!(bounded("2026-11-24T20:15:00Z"), Timestamp::parse("2026-11-24T20:15:00Z"));
        assert_eq!(bounded("9999-12-31T23:59:59-14:00"), Some(Timestamp::LATEST));
        assert_eq!(bounded("yesterday"), None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "now", "2026-11-24", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-24T10:00:00"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_its_text(millis in 0..=LATEST_MS) {
            let at = Timestamp::from_millis(millis).unwrap();
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _: Option<Timestamp> = Timestamp::parse(&text);
        }
    }
}
