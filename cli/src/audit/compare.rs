//! Compares what is counted with what is stored, id by id. Pure.
//!
//! Each lane's HEAD is read first, then its SEEN rows, then the votes. Rows with versions below HEAD's and HEAD's own
//! ids together hold exactly the ids in HEAD's counters. So every counted id must have a vote; and a vote that is not
//! counted was either on its way when HEAD was read, or is lost.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use landslide_aws::store::StoredVote;
use landslide_domain::{
    ballot::Ballot,
    change::{Change, VoteId},
    entries::{Entries, PerSet, Set},
    ids::VoterKey,
    lane::{Partition, Partitions},
    poll::Settings,
    recount::{recount, recount_whole},
    tally::{Counters, Minute, SEEN_LIFE_MS},
    time::{MINUTE_MS, Timestamp},
    vote::Vote,
};

/// The most missing votes kept per lane, to be sent again. Others are only counted.
pub const MISSING_KEPT_MAX: usize = 50_000;
/// The most examples kept per finding.
const EXAMPLES_MAX: usize = 10;
/// Rows that expire within this time may be gone before they are read. In milliseconds.
const READING_MS: u64 = 60 * MINUTE_MS;

/// An id that a lane has counted, and the lane.
pub type CountedId = (VoteId, u8);

/// Some of a poll's partitions: those equal to `remainder` modulo `modulus`, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    of: Partitions,
    remainder: u16,
    modulus: u16,
}

impl Slice {
    /// All partitions.
    pub fn all(of: Partitions) -> Self {
        Self { of, remainder: 0, modulus: 1 }
    }

    /// Two halves. `None` if there is only one partition.
    pub fn halves(self) -> Option<(Slice, Slice)> {
        let modulus = self.modulus * 2;
        let upper = Slice { remainder: self.remainder + self.modulus, modulus, ..self };
        (self.modulus < self.of.number()).then_some((Slice { modulus, ..self }, upper))
    }

    /// The slice's partitions.
    pub fn partitions(self) -> impl Iterator<Item = Partition> {
        self.of.all().filter(move |partition| self.holds(*partition))
    }

    /// Whether the voter's partition is in the slice.
    pub fn holds_voter(self, voter: &VoterKey) -> bool {
        self.holds(self.of.of(voter))
    }

    fn holds(self, partition: Partition) -> bool {
        partition.number() % self.modulus == self.remainder
    }
}

/// A slice's counted ids in the order in which votes are read: by partition, voter, revision.
pub struct CountedIds {
    partitions: Partitions,
    ids: Vec<CountedId>,
}

impl CountedIds {
    /// Sorts ids by these partitions.
    pub fn sorted(partitions: Partitions, mut ids: Vec<CountedId>) -> Self {
        ids.sort_unstable_by_key(|(id, lane)| (partitions.of(&id.voter()), *id, *lane));
        Self { partitions, ids }
    }

    /// One partition's ids.
    pub fn of(&self, partition: Partition) -> &[CountedId] {
        let place = |(id, _): &CountedId| self.partitions.of(&id.voter());
        let first = self.ids.partition_point(|id| place(id) < partition);
        let after = self.ids.partition_point(|id| place(id) <= partition);
        self.ids.get(first..after).unwrap_or_default()
    }
}

/// The times that decide about a vote that is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Votes cast from this time on may still be on their way.
    pub on_their_way_from: Timestamp,
    /// Ids of votes cast before this time may have expired from the SEEN rows. Only counters show whether they are
    /// counted.
    pub ids_known_from: Timestamp,
    /// When the poll was created. No vote is older.
    pub poll_made_at: Timestamp,
    /// Votes cast before this time are early.
    pub opens_at: Option<Timestamp>,
    /// Votes cast from this time on are late.
    pub closes_at: Option<Timestamp>,
}

impl Cut {
    /// The times for an audit that starts now, where a vote is missing if it is not counted `on_their_way_ms` after its
    /// cast.
    pub fn at(now: Timestamp, on_their_way_ms: u64, poll: &Settings) -> Self {
        let before = |millis: u64| Timestamp::EPOCH.plus_millis(now.as_millis().saturating_sub(millis));
        Self {
            on_their_way_from: before(on_their_way_ms),
            ids_known_from: before(SEEN_LIFE_MS - READING_MS),
            poll_made_at: poll.created_at,
            opens_at: poll.spec.opens_at,
            closes_at: poll.spec.closes_at,
        }
    }

    fn may_have_expired(&self, cast_at: Timestamp) -> bool {
        Minute::of(cast_at).start() < self.ids_known_from
    }
}

/// What the lanes' HEADs say about how their votes are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Lanes that count all votes, as a rebuild has sealed them.
    pub sealed: BTreeSet<u8>,
    /// Lanes that keep no entries of a multiset. Those of their votes, which may be of any number, are not summed up.
    pub without_entries: PerSet<BTreeSet<u8>>,
}

/// A number of findings, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// How many there are.
    pub number: u64,
    /// The first ones.
    pub first: Vec<String>,
}

impl Examples {
    /// Adds findings of one kind, with one example.
    pub fn add(&mut self, number: u64, example: impl FnOnce() -> String) {
        self.number += number;
        if number > 0 && self.first.len() < EXAMPLES_MAX {
            self.first.push(example());
        }
    }

    /// Adds findings from elsewhere.
    pub fn merge(&mut self, other: Examples) {
        self.number += other.number;
        self.first.extend(other.first);
        self.first.truncate(EXAMPLES_MAX);
    }
}

/// What was found in one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneFindings {
    /// Stored votes, including retracted ones.
    pub votes: u64,
    /// The sum of all stored votes.
    pub stored: Counters,
    /// The sum of counted votes: what the lane's counters must equal.
    pub counted: Counters,
    /// The entries of counted votes: what the lane's entries must equal.
    pub counted_entries: Entries,
    /// The newest counted vote's `cast_at`.
    pub newest_counted: Option<Timestamp>,
    /// Votes not counted yet that are too recent to be missing.
    pub on_their_way: u64,
    /// The sum of votes on their way.
    pub on_their_way_counters: Counters,
    /// Votes with only some revisions counted. What the earlier ones summed to is no longer stored.
    pub changing: u64,
    /// Votes whose ids may have expired. They are assumed to be counted.
    pub too_old_for_ids: u64,
    /// Revisions that are stored and not counted.
    pub missing: Examples,
    /// Missing first votes, which can be sent again.
    pub missing_first_votes: Vec<Change>,
    /// Counted ids without a vote item.
    pub without_vote: Examples,
    /// Ids that are counted more than once.
    pub twice: Examples,
}

impl LaneFindings {
    /// Adds findings from elsewhere in the lane.
    pub fn merge(&mut self, other: LaneFindings) {
        self.votes += other.votes;
        self.stored.merge(&other.stored);
        self.counted.merge(&other.counted);
        self.counted_entries.merge(&other.counted_entries);
        self.newest_counted = self.newest_counted.max(other.newest_counted);
        self.on_their_way += other.on_their_way;
        self.on_their_way_counters.merge(&other.on_their_way_counters);
        self.changing += other.changing;
        self.too_old_for_ids += other.too_old_for_ids;
        self.missing.merge(other.missing);
        self.missing_first_votes.extend(other.missing_first_votes);
        self.missing_first_votes.truncate(MISSING_KEPT_MAX);
        self.without_vote.merge(other.without_vote);
        self.twice.merge(other.twice);
    }

    /// Notes that some missing changes turned out to be counted when read again.
    pub fn found(&mut self, still_missing: Vec<Change>) {
        let missing: HashSet<VoteId> = still_missing.iter().map(|change| change.id).collect();
        let mut found = std::mem::replace(&mut self.missing_first_votes, still_missing);
        found.retain(|change| !missing.contains(&change.id));
        let number = found.len() as u64;
        self.missing.number -= number;
        self.on_their_way += number;
        self.on_their_way_counters.merge(&recount(found.iter().filter_map(|change| change.to.clone())));
        if self.missing.number == 0 {
            self.missing.first.clear();
        }
    }
}

/// What was found in some partitions: by lane, and items that are no votes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// By lane. A lane without votes and counted ids has no entry.
    pub lanes: BTreeMap<u8, LaneFindings>,
    /// Items that can't be read as votes, or are in the wrong place.
    pub unreadable: Examples,
    /// Votes cast before the poll opened.
    pub early: Examples,
    /// Votes cast after the poll closed.
    pub late: Examples,
}

impl Findings {
    /// Adds findings from elsewhere.
    pub fn merge(&mut self, other: Findings) {
        for (lane, findings) in other.lanes {
            self.lanes.entry(lane).or_default().merge(findings);
        }
        self.unreadable.merge(other.unreadable);
        self.early.merge(other.early);
        self.late.merge(other.late);
    }
}

/// The sums of a lane's votes by state, before counters have names.
#[derive(Default)]
struct Standing {
    stored: Vec<Ballot>,
    counted: Vec<Ballot>,
    on_their_way: Vec<Ballot>,
}

/// Compares one partition's votes, page by page, with its counted ids.
pub struct Comparison<'a> {
    cut: Cut,
    marks: &'a Marks,
    ids: &'a [CountedId],
    findings: Findings,
}

impl<'a> Comparison<'a> {
    /// Starts with a partition's counted ids, by voter and revision. Sealed lanes have none: they count all votes.
    pub fn new(cut: Cut, marks: &'a Marks, ids: &'a [CountedId]) -> Self {
        Self { cut, marks, ids, findings: Findings::default() }
    }

    /// Compares the next votes, in voter order.
    pub fn page(&mut self, votes: &[StoredVote]) {
        let mut standing: BTreeMap<u8, Standing> = BTreeMap::new();
        for vote in votes {
            match vote {
                Ok((voter, vote)) => self.vote(voter, vote, standing.entry(vote.lane).or_default()),
                Err(name) => self.findings.unreadable.add(1, || name.clone()),
            }
        }
        for (number, standing) in standing {
            let kept = Set::ALL.into_iter().filter(|set| !self.marks.without_entries.of(*set).contains(&number));
            let kept: Vec<Set> = kept.collect();
            let (counted, entries) = recount_whole(standing.counted);
            let lane = self.lane(number);
            lane.stored.merge(&recount(standing.stored));
            lane.counted.merge(&counted);
            kept.into_iter().for_each(|set| lane.counted_entries.merge(entries.of(set)));
            lane.on_their_way_counters.merge(&recount(standing.on_their_way));
        }
    }

    /// The findings, after the last page.
    pub fn finish(mut self) -> Findings {
        let rest = std::mem::take(&mut self.ids);
        self.without_vote(rest);
        self.findings
    }

    fn lane(&mut self, number: u8) -> &mut LaneFindings {
        self.findings.lanes.entry(number).or_default()
    }

    fn without_vote(&mut self, ids: &[CountedId]) {
        for (id, lane) in ids {
            self.lane(*lane).without_vote.add(1, || format!("{} revision {}", id.voter(), id.revision()));
        }
    }

    fn vote(&mut self, voter: &VoterKey, vote: &Vote, standing: &mut Standing) {
        self.hold_against_times(voter, vote.cast_at);
        let (before, rest) = self.ids.split_at(self.ids.partition_point(|(id, _)| id.voter() < *voter));
        let (own, rest) = rest.split_at(rest.partition_point(|(id, _)| id.voter() == *voter));
        self.ids = rest;
        self.without_vote(before);
        let counted = self.revisions(voter, vote, own);
        let is_old = self.cut.may_have_expired(vote.cast_at)
            || (counted.newest && self.cut.may_have_expired(self.cut.poll_made_at));
        let is_late = vote.cast_at >= self.cut.on_their_way_from;
        let is_sealed = self.marks.sealed.contains(&vote.lane);
        let lane = self.lane(vote.lane);
        lane.votes += 1;
        standing.stored.extend(vote.ballot.clone());
        let missing = u64::from(vote.revision) - counted.number;
        if missing == 0 || is_sealed || is_old {
            lane.too_old_for_ids += u64::from(missing > 0 && !is_sealed);
            lane.newest_counted = lane.newest_counted.max(Some(vote.cast_at));
            standing.counted.extend(vote.ballot.clone());
            return;
        }
        lane.changing += u64::from(counted.number > 0);
        if is_late {
            lane.on_their_way += 1;
            standing.on_their_way.extend(vote.ballot.clone());
            return;
        }
        lane.missing.add(missing, || format!("{voter} revision {}", vote.revision));
        if vote.revision == 1 && lane.missing_first_votes.len() < MISSING_KEPT_MAX {
            let id = VoteId::new(voter, 1);
            lane.missing_first_votes.push(Change { id, cast_at: vote.cast_at, from: None, to: vote.ballot.clone() });
        }
    }

    fn hold_against_times(&mut self, voter: &VoterKey, cast_at: Timestamp) {
        let example = || format!("{voter} at {cast_at}");
        if self.cut.opens_at.is_some_and(|opens_at| cast_at < opens_at) {
            self.findings.early.add(1, example);
        }
        if self.cut.closes_at.is_some_and(|closes_at| cast_at >= closes_at) {
            self.findings.late.add(1, example);
        }
    }

    /// Finds out which of a vote's revisions are counted, from the voter's counted ids.
    fn revisions(&mut self, voter: &VoterKey, vote: &Vote, ids: &[CountedId]) -> Revisions {
        let mut counted = Revisions::default();
        let mut before = None;
        for (id, lane) in ids {
            if before == Some((id, lane)) {
                self.lane(*lane).twice.add(1, || format!("{voter} revision {}", id.revision()));
            } else if *lane != vote.lane || !(1..=vote.revision).contains(&id.revision()) {
                self.without_vote(&[(*id, *lane)]);
            } else {
                counted.number += 1;
                counted.newest |= id.revision() == vote.revision;
            }
            before = Some((id, lane));
        }
        counted
    }
}

/// Which revisions of a vote are counted.
#[derive(Default)]
struct Revisions {
    /// How many, up to the stored one.
    number: u64,
    /// Whether the stored one is.
    newest: bool,
}

#[cfg(test)]
mod tests;
