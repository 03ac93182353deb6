//! Decides when a lane gets more than it counts well, so that its poll needs more lanes.

use super::{lane::LANE_VOTES_PER_SECOND, time::Timestamp};

/// What a process has noticed about a lane. Votes and `as_of` come from HEAD, which all processes share. So the rate is
/// the true one over the votes' own time, and a backlog does not look hot while it is worked off.
#[derive(Clone, Debug, Default)]
pub struct Heat {
    since: Option<Progress>,
    full_batches: u32,
}

/// How far a lane's count has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Votes that stand now.
    pub ballots: i64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Timestamp,
}

/// The limits from which a lane is too hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatLimits {
    /// Votes a second.
    pub votes_per_second: u64,
    /// Consecutive batches filled by one lane's messages: they arrive faster than they are counted.
    pub full_batches: u32,
}

/// 70 % of a lane's rated votes a second; and 8 batches, which take some seconds where few processes take turns.
pub const HEAT_LIMITS: HeatLimits =
    HeatLimits { votes_per_second: LANE_VOTES_PER_SECOND as u64 * 7 / 10, full_batches: 8 };

/// The shortest time over which a rate is measured: `cast_at`, in milliseconds.
const MEASURE_MS: u64 = 2_000;

impl Heat {
    /// Takes in a lane's progress after a batch, and whether its messages filled the batch. If the lane is too hot,
    /// returns since when, and starts measuring from scratch.
    pub fn note(&mut self, now: Progress, is_full: bool, limits: &HeatLimits) -> Option<Timestamp> {
        let since = *self.since.get_or_insert(now);
        self.full_batches = if is_full { self.full_batches + 1 } else { 0 };
        let elapsed_ms = now.as_of.millis_since(since.as_of);
        let is_measured = elapsed_ms >= MEASURE_MS;
        let votes = u64::try_from(now.ballots - since.ballots).unwrap_or(0);
        let is_hot = self.full_batches >= limits.full_batches
            || is_measured && votes.saturating_mul(1_000) / elapsed_ms >= limits.votes_per_second;
        if is_hot {
            *self = Self { since: Some(now), full_batches: 0 };
        } else if is_measured && !is_full {
            self.since = Some(now);
        }
        is_hot.then_some(since.as_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(ballots: i64, ms: u64) -> Progress {
        Progress { ballots, as_of: Timestamp::EPOCH.plus_millis(ms) }
    }

    /// Notes batches, each with its ballots and its time. Returns which of them showed heat, and since when.
    fn hot(batches: &[(i64, u64, bool)]) -> Vec<(usize, u64)> {
        let mut heat = Heat::default();
        let noted = batches.iter().map(|(ballots, ms, is_full)| {
            heat.note(progress(*ballots, *ms), *is_full, &HEAT_LIMITS).map(Timestamp::as_millis)
        });
        noted.enumerate().filter_map(|(place, since)| Some((place, since?))).collect()
    }

    #[test]
    fn a_lane_is_too_hot_from_seventy_percent_of_its_votes_on() {
        let second_by_second = |votes: i64| (0..5).map(|n| (n * votes, n as u64 * 1_000, false)).collect::<Vec<_>>();
        assert_eq!(hot(&second_by_second(5_599)), []);
        assert_eq!(hot(&second_by_second(5_600)), [(2, 0), (4, 2_000)]);
    }

    #[test]
    fn a_rate_is_measured_over_two_seconds_of_the_votes_own_time() {
        assert_eq!(hot(&[(0, 0, false), (30_000, 1_999, false)]), []);
        // A backlog from ten quiet minutes, counted at once.
        assert_eq!(hot(&[(0, 0, false), (60_000, 600_000, false)]), []);
    }

    #[test]
    fn a_rate_starts_again_after_a_quiet_time() {
        assert_eq!(hot(&[(0, 0, false), (0, 600_000, false), (11_200, 602_000, false)]), [(2, 600_000)]);
    }

    #[test]
    fn votes_that_are_taken_back_are_no_heat() {
        assert_eq!(hot(&[(50_000, 0, false), (0, 2_500, false)]), []);
    }

    #[test]
    fn a_lane_is_too_hot_if_eight_batches_in_a_row_are_full_of_its_messages() {
        let full = |number: usize| (0..number).map(|n| (n as i64, n as u64, true)).collect::<Vec<_>>();
        assert_eq!(hot(&full(7)), []);
        assert_eq!(hot(&full(8)), [(7, 0)]);
        let mut broken = full(15);
        broken[7].2 = false;
        assert_eq!(hot(&broken), []);
    }
}
