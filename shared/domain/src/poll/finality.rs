//! That a poll's counts are final: made from its votes once these stood still, and never changed again.

use serde::{Deserialize, Serialize};

use crate::{
    ids::PollId,
    poll::{Rules, VoteChange},
    tally::{Count, Counters},
    time::Timestamp,
};

/// The record of it, in the poll's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finality {
    /// Since when.
    pub at: Timestamp,
    /// The votes that stand.
    pub ballots: i64,
    /// Each lane's version. Counts of earlier ones are not the final ones. A sum would not do: lanes get later versions
    /// when their runs are swept, and would make up for one that is not final yet.
    pub versions: Vec<u64>,
    /// How far the counts were off before.
    pub off: Off,
}

impl Default for Finality {
    fn default() -> Self {
        Self { at: Timestamp::EPOCH, ballots: 0, versions: Vec::new(), off: Off::default() }
    }
}

impl Finality {
    /// Whether these counts, lane by lane, are the final ones.
    pub fn covers(&self, counts: &[Count]) -> bool {
        let is_final = |(count, version): (&Count, &u64)| count.version >= *version;
        counts.len() >= self.versions.len() && counts.iter().zip(&self.versions).all(is_final)
    }
}

/// By how much the counts that readers saw last differed from those that the votes make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// What was missing, over all counters.
    pub missing: u64,
    /// What was too much.
    pub surplus: u64,
    /// Whether votes that had not arrived yet can't be why, or not alone.
    pub is_unexplained: bool,
}

impl Off {
    /// The difference in a lane. `counted` is when the newest vote that was counted was cast, `stored` that of all.
    pub fn of(
        change: VoteChange,
        (live, counted): (&Counters, Option<Timestamp>),
        (votes, stored): (&Counters, Option<Timestamp>),
    ) -> Self {
        let mut off = Self::default();
        let names: std::collections::BTreeSet<&str> = live.iter().chain(votes.iter()).map(|(name, _)| name).collect();
        for name in names {
            let (live, votes) = (live.get(name), votes.get(name));
            off.missing += votes.saturating_sub(live).max(0).unsigned_abs();
            off.surplus += live.saturating_sub(votes).max(0).unsigned_abs();
        }
        // A vote that never changes only ever adds to counts.
        let may_be_late = counted < stored && (off.surplus == 0 || change == VoteChange::UntilClose);
        off.is_unexplained = off.is_any() && !may_be_late;
        off
    }

    /// Whether there is a difference.
    pub fn is_any(&self) -> bool {
        self.missing > 0 || self.surplus > 0
    }

    /// The difference with that of a further lane.
    pub fn plus(self, other: Self) -> Self {
        Self {
            missing: self.missing + other.missing,
            surplus: self.surplus + other.surplus,
            is_unexplained: self.is_unexplained || other.is_unexplained,
        }
    }
}

impl Rules {
    /// Whether these counts are the poll's final ones.
    pub fn is_final_by(&self, counts: &[Count]) -> bool {
        self.finality.as_ref().is_some_and(|finality| finality.covers(counts))
    }
}

/// The event that a poll's counts became final, for those who are to be told.
#[derive(Debug, Serialize)]
pub struct FinalEvent<'a> {
    /// What happened.
    pub event: &'static str,
    /// In which poll.
    pub poll_id: &'a PollId,
    /// When.
    pub at: Timestamp,
    /// The votes that stand.
    pub ballots: i64,
}

/// Its name.
pub const RESULTS_FINAL: &str = "results.final";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn counters(ballots: i64, first: i64) -> Counters {
        Counters::from_entries([("ballots".to_owned(), ballots), ("o0".to_owned(), first)])
    }

    fn off(change: VoteChange, live: (i64, i64), votes: (i64, i64), is_late: bool) -> Off {
        let (live, votes) = (counters(live.0, live.1), counters(votes.0, votes.1));
        let counted = if is_late { at(1) } else { at(2) };
        Off::of(change, (&live, Some(counted)), (&votes, Some(at(2))))
    }

    #[test]
    fn equal_counts_are_not_off() {
        for is_late in [false, true] {
            let off = off(VoteChange::Never, (5, 2), (5, 2), is_late);
            assert_eq!((off, off.is_any()), (Off::default(), false));
        }
    }

    #[test]
    fn what_is_missing_may_be_late_if_the_newest_vote_is() {
        let missing = |is_unexplained| Off { missing: 3, surplus: 0, is_unexplained };
        assert_eq!(off(VoteChange::Never, (5, 2), (7, 3), true), missing(false));
        assert_eq!(off(VoteChange::Never, (5, 2), (7, 3), false), missing(true));
    }

    #[test]
    fn what_is_too_much_may_be_late_only_where_votes_change() {
        let surplus = |is_unexplained| Off { missing: 0, surplus: 1, is_unexplained };
        assert_eq!(off(VoteChange::UntilClose, (5, 3), (5, 2), true), surplus(false));
        assert_eq!(off(VoteChange::UntilClose, (5, 3), (5, 2), false), surplus(true));
        assert_eq!(off(VoteChange::Never, (5, 3), (5, 2), true), surplus(true));
    }

    #[test]
    fn lanes_add_up() {
        let (one, other) = (Off { missing: 1, surplus: 2, is_unexplained: false }, Off::default());
        let unexplained = Off { is_unexplained: true, ..one };
        assert_eq!(one.plus(other), one);
        assert_eq!(one.plus(unexplained), Off { missing: 2, surplus: 4, is_unexplained: true });
    }

    #[test]
    fn counts_of_earlier_versions_are_not_final() {
        let count = |version| Count { version, ..Count::default() };
        let finality = Finality { versions: vec![3, 4], ..Finality::default() };
        assert!(finality.covers(&[count(3), count(4)]) && finality.covers(&[count(3), count(9), count(0)]));
        for earlier in [vec![count(3), count(3)], vec![count(2), count(9)], vec![count(9)]] {
            assert!(!finality.covers(&earlier), "{earlier:?}");
        }
    }
}
