//! Decides what the findings mean, for each lane and for the poll. Pure.

use std::collections::BTreeMap;

use landslide_counting::tallies::rebuild::{VOTES_KEPT_MS, may_be_rebuilt};
use landslide_domain::lane::LANES_MAX;
use landslide_domain::poll::{Rules, Status, VoteChange};
use landslide_domain::tally::Counters;
use landslide_domain::time::Timestamp;

use super::compare::{Examples, Findings, LaneFindings};
use super::read::{Reading, Tally};

/// The audit's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every count equals a recount of the votes.
    Exact,
    /// The same, but some votes were cast before the poll opened or after it closed.
    Untimely,
    /// No difference was found, but changing votes are on their way, which hides their lanes' counters.
    Undecided,
    /// A count differs from the votes' sum.
    Different,
}

/// How a lane's readers' copy differs from its HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountFault {
    /// It has an earlier version, and does not catch up.
    Behind,
    /// It has the same version and other content.
    Other,
    /// It has a version that HEAD does not have yet.
    Ahead,
}

/// A judged lane.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What was found.
    pub findings: LaneFindings,
    /// HEAD and the readers' copy.
    pub tally: Tally,
    /// Whether HEAD's counters differ from the counted votes' sum.
    pub counters_differ: bool,
    /// Whether HEAD's `as_of` is not the newest counted vote's time.
    pub as_of_differs: bool,
    /// What is wrong with the readers' copy.
    pub count_fault: Option<CountFault>,
    /// Whether it is not one of the poll's lanes, so that no reader sees it.
    pub is_past_the_last: bool,
}

impl Lane {
    /// Judges a lane in a poll with `lanes` lanes.
    pub fn judge(number: u8, findings: LaneFindings, tally: Tally, lanes: u8, vote_change: VoteChange) -> Self {
        let head = &tally.head;
        let newest = findings.newest_counted;
        // The sum of a vote's earlier choices is known only once all its revisions are counted.
        let is_known = findings.changing == 0;
        // A later revision may have an earlier time, from another clock. A rebuild keeps the earlier revision's time.
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

    /// Whether its counters can't be compared with the votes now.
    pub fn is_undecided(&self) -> bool {
        self.findings.changing > 0
    }

    /// Whether messages and a new readers' copy can repair it: HEAD contains exactly what its ids say.
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

    /// The verdict on this lane alone.
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

/// The counters that are not 0, by name.
pub fn non_zero(counters: &Counters) -> BTreeMap<&str, i64> {
    counters.iter().filter(|(_, count)| *count != 0).collect()
}

/// A judged poll.
pub struct Audit {
    /// The poll.
    pub rules: Rules,
    /// When the audit began.
    pub at: Timestamp,
    /// How long reading and comparing took, in seconds.
    pub seconds: f64,
    /// Lanes that have votes or counts, by number.
    pub lanes: BTreeMap<u8, Lane>,
    /// Items that are no votes.
    pub unreadable: Examples,
    /// Votes cast before the poll opened.
    pub early: Examples,
    /// Votes cast after the poll closed.
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

    /// The worst verdict on any lane, or on the poll's votes.
    pub fn verdict(&self) -> Verdict {
        let of_votes = match (self.unreadable.number, self.early.number + self.late.number) {
            (0, 0) => Verdict::Exact,
            (0, _) => Verdict::Untimely,
            _ => Verdict::Different,
        };
        self.lanes.values().map(Lane::verdict).max().unwrap_or(Verdict::Exact).max(of_votes)
    }

    /// How many votes are stored.
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

    /// Whether its counts may be recomputed from the vote items.
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

    /// What limits the audit.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |number: u64, text: &str| {
            if number > 0 {
                notes.push(format!("{number} {text}"));
            }
        };
        note(
            self.sum(|lane| lane.findings.on_their_way),
            "votes were on their way: not counted yet, and too recent to be missing",
        );
        note(
            self.sum(|lane| u64::from(lane.is_undecided())),
            "lanes have changing votes: their counters can be compared only once these are counted",
        );
        note(
            self.sum(|lane| lane.findings.too_old_for_ids),
            "votes are older than the kept ids (30 days): only counters show that they are counted",
        );
        note(
            self.sum(|lane| u64::from(lane.tally.head.sealed)),
            "lanes are sealed: a rebuild recomputed their counts from the vote items, and no message changes them",
        );
        let is_old = self.rules.settings.spec.closes_at.is_some_and(|at| self.at.millis_since(at) >= VOTES_KEPT_MS);
        note(
            u64::from(is_old) * 60,
            "days or more have passed since the poll closed: vote items may have expired, and the recount be too low",
        );
        notes
    }
}

#[cfg(test)]
mod tests;
