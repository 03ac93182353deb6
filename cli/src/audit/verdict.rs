//! Decides what the findings mean, for each lane and for the poll. Pure.

use std::collections::BTreeMap;

use landslide_counting::tallies::rebuild::{VOTES_KEPT_MS, may_be_rebuilt};
use landslide_domain::lane::LANES_MAX;
use landslide_domain::poll::{PollSpec, Rules, Status, VoteChange};
use landslide_domain::runs::Dropped;
use landslide_domain::tally::{Count, Counters};
use landslide_domain::time::Timestamp;

use super::compare::{Examples, Findings, LaneFindings};
use super::entries::{differences, sums_differ};
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
    /// It has the same version and other counts.
    Other,
    /// It has the same version and counts, and other entries.
    OtherEntries,
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
    /// The entries that HEAD and the counted votes have in different numbers.
    pub entries_differ: Examples,
    /// Whether HEAD's counters differ from the sums of its own entries.
    pub sums_differ: bool,
    /// What is wrong with the readers' copy.
    pub count_fault: Option<CountFault>,
    /// Whether it is not one of the poll's lanes, so that no reader sees it.
    pub is_past_the_last: bool,
}

impl Lane {
    /// Judges a lane in a poll with `lanes` lanes and these settings.
    pub fn judge(number: u8, findings: LaneFindings, tally: Tally, lanes: u8, spec: &PollSpec) -> Self {
        let head = &tally.head;
        let newest = findings.newest_counted;
        // The sum of a vote's earlier choices is known only once all its revisions are counted.
        let is_known = findings.changing == 0;
        // A later revision may have an earlier time, from another clock. A rebuild keeps the earlier revision's time.
        let newest_is_known = spec.vote_change == VoteChange::Never;
        let entries = tally.entries.as_ref().and_then(|entries| entries.sum.as_ref());
        let missed = head.entries.kept.ballots.missed();
        let compared = entries.filter(|_| is_known);
        Self {
            counters_differ: is_known && non_zero(&head.counters) != non_zero(&findings.counted),
            as_of_differs: is_known
                && (if newest_is_known { head.as_of != newest } else { head.as_of < newest })
                && findings.without_vote.number == 0,
            entries_differ: compared
                .map_or_else(Examples::default, |entries| differences(entries, &findings.counted_entries, missed)),
            sums_differ: entries.is_some_and(|entries| sums_differ(spec, entries, head)),
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
            || self.entries_are_wrong()
            || self.is_past_the_last
            || self.is_undecided()
            || self.count_fault == Some(CountFault::Ahead))
            && findings.without_vote.number == 0
            && findings.twice.number == 0
    }

    /// Whether HEAD's entries are not those that its counting made.
    pub fn entries_are_wrong(&self) -> bool {
        let is_short = self.tally.entries.as_ref().is_some_and(|entries| entries.sum.is_none());
        is_short || self.entries_differ.number > 0 || self.sums_differ
    }

    /// Whether a message or a new readers' copy would change it, if it is mendable.
    pub fn is_to_be_mended(&self) -> bool {
        self.count_fault.is_some() || self.findings.missing.number > 0
    }

    /// Whether rows that nothing names may be deleted. They may be needed where HEAD or COUNT is wrong.
    pub fn is_to_be_swept(&self) -> bool {
        self.unnamed_rows() > 0 && self.count_fault.is_none() && !self.entries_are_wrong()
    }

    /// Why it keeps no entries of a multiset any more, if so. Of two reasons, the one that is a fault.
    pub fn dropped(&self) -> Option<Dropped> {
        let kept = &self.tally.head.entries.kept;
        let both = [kept.ballots.dropped, kept.cells.dropped];
        both.into_iter().flatten().max_by_key(|dropped| *dropped == Dropped::Lost)
    }

    /// How many rows of runs nothing names.
    pub fn unnamed_rows(&self) -> u64 {
        self.tally.entries.as_ref().map_or(0, |entries| entries.unnamed_rows)
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
            || self.entries_are_wrong()
            || self.dropped() == Some(Dropped::Lost)
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
    let Tally { head, count, .. } = tally;
    match count.version.cmp(&head.version) {
        std::cmp::Ordering::Less => Some(CountFault::Behind),
        std::cmp::Ordering::Greater => Some(CountFault::Ahead),
        std::cmp::Ordering::Equal => fault_of_same_version(count, &head.count()),
    }
}

fn fault_of_same_version(count: &Count, of_head: &Count) -> Option<CountFault> {
    if count == of_head {
        None
    } else if (Count { entries: of_head.entries.clone(), ..count.clone() }) == *of_head {
        Some(CountFault::OtherEntries)
    } else {
        Some(CountFault::Other)
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
    /// Lanes of which readers' assembled results show a version that COUNT does not have. `None` for a poll without
    /// assembled results.
    pub result_ahead: Option<Vec<u8>>,
}

impl Audit {
    /// Judges what was read.
    pub fn of(reading: Reading) -> Self {
        let Reading { rules, at, mut tallies, assembled, mut findings, took } = reading;
        let result_ahead = assembled.map(|versions| ahead(&versions, &tallies));
        let mut lanes = BTreeMap::new();
        for number in 0..LANES_MAX {
            let tally = tallies.remove(&number).unwrap_or_default();
            let found = findings.lanes.remove(&number);
            let has_rows = tally.entries.as_ref().is_some_and(|entries| entries.unnamed_rows > 0);
            if found.is_some() || tally.head.version > 0 || tally.count.version > 0 || has_rows {
                let lane = Lane::judge(number, found.unwrap_or_default(), tally, rules.lanes, &rules.settings.spec);
                lanes.insert(number, lane);
            }
        }
        let Findings { unreadable, early, late, .. } = findings;
        Self { rules, at, seconds: took.as_secs_f64(), lanes, unreadable, early, late, result_ahead }
    }

    /// The worst verdict on any lane, or on the poll's votes.
    pub fn verdict(&self) -> Verdict {
        let of_poll = if self.unreadable.number > 0 || self.result_is_ahead() {
            Verdict::Different
        } else if self.early.number + self.late.number > 0 {
            Verdict::Untimely
        } else {
            Verdict::Exact
        };
        self.lanes.values().map(Lane::verdict).max().unwrap_or(Verdict::Exact).max(of_poll)
    }

    /// Whether readers' assembled results show counts that no lane has.
    pub fn result_is_ahead(&self) -> bool {
        self.result_ahead.as_ref().is_some_and(|lanes| !lanes.is_empty())
    }

    /// Whether a rebuild may bring back whole ballots that were too many for a lane while messages counted it.
    pub fn may_have_fewer_ballots(&self) -> bool {
        let may = |lane: &Lane| lane.dropped() == Some(Dropped::TooMany) && !lane.tally.head.sealed;
        self.may_be_rebuilt() && self.lanes.values().any(may)
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
        note(
            self.sum(Lane::unnamed_rows),
            "rows of runs are named by nothing: merged runs wait for a sweep, and flushes that were cut off leave some; \
             --repair deletes them",
        );
        note(
            self.sum(|lane| u64::from(lane.dropped() == Some(Dropped::TooMany))),
            "lanes keep no whole ballots, as there were too many different ones (too_many): ballots and votes are exact, \
             rounds and right answers are not shown; --repair tries again once the poll has been closed for 5 minutes",
        );
        let is_old = self.rules.settings.spec.closes_at.is_some_and(|at| self.at.millis_since(at) >= VOTES_KEPT_MS);
        note(
            u64::from(is_old) * 60,
            "days or more have passed since the poll closed: vote items may have expired, and the recount be too low",
        );
        notes
    }
}

/// The lanes whose COUNT does not have the version that assembled results were made of.
fn ahead(versions: &[u64], tallies: &BTreeMap<u8, Tally>) -> Vec<u8> {
    let version = |lane: u8| tallies.get(&lane).map_or(0, |tally| tally.count.version);
    (0..).zip(versions).filter(|(lane, assembled)| **assembled > version(*lane)).map(|(lane, _)| lane).collect()
}

#[cfg(test)]
mod tests;
