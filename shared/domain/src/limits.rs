//! Limits of a tenant: how much of the service its members and API keys may use. They never concern voters.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, MINUTE_MS, Timestamp};

/// The most that any limit can be set to.
pub const LIMIT_MAX: u32 = 100_000;

/// What a tenant may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Polls created in a day of UTC.
    pub polls_per_day: u32,
    /// Polls that are not closed.
    pub open_polls: u32,
    /// Management requests in a minute.
    pub requests_per_minute: u32,
}

/// A tenant's own limits, in place of those that the stack has for all. `None` where it has no own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// Polls created in a day of UTC.
    pub polls_per_day: Option<u32>,
    /// Polls that are not closed.
    pub open_polls: Option<u32>,
    /// Management requests in a minute.
    pub requests_per_minute: Option<u32>,
}

impl FromStr for Limits {
    type Err = serde_json::Error;

    /// Parses the JSON in a function's environment.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

impl Limits {
    /// These limits, except where a tenant has its own.
    pub fn with(self, own: &OwnLimits) -> Self {
        Self {
            polls_per_day: own.polls_per_day.unwrap_or(self.polls_per_day),
            open_polls: own.open_polls.unwrap_or(self.open_polls),
            requests_per_minute: own.requests_per_minute.unwrap_or(self.requests_per_minute),
        }
    }
}

/// A limit that is renewed after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewed {
    /// Management requests, each minute.
    Requests,
    /// New polls, each day of UTC.
    Polls,
}

impl Renewed {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Renewed::Requests => "requests",
            Renewed::Polls => "polls",
        }
    }

    /// After how many milliseconds it is renewed.
    fn window_ms(self) -> u64 {
        match self {
            Renewed::Requests => MINUTE_MS,
            Renewed::Polls => DAY_MS,
        }
    }

    /// After how many seconds it is renewed.
    pub fn window_seconds(self) -> u64 {
        self.window_ms() / 1_000
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit.
    pub of: Renewed,
    /// How much it allows.
    pub max: u32,
    /// How much of it is left.
    pub left: u32,
    /// After how many seconds it is renewed; at least one.
    pub renewed_in_seconds: u64,
}

impl Quota {
    /// What is left at `now` of a limit whose current window began at `begun`.
    fn new(of: Renewed, max: u32, used: u32, begun: Timestamp, now: Timestamp) -> Self {
        let renewed_in_ms = begun.plus_millis(of.window_ms()).millis_since(now);
        Self { of, max, left: max.saturating_sub(used), renewed_in_seconds: renewed_in_ms.div_ceil(1_000).max(1) }
    }

    /// The quota of new polls at `now`, with none left.
    pub fn no_more_polls(limits: &Limits, now: Timestamp) -> Self {
        Self::new(Renewed::Polls, limits.polls_per_day, limits.polls_per_day, now.midnight(), now)
    }
}

/// What a tenant has used on a day of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Management requests.
    pub requests: u64,
    /// Polls created.
    pub polls: u32,
    /// The minute that requests are counted in. If `None`, there was no request yet.
    pub minute: Option<Timestamp>,
    /// Management requests in that minute.
    pub in_minute: u32,
}

/// How a tenant's next request is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// As one more in this minute.
    Another(Timestamp),
    /// As the first in this minute.
    First(Timestamp),
    /// Not at all: this minute has as many as it may have.
    Full(Timestamp),
}

impl DayUse {
    /// How the next request is counted at `now`, if a minute may have `max`. Where another process's clock is ahead and
    /// has begun a minute, that minute holds: so no minute is counted twice, whatever clocks say.
    pub fn next(&self, max: u32, now: Timestamp) -> Count {
        match self.minute {
            Some(begun) if begun >= now.minute() && self.in_minute < max => Count::Another(begun),
            Some(begun) if begun >= now.minute() => Count::Full(begun),
            _ if max == 0 => Count::Full(now.minute()),
            _ => Count::First(now.minute()),
        }
    }
}

/// What a tenant's limits say about a request that was counted at `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The tenant's limits.
    pub limits: Limits,
    /// What it has used on this day, this request included.
    pub used: DayUse,
    /// When the request was counted.
    pub now: Timestamp,
}

impl Standing {
    /// What is left of this minute's requests.
    pub fn requests(&self) -> Quota {
        let begun = self.used.minute.unwrap_or(self.now.minute());
        Quota::new(Renewed::Requests, self.limits.requests_per_minute, self.used.in_minute, begun, self.now)
    }

    /// What is left of this day's polls once the request has created that many.
    pub fn polls_after(&self, created: u32) -> Quota {
        let used = self.used.polls.saturating_add(created);
        Quota::new(Renewed::Polls, self.limits.polls_per_day, used, self.now.midnight(), self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const LIMITS: Limits = Limits { polls_per_day: 3, open_polls: 2, requests_per_minute: 10 };

    #[test]
    fn what_is_renewed_has_its_name() {
        assert_eq!([Renewed::Requests, Renewed::Polls].map(Renewed::name), ["requests", "polls"]);
    }

    /// A time this many seconds after midnight.
    fn second(seconds: u64) -> Timestamp {
        at(0).midnight().plus_millis(seconds * 1_000)
    }

    fn used(minute: u64, in_minute: u32) -> DayUse {
        DayUse { minute: Some(second(minute * 60)), in_minute, ..DayUse::default() }
    }

    #[test]
    fn a_tenants_own_limits_stand_in_for_those_of_all() {
        let own = OwnLimits { open_polls: Some(7), ..OwnLimits::default() };
        assert_eq!(LIMITS.with(&own), Limits { open_polls: 7, ..LIMITS });
        assert_eq!(LIMITS.with(&OwnLimits::default()), LIMITS);
    }

    #[test]
    fn limits_are_read_from_the_environment_whole_or_not_at_all() {
        let text = r#"{"polls_per_day": 3, "open_polls": 2, "requests_per_minute": 10}"#;
        assert_eq!(text.parse::<Limits>().unwrap(), LIMITS);
        for text in ["", "{}", r#"{"polls_per_day": 3, "open_polls": 2, "requests_per_minute": -1}"#] {
            assert!(text.parse::<Limits>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_minute_is_filled_and_the_next_one_begun() {
        let minute = second(60);
        assert_eq!(DayUse::default().next(10, second(61)), Count::First(minute));
        assert_eq!(used(0, 10).next(10, second(61)), Count::First(minute));
        assert_eq!(used(1, 9).next(10, second(119)), Count::Another(minute));
        assert_eq!(used(1, 10).next(10, second(119)), Count::Full(minute));
        assert_eq!(used(1, 10).next(10, second(120)), Count::First(second(120)));
    }

    #[test]
    fn who_is_behind_counts_in_the_minute_that_others_have_begun() {
        assert_eq!(used(2, 3).next(10, second(119)), Count::Another(second(120)));
        assert_eq!(used(2, 10).next(10, second(119)), Count::Full(second(120)));
    }

    #[test]
    fn a_limit_of_nothing_admits_nothing() {
        assert_eq!(DayUse::default().next(0, second(61)), Count::Full(second(60)));
        assert_eq!(used(1, 0).next(0, second(61)), Count::Full(second(60)));
    }

    #[test]
    fn a_quota_says_what_is_left_and_until_when() {
        let standing = Standing { limits: LIMITS, used: DayUse { polls: 1, ..used(1, 4) }, now: second(97) };
        let requests = Quota { of: Renewed::Requests, max: 10, left: 6, renewed_in_seconds: 23 };
        assert_eq!(standing.requests(), requests);
        let polls = |left| Quota { of: Renewed::Polls, max: 3, left, renewed_in_seconds: 86_400 - 97 };
        assert_eq!([standing.polls_after(0), standing.polls_after(1), standing.polls_after(9)], [2, 1, 0].map(polls));
        assert_eq!(Quota::no_more_polls(&LIMITS, second(97)), polls(0));
    }

    #[test]
    fn a_quota_is_renewed_in_a_second_at_least() {
        let late = Standing { limits: LIMITS, used: used(0, 4), now: second(61) };
        assert_eq!(late.requests().renewed_in_seconds, 1);
        let early = Standing { limits: LIMITS, used: used(2, 4), now: second(119) };
        assert_eq!(early.requests().renewed_in_seconds, 61);
        assert_eq!([Renewed::Requests, Renewed::Polls].map(Renewed::window_seconds), [60, 86_400]);
    }
}
