//! What the findings mean: lane by lane, and for the poll. Pure.

use std::collections::BTreeMap;

use landslide_counting::tallies::rebuild::{VOTES_KEPT_MS, may_be_rebuilt};
use landslide_domain::lane::LANES_MAX;
use landslide_domain::poll::{Rules, Status, VoteChange};
use landslide_domain::tally::Counters;
use landslide_domain::time::Timestamp;

use super::compare::{Examples, Findings, LaneFindings};
use super::read::{Reading, Tally};

/// What the audit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every count is a recount of the votes.
    Exact,
    /// The same, but some votes were cast before the poll opened or when it was closed.
    Untimely,
    /// No difference was found, but votes that may change are on their way, which hides their lanes' counters.
    Undecided,
    /// A count is not what the votes come to.
    Different,
}

/// How the readers' copy of a lane differs from its HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountFault {
    /// It is of an earlier version, and stays so.
    Behind,
    /// It is of the same version, and says something else.
    Other,
    /// It is of a version that HEAD does not have yet.
    Ahead,
}

/// A lane, judged.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What was found.
    pub findings: LaneFindings,
    /// What its items say.
    pub tally: Tally,
    /// Whether HEAD's counters are not what the counted votes come to.
    pub counters_differ: bool,
    /// Whether HEAD's `as_of` is not the newest counted vote's.
    pub as_of_differs: bool,
    /// What is wrong with the readers' copy.
    pub count_fault: Option<CountFault>,
    /// Whether it lies past the poll's lanes, where no reader looks.
    pub is_past_the_last: bool,
}

impl Lane {
    /// Judges a lane of a poll with that many.
    pub fn judge(number: u8, findings: LaneFindings, tally: Tally, lanes: u8, vote_change: VoteChange) -> Self {
        let head = &tally.head;
        let newest = findings.newest_counted;
        // What the former choices of a vote came to is known only once all of its revisions are counted.
        let is_known = findings.changing == 0;
        // A later revision may have an earlier time, by another clock; a rebuild keeps the time of the earlier one.
        let newest_is_known = vote_change == VoteChange::Never;
        Self {
            counters_differ: is_known && non_zero(&head.counters) != non_zero(&findings.counted),
            as_of_differs: is_known
                && (if newest_is_known { head.as_of != newest } else { head.as_of < newest })
                && findings.without_vote.number == 0,
            count_fault: count_fault(&tally),
            is_past_the_last: number >= lanes,
            findings,
            tally,
        }
    }

    /// Whether its counters can't be held against the votes now.
    pub fn is_undecided(&self) -> bool {
        self.findings.changing > 0
    }

    /// Whether messages and a new readers' copy can mend it: HEAD contains just what its ids say, and no more.
    pub fn is_mendable(&self) -> bool {
        let findings = &self.findings;
        !(self.counters_differ
            || self.as_of_differs
            || self.is_past_the_last
            || self.is_undecided()
            || self.count_fault == Some(CountFault::Ahead))
            && findings.without_vote.number == 0
            && findings.twice.number == 0
    }

    fn ids_differ(&self) -> bool {
        let findings = &self.findings;
        let ids = [&findings.missing, &findings.without_vote, &findings.twice];
        ids.iter().any(|found| found.number > 0)
    }

    /// What is said of it alone.
    pub fn verdict(&self) -> Verdict {
        if self.counters_differ
            || self.as_of_differs
            || self.count_fault.is_some()
            || self.is_past_the_last
            || self.ids_differ()
        {
            Verdict::Different
        } else if self.is_undecided() {
            Verdict::Undecided
        } else {
            Verdict::Exact
        }
    }
}

fn count_fault(tally: &Tally) -> Option<CountFault> {
    let Tally { head, count } = tally;
    match count.version.cmp(&head.version) {
        std::cmp::Ordering::Less => Some(CountFault::Behind),
        std::cmp::Ordering::Greater => Some(CountFault::Ahead),
        std::cmp::Ordering::Equal => (*count != head.count()).then_some(CountFault::Other),
    }
}

/// Counters that are not 0, by name.
pub fn non_zero(counters: &Counters) -> BTreeMap<&str, i64> {
    counters.iter().filter(|(_, count)| *count != 0).collect()
}

/// A poll, judged.
pub struct Audit {
    /// The poll.
    pub rules: Rules,
    /// When the audit began.
    pub at: Timestamp,
    /// Seconds that reading and comparing took.
    pub seconds: f64,
    /// Lanes that have votes or counts, by number.
    pub lanes: BTreeMap<u8, Lane>,
    /// Items that are no votes.
    pub unreadable: Examples,
    /// Votes cast before the poll opened.
    pub early: Examples,
    /// Votes cast when the poll was closed.
    pub late: Examples,
}

impl Audit {
    /// Judges what was read.
    pub fn of(reading: Reading) -> Self {
        let Reading { rules, at, mut tallies, mut findings, took } = reading;
        let vote_change = rules.settings.spec.vote_change;
        let mut lanes = BTreeMap::new();
        for number in 0..LANES_MAX {
            let tally = tallies.remove(&number).unwrap_or_default();
            let found = findings.lanes.remove(&number);
            if found.is_some() || tally.head.version > 0 || tally.count.version > 0 {
                let lane = Lane::judge(number, found.unwrap_or_default(), tally, rules.lanes, vote_change);
                lanes.insert(number, lane);
            }
        }
        let Findings { unreadable, early, late, .. } = findings;
        Self { rules, at, seconds: took.as_secs_f64(), lanes, unreadable, early, late }
    }

    /// The worst that is said of a lane, or of the poll's votes.
    pub fn verdict(&self) -> Verdict {
        let of_votes = match (self.unreadable.number, self.early.number + self.late.number) {
            (0, 0) => Verdict::Exact,
            (0, _) => Verdict::Untimely,
            _ => Verdict::Different,
        };
        self.lanes.values().map(Lane::verdict).max().unwrap_or(Verdict::Exact).max(of_votes)
    }

    /// Votes stored.
    pub fn votes(&self) -> u64 {
        self.sum(|lane| lane.findings.votes)
    }

    /// A number summed over lanes.
    pub fn sum(&self, number: impl Fn(&Lane) -> u64) -> u64 {
        self.lanes.values().map(number).sum()
    }

    /// Counters summed over lanes.
    pub fn counters(&self, of: impl Fn(&Lane) -> &Counters) -> Counters {
        let mut sum = Counters::default();
        self.lanes.values().for_each(|lane| sum.merge(of(lane)));
        sum
    }

    /// Whether its counts may be made anew from the vote items.
    pub fn may_be_rebuilt(&self) -> bool {
        may_be_rebuilt(&self.rules.settings, self.at)
    }

    /// Whether votes can't change.
    pub fn votes_never_change(&self) -> bool {
        self.rules.settings.spec.vote_change == VoteChange::Never
    }

    /// Where the poll stood when the audit began.
    pub fn status(&self) -> Status {
        self.rules.status(self.at)
    }

    /// What limits what the audit can see.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |number: u64, text: &str| {
            if number > 0 {
                notes.push(format!("{number} {text}"));
            }
        };
        note(
            self.sum(|lane| lane.findings.on_their_way),
            "votes were on their way and not counted yet: too new to be missed",
        );
        note(
            self.sum(|lane| u64::from(lane.is_undecided())),
            "lanes hold votes that are changing: their counters can be compared only once these are counted",
        );
        note(
            self.sum(|lane| lane.findings.too_old_for_ids),
            "votes are older than the ids that are kept (30 days): only counters tell that they are counted",
        );
        note(
            self.sum(|lane| u64::from(lane.tally.head.sealed)),
            "lanes are sealed: a rebuild made their counts from the vote items, and no message changes them",
        );
        let is_old = self.rules.settings.spec.closes_at.is_some_and(|at| self.at.millis_since(at) >= VOTES_KEPT_MS);
        note(
            u64::from(is_old) * 60,
            "days and more have passed since closing: vote items may have expired, and a recount be short",
        );
        notes
    }
}

#[cfg(test)]
mod tests;
