//! Decides when a lane gets more than it counts well, so that its poll needs more lanes.

use super::time::Timestamp;

/// What a process has noticed about a lane. Votes and `as_of` come from HEAD, which all processes share. So the rate is
/// the true one over the votes' own time, and a backlog does not look hot while it is worked off. What a vote takes is
/// known from what this process wrote itself.
#[derive(Clone, Debug, Default)]
pub struct Heat {
    since: Option<Progress>,
    spent: Spent,
    batches: u32,
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

/// What a process has written to count some changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Write units.
    pub write_units: u64,
    /// How many changes they counted.
    pub changes: u64,
}

/// What a vote takes is known after as many batches: a small one that replaces a large HEAD takes ten times as much.
const BATCHES_MIN: u32 = 8;
/// After as many, all before count half.
const BATCHES_MAX: u32 = 32;

impl Spent {
    /// Adds what was spent on further changes.
    pub fn add(&mut self, other: Self) {
        self.write_units += other.write_units;
        self.changes += other.changes;
    }

    /// What this number of votes takes, if they take as much.
    fn for_votes(self, votes: u64) -> u64 {
        votes.saturating_mul(self.write_units).checked_div(self.changes).unwrap_or(0)
    }

    fn halved(self) -> Self {
        Self { write_units: self.write_units / 2, changes: self.changes / 2 }
    }
}

/// The limits from which a lane is too hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatLimits {
    /// Write units a second.
    pub write_units_per_second: u64,
    /// Consecutive batches filled by one lane's messages: they arrive faster than they are counted.
    pub full_batches: u32,
}

/// A third of a partition's write units, which is some 8,000 plain votes a second; and 8 batches, which take some seconds
/// where few processes take turns.
pub const HEAT_LIMITS: HeatLimits = HeatLimits { write_units_per_second: 350, full_batches: 8 };

/// The shortest time over which a rate is measured: `cast_at`, in milliseconds.
const MEASURE_MS: u64 = 2_000;

impl Heat {
    /// Takes in a lane's progress after a batch, what this process spent on it, and whether the lane's messages filled
    /// it. If the lane is too hot, returns since when, and starts measuring from scratch.
    pub fn note(&mut self, now: Progress, spent: Spent, is_full: bool, limits: &HeatLimits) -> Option<Timestamp> {
        let since = *self.since.get_or_insert(now);
        self.full_batches = if is_full { self.full_batches + 1 } else { 0 };
        let elapsed_ms = now.as_of.millis_since(since.as_of);
        let is_measured = elapsed_ms >= MEASURE_MS;
        let votes = u64::try_from(now.ballots - since.ballots).unwrap_or(0);
        let units = self.learn(spent).for_votes(votes);
        let is_hot = self.full_batches >= limits.full_batches
            || is_measured && units.saturating_mul(1_000) / elapsed_ms >= limits.write_units_per_second;
        if is_hot {
            (self.since, self.full_batches) = (Some(now), 0);
        } else if is_measured && !is_full {
            self.since = Some(now);
        }
        is_hot.then_some(since.as_of)
    }

    /// Adds what a batch took. Returns what some batches took; nothing if there were too few.
    fn learn(&mut self, spent: Spent) -> Spent {
        if self.batches >= BATCHES_MAX {
            (self.spent, self.batches) = (self.spent.halved(), self.batches / 2);
        }
        self.spent.add(spent);
        self.batches += 1;
        if self.batches < BATCHES_MIN { Spent::default() } else { self.spent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::EPOCH.plus_millis(ms)
    }

    fn progress(ballots: i64, ms: u64) -> Progress {
        Progress { ballots, as_of: at(ms) }
    }

    /// What plain votes take, by hundreds.
    const PLAIN: Spent = Spent { write_units: 5, changes: 100 };

    /// Notes batches of plain votes, each with its ballots and its time. Returns which of them showed heat, and since when.
    fn hot(batches: &[(i64, u64, bool)]) -> Vec<(usize, u64)> {
        hot_by(PLAIN, batches)
    }

    fn hot_by(spent: Spent, batches: &[(i64, u64, bool)]) -> Vec<(usize, u64)> {
        let mut heat = Heat::default();
        for _ in 0..BATCHES_MIN {
            heat.learn(spent);
        }
        let noted = batches.iter().map(|(ballots, ms, is_full)| {
            heat.note(progress(*ballots, *ms), spent, *is_full, &HEAT_LIMITS).map(Timestamp::as_millis)
        });
        noted.enumerate().filter_map(|(place, since)| Some((place, since?))).collect()
    }

    /// This number of votes every quarter of a second, for that many of them.
    fn quarter_by_quarter(votes: i64, quarters: i64) -> Vec<(i64, u64, bool)> {
        (0..=quarters).map(|n| (n * votes, n as u64 * 250, false)).collect()
    }

    #[test]
    fn a_lane_is_too_hot_from_its_write_units_on() {
        assert_eq!(hot(&quarter_by_quarter(1_749, 40)), []);
        assert_eq!(hot(&quarter_by_quarter(1_750, 16)), [(8, 0), (16, 2_000)]);
    }

    #[test]
    fn votes_that_take_more_units_are_hot_at_fewer_a_second() {
        let text = Spent { write_units: 50, ..PLAIN };
        assert_eq!(hot_by(text, &quarter_by_quarter(174, 40)), []);
        assert_eq!(hot_by(text, &quarter_by_quarter(175, 8)), [(8, 0)]);
    }

    #[test]
    fn what_votes_take_is_known_after_eight_batches_and_follows_what_they_take_now() {
        let mut heat = Heat::default();
        let mut hot = |spent, seconds: std::ops::Range<u64>| {
            let note = |n: u64| heat.note(progress(n as i64 * 14_000, n * 1_000), spent, false, &HEAT_LIMITS).is_some();
            seconds.map(note).collect::<Vec<_>>()
        };
        let cheap = Spent { write_units: 1, ..PLAIN };
        assert_eq!(hot(PLAIN, 0..10).iter().position(|hot| *hot), Some(8), "measured at every second one");
        assert!(!hot(cheap, 10..200)[60..].contains(&true));
        assert!(hot(PLAIN, 200..260).contains(&true), "of 190 cheap batches 32 count at most");
    }

    #[test]
    fn a_process_that_has_only_seen_repeats_knows_of_no_heat() {
        let repeats = Spent { write_units: 9, changes: 0 };
        assert_eq!(hot_by(repeats, &quarter_by_quarter(100_000, 40)), []);
    }

    #[test]
    fn a_rate_is_measured_over_two_seconds_of_the_votes_own_time() {
        assert_eq!(hot(&[(0, 0, false), (30_000, 1_999, false)]), []);
        // A backlog from ten quiet minutes, counted at once.
        assert_eq!(hot(&[(0, 0, false), (60_000, 600_000, false)]), []);
    }

    #[test]
    fn a_rate_starts_again_after_a_quiet_time() {
        assert_eq!(hot(&[(0, 0, false), (0, 600_000, false), (14_000, 602_000, false)]), [(2, 600_000)]);
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
