//! A reading of a poll's counts: which state of them a document shows, how old it is, and how fast they change.

use serde::Serialize;

use crate::{poll::Settings, tally::Count, time::Timestamp};

/// How long a document is current, in milliseconds from when its counts were read. The process that read them and every
/// cache behind it share this time, so that ages do not add up.
pub const CURRENT_MS: u64 = 1_000;
/// Two readings further apart say nothing of how fast counts change now. Three times the longest pause between two requests
/// of one client.
const APART_MAX_MS: u64 = 30_000;

/// Which state of a poll a document shows. Neither number ever goes down, so a client drops a document in which one is
/// lower than in what it shows: it comes from a process or a cache that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The poll's revision.
    pub poll: u64,
    /// The sum of its lanes' versions.
    pub counts: u64,
}

impl Version {
    /// Of a poll, and of lanes with these versions.
    pub fn of(settings: &Settings, lanes: impl Iterator<Item = u64>) -> Self {
        Self { poll: settings.revision, counts: lanes.sum() }
    }

    /// Of a poll and its lanes.
    pub fn of_counts(settings: &Settings, counts: &[Count]) -> Self {
        Self::of(settings, counts.iter().map(|count| count.version))
    }
}

/// What was read of a poll's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// By the wall clock, sampled before the read was sent.
    pub at: Timestamp,
    /// Which state it is.
    pub version: Version,
    /// Whether it never changes any more.
    pub is_final: bool,
    /// How many votes stand.
    pub ballots: i64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
}

impl Reading {
    /// For how many seconds a cache may keep it: what is left of its second, rounded up. 0 once that is over.
    pub fn max_age_seconds(&self, now: Timestamp) -> u64 {
        let left_ms = self.at.plus_millis(CURRENT_MS).millis_since(now);
        left_ms.min(CURRENT_MS).div_ceil(1_000)
    }

    /// What was counted since an earlier reading. `None` if they are too far apart.
    pub fn since(&self, earlier: &Reading) -> Option<Counted> {
        let in_ms = self.at.millis_since(earlier.at);
        let versions = self.version.counts.saturating_sub(earlier.version.counts);
        // A vote that is changed or retracted does not raise the ballots, but a version.
        let votes = self.ballots.abs_diff(earlier.ballots).max(versions);
        (in_ms > 0 && in_ms <= APART_MAX_MS).then_some(Counted { votes, in_ms })
    }
}

/// How long what was read may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// For how many seconds a cache may keep it, if anyone may see it.
    pub max_age_seconds: u64,
    /// After how many seconds a client should ask again.
    pub poll_after_seconds: u64,
}

/// What was counted between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many votes, at the least.
    pub votes: u64,
    /// In how many milliseconds.
    pub in_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn reading(at_ms: u64, counts: u64, ballots: i64) -> Reading {
        Reading {
            at: at(0).plus_millis(at_ms),
            version: Version { poll: 1, counts },
            is_final: false,
            ballots,
            as_of: None,
        }
    }

    #[test]
    fn what_is_left_of_the_second_is_rounded_up_and_never_more_than_it() {
        let read = reading(5_000, 1, 1);
        let left = |now_ms: u64| read.max_age_seconds(at(0).plus_millis(now_ms));
        let ages = [5_000, 5_001, 5_999, 6_000, 6_001, 9_000].map(left);
        assert_eq!(ages, [1, 1, 1, 0, 0, 0]);
        assert_eq!(left(1_000), 1, "a clock that was set back");
    }

    #[test]
    fn votes_are_counted_by_ballots_and_changes_of_votes_by_versions() {
        let since = |later: Reading| later.since(&reading(0, 7, 100));
        assert_eq!(since(reading(2_000, 9, 160)), Some(Counted { votes: 60, in_ms: 2_000 }));
        assert_eq!(since(reading(1_000, 9, 100)), Some(Counted { votes: 2, in_ms: 1_000 }));
        assert_eq!(since(reading(1_000, 8, 90)), Some(Counted { votes: 10, in_ms: 1_000 }));
        assert_eq!(since(reading(1_000, 7, 100)), Some(Counted { votes: 0, in_ms: 1_000 }));
        assert_eq!(since(reading(1_000, 5, 100)), Some(Counted { votes: 0, in_ms: 1_000 }), "a reading that is behind");
    }

    #[test]
    fn readings_far_apart_or_out_of_order_say_nothing_of_now() {
        let since = |at_ms| reading(at_ms, 9, 160).since(&reading(60_000, 7, 100));
        assert_eq!([90_000, 90_001, 60_000, 59_000].map(|at_ms| since(at_ms).is_some()), [true, false, false, false]);
    }
}
