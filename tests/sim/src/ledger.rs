//! What is true, kept from the items as they are written and from what callers were told: the promises are held
//! against this, and not against anything that the product computes.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_domain::{ballot::Ballot, entries::PerSet, runs::RunLimits};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    entries::{self, LaneEntries, Multiset},
    events::{Event, OwnerTold, VoterTold},
    facts::{Expected, Revision, Shape, Times, Voter, VoterKey, VoterRevision, counters_in, lane_key, poll_of},
    item::{Item, number, text},
    scenario::Scenario,
};

mod runs;
pub use runs::{LaneRuns, Unreadable};

/// Attributes of RULES that change without its owner's wish.
const NOT_WISHED: [&str; 5] = ["revision", "options_revision", "lanes", "lanes_doubled_at", "stamp"];

/// Everything that happened to votes and counts.
#[derive(Default)]
pub struct Ledger {
    votes: u64,
    moved_segments: u64,
    moved_slots: u64,
    polls: BTreeMap<String, PollLedger>,
    /// How often each revision was counted, lane by lane.
    counted: BTreeMap<String, FxHashMap<VoterRevision, u32>>,
    /// Lanes whose counts someone changed by hand.
    tampered: BTreeSet<String>,
    /// Lanes whose HEAD someone deleted by hand. Until they are rebuilt they may count what they had counted.
    headless: BTreeSet<String>,
    /// Lanes whose counts an operator rebuilds from the votes.
    sealed: BTreeSet<String>,
    garbage: FxHashSet<String>,
    /// Each lane's runs.
    runs: BTreeMap<String, LaneRuns>,
    /// Polls whose counts an operator has rebuilt.
    rebuilt: BTreeSet<String>,
    /// What each lane's HEAD counted when it was first sealed.
    sealed_with: BTreeMap<String, BTreeMap<String, i64>>,
    /// Whether an operator rebuilds some poll.
    may_be_rebuilt: bool,
    /// Limits of all processes that count.
    run_limits: Vec<RunLimits>,
}

/// What happened in one poll.
#[derive(Default)]
pub struct PollLedger {
    /// The oldest first.
    pub times: Vec<Times>,
    /// How often it was written.
    pub revision: u64,
    /// Invocations that changed what its owner wished.
    pub changed_by: BTreeSet<u64>,
    /// Invocations that told the owner that nothing was changed.
    pub refused_by: BTreeSet<u64>,
    /// Closings that the owner was told of.
    pub told: BTreeSet<Option<u64>>,
    /// When results that are public after the closing were first shown.
    pub published_at: Option<u64>,
    /// The record that its counts are final, once they are.
    pub final_record: Option<String>,
    /// Whether its votes can't change.
    pub is_fixed: bool,
    /// What its votes are counted in.
    pub shape: Shape,
    /// What its owner wished, as it stands: RULES without what changes by itself, and the labels.
    wishes: (Item, Option<AttributeValue>),
    /// Each voter's revisions, by key, the first first.
    voters: FxHashMap<VoterKey, Vec<Revision>>,
    /// Revisions of which a request was told that it wrote them.
    claimed: FxHashSet<VoterRevision>,
}

impl Ledger {
    /// Nothing has happened yet.
    pub fn new(scenario: &Scenario) -> Self {
        Self { run_limits: scenario.run_limits.clone(), may_be_rebuilt: scenario.rebuilds, ..Self::default() }
    }

    /// Keeps what happened.
    pub fn note(&mut self, event: &Event<'_>) {
        match *event {
            Event::RulesWritten { poll, rules, ref times, by } => {
                self.poll_mut(poll).rules_written(rules, times, by);
                if let Some(record) = rules.get("final") {
                    self.poll_mut(poll).final_record = record.as_s().ok().cloned();
                    self.rebuilt.insert(poll.to_owned());
                }
            }
            Event::OptionsWritten { poll, labels, by } => self.poll_mut(poll).options_written(labels, by),
            Event::VoteWritten { poll, voter, ref revision } => {
                self.votes += 1;
                let revisions = self.poll_mut(poll).voters.entry(voter).or_default();
                let former = revisions.last().cloned();
                revisions.push(revision.clone());
                if let Some(former) = former.filter(|former| former.ballot.is_some() && revision.ballot.is_some()) {
                    self.moved_segments += u64::from(former.places() != revision.places());
                    self.moved_slots += u64::from(former.slot() != revision.slot());
                }
            }
            Event::HeadWritten { former, head } => self.head_written(former, head),
            Event::CountWritten { count, .. } if LaneEntries::are_in(count) => {
                self.runs_mut(text(count, "poll_lane")).named_in_count(&LaneEntries::of(count));
            }
            Event::RunRowWritten { lane, row, entries } => self.runs_mut(lane).written(row, entries),
            Event::RunRowDeleted { lane, row } => self.runs_mut(lane).deleted(row),
            Event::RunRowLost { lane, row } => self.runs_mut(lane).lost(row),
            Event::HeadLost { lane } => {
                self.counted.remove(lane);
                self.headless.insert(lane.to_owned());
                if let Some(runs) = self.runs.get_mut(lane) {
                    runs.named_in_head(&LaneEntries::default());
                }
            }
            Event::Rebuilt { poll } => drop(self.rebuilt.insert(poll.to_owned())),
            Event::Tampered { lane } => drop(self.tampered.insert(lane.to_owned())),
            Event::GarbageMade { text } => drop(self.garbage.insert(text.to_owned())),
            Event::VoterTold(VoterTold { voter, answer: Ok(told), .. }) if told.is_new => {
                let revision = (voter.key, u64::from(told.vote.revision));
                self.poll_mut(&voter.poll).claimed.insert(revision);
            }
            Event::OwnerTold(OwnerTold { poll, closes_at, .. }) => drop(self.poll_mut(poll).told.insert(closes_at)),
            Event::OwnerRefused { poll, by, .. } => drop(self.poll_mut(poll).refused_by.insert(by)),
            Event::ResultsShown { poll, at } => drop(self.poll_mut(poll).published_at.get_or_insert(at)),
            _ => {}
        }
    }

    fn poll_mut(&mut self, poll: &str) -> &mut PollLedger {
        if !self.polls.contains_key(poll) {
            self.polls.insert(poll.to_owned(), PollLedger::default());
        }
        self.polls.get_mut(poll).expect("just put")
    }

    fn runs_mut(&mut self, lane: &str) -> &mut LaneRuns {
        if !self.runs.contains_key(lane) {
            self.runs.insert(lane.to_owned(), LaneRuns::default());
        }
        self.runs.get_mut(lane).expect("just put")
    }

    /// Notes what a HEAD counts that the one before did not.
    fn head_written(&mut self, former: Option<&Item>, head: &Item) {
        let lane = text(head, "poll_lane");
        if head.contains_key("sealed") {
            self.sealed.insert(lane.to_owned());
            self.sealed_with.entry(lane.to_owned()).or_insert_with(|| counters_in(head));
        }
        if LaneEntries::are_in(head) {
            self.runs_mut(lane).named_in_head(&LaneEntries::of(head));
        }
        if self.headless.contains(lane) {
            return;
        }
        let before: FxHashSet<VoterRevision> = former.into_iter().flat_map(recent_ids).collect();
        if !self.counted.contains_key(lane) {
            self.counted.insert(lane.to_owned(), FxHashMap::default());
        }
        let counted = self.counted.get_mut(lane).expect("just put");
        for id in recent_ids(head).filter(|id| !before.contains(id)) {
            *counted.entry(id).or_default() += 1;
        }
    }

    /// How many votes were stored, every revision.
    pub fn votes(&self) -> u64 {
        self.votes
    }

    /// How many votes moved to another segment, and to another slot.
    pub fn moved(&self) -> (u64, u64) {
        (self.moved_segments, self.moved_slots)
    }

    /// A poll, if any of it was ever written.
    pub fn find_poll(&self, poll: &str) -> Option<&PollLedger> {
        self.polls.get(poll)
    }

    /// A poll that was written.
    pub fn poll(&self, poll: &str) -> &PollLedger {
        &self.polls[poll]
    }

    /// All of them, by their ids.
    pub fn polls(&self) -> impl Iterator<Item = (&str, &PollLedger)> {
        self.polls.iter().map(|(poll, ledger)| (poll.as_str(), ledger))
    }

    /// What stands of a voter.
    pub fn standing(&self, voter: &Voter) -> Option<Revision> {
        self.polls.get(&voter.poll)?.voters.get(&voter.key)?.last().cloned()
    }

    /// A voter's revision, if it was ever stored.
    pub fn revision(&self, voter: &Voter, number: u64) -> Option<Revision> {
        self.polls.get(&voter.poll)?.revision(voter.key, number)
    }

    /// How often each revision was counted, by lane.
    pub fn counted(&self) -> impl Iterator<Item = (&str, &FxHashMap<VoterRevision, u32>)> {
        self.counted.iter().map(|(lane, counted)| (lane.as_str(), counted))
    }

    /// The same of one lane, if anything was counted there.
    pub fn counted_in(&self, lane: &str) -> Option<&FxHashMap<VoterRevision, u32>> {
        self.counted.get(lane)
    }

    /// Whether someone changed a lane's counts by hand.
    pub fn is_tampered(&self, lane: &str) -> bool {
        self.tampered.contains(lane)
    }

    /// Whether someone deleted a lane's HEAD by hand, so that it begins again.
    pub fn is_headless(&self, lane: &str) -> bool {
        self.headless.contains(lane)
    }

    /// Whether an operator rebuilds a lane's counts.
    pub fn is_sealed(&self, lane: &str) -> bool {
        self.sealed.contains(lane)
    }

    /// What the lanes of a poll counted when they were sealed to be made final. `None` if an operator may have changed
    /// them before.
    pub fn sealed_with(&self, poll: &str) -> Option<BTreeMap<&str, &BTreeMap<String, i64>>> {
        let of_poll = |(lane, _): &(&String, _)| poll_of(lane) == poll;
        let lanes = self.sealed_with.iter().filter(of_poll).map(|(lane, counters)| (lane.as_str(), counters));
        (!self.may_be_rebuilt).then(|| lanes.collect())
    }

    /// A lane's runs, if it ever had entries.
    pub fn runs_of(&self, lane: &str) -> Option<&LaneRuns> {
        self.runs.get(lane)
    }

    /// All lanes that ever had entries, with their runs.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &LaneRuns)> {
        self.runs.iter().map(|(lane, runs)| (lane.as_str(), runs))
    }

    /// Whether an operator has rebuilt a poll's counts.
    pub fn is_rebuilt(&self, poll: &str) -> bool {
        self.rebuilt.contains(poll)
    }

    /// The least of a limit among the processes that count.
    pub fn least_limit(&self, limit: impl Fn(&RunLimits) -> usize) -> usize {
        self.run_limits.iter().map(limit).min().unwrap_or(usize::MAX)
    }

    /// Whether a text is one that nobody can read.
    pub fn is_garbage(&self, text: &str) -> bool {
        self.garbage.contains(text)
    }

    /// All such texts.
    pub fn garbage(&self) -> impl Iterator<Item = &str> {
        self.garbage.iter().map(String::as_str)
    }

    /// What each lane must say, from the votes alone.
    pub fn recount(&self) -> BTreeMap<String, Expected> {
        let mut recount = BTreeMap::new();
        for (poll, ledger) in &self.polls {
            let mut lanes = ledger.by_lane(|_| Recount::default());
            for revisions in ledger.voters.values() {
                for revision in revisions {
                    let lane = lanes.get_mut(&revision.lane).expect("a lane of a revision");
                    lane.newest = revision.cast_at.max(lane.newest);
                }
                if let Some(standing) = revisions.last() {
                    lanes.get_mut(&standing.lane).expect("a lane of a revision").count(standing);
                }
            }
            recount.extend(lanes.into_iter().map(|(lane, votes)| (lane_key(poll, lane), votes.expected())));
        }
        recount
    }
}

impl PollLedger {
    fn rules_written(&mut self, rules: &Item, times: &Times, by: u64) {
        self.is_fixed |= text(rules, "vote_change") == "never";
        self.shape = Shape::of(rules);
        self.revision = number(rules, "revision");
        let mut wished = rules.clone();
        wished.retain(|name, _| !NOT_WISHED.contains(&name.as_str()));
        if wished != self.wishes.0 {
            self.wishes.0 = wished;
            self.changed_by.insert(by);
        }
        self.times.push(times.clone());
    }

    fn options_written(&mut self, labels: Option<&AttributeValue>, by: u64) {
        if labels != self.wishes.1.as_ref() {
            self.wishes.1 = labels.cloned();
            self.changed_by.insert(by);
        }
    }

    /// Its times as they stand.
    pub fn times_now(&self) -> &Times {
        self.times.last().expect("a poll has times")
    }

    /// Its times since a time, the one that held then included.
    pub fn times_since(&self, since: u64) -> &[Times] {
        let first = self.times.iter().rposition(|times| times.from <= since).unwrap_or(0);
        &self.times[first..]
    }

    /// Its pauses that stood at some time since then: from when on each was to hold, and when it was no more.
    pub fn pauses_since(&self, since: u64) -> impl Iterator<Item = (u64, Option<u64>)> {
        let times = self.times_since(since);
        times.iter().enumerate().filter_map(|(place, held)| {
            let ends = times[place..].iter().find(|later| later.paused_from != held.paused_from);
            Some((held.paused_from?, ends.map(|ends| ends.from)))
        })
    }

    /// A revision of a voter, if it was ever stored.
    pub fn revision(&self, voter: VoterKey, number: u64) -> Option<Revision> {
        self.voters.get(&voter)?.get((number as usize).checked_sub(1)?).cloned()
    }

    /// How many revisions a voter has stored.
    pub fn revisions_of(&self, voter: VoterKey) -> u64 {
        self.voters.get(&voter).map_or(0, |revisions| revisions.len() as u64)
    }

    /// Whether a request was told that it wrote a revision.
    pub fn is_claimed(&self, revision: VoterRevision) -> bool {
        self.claimed.contains(&revision)
    }

    /// Every revision with its voter's key.
    pub fn revisions(&self) -> impl Iterator<Item = (VoterKey, &Revision)> {
        self.voters.iter().flat_map(|(key, revisions)| revisions.iter().map(|revision| (*key, revision)))
    }

    /// Something for each lane in which there are votes.
    pub fn by_lane<T>(&self, of: impl Fn(u64) -> T) -> BTreeMap<u64, T> {
        let lanes: BTreeSet<u64> = self.revisions().map(|(_, revision)| revision.lane).collect();
        lanes.into_iter().map(|lane| (lane, of(lane))).collect()
    }
}

/// What the votes of a lane add up to.
struct Recount {
    newest: u64,
    newest_standing: u64,
    ballots: i64,
    options: [i64; 128],
    entries: PerSet<Multiset>,
}

impl Default for Recount {
    fn default() -> Self {
        Self { newest: 0, newest_standing: 0, ballots: 0, options: [0; 128], entries: PerSet::default() }
    }
}

impl Recount {
    fn count(&mut self, standing: &Revision) {
        self.newest_standing = standing.cast_at.max(self.newest_standing);
        let Some(ballot) = &standing.ballot else { return };
        self.ballots += 1;
        let options = match ballot {
            Ballot::Choices(choices) => choices.iter().collect(),
            Ballot::Full(full) => entries::options_of(&full.content),
        };
        options.iter().for_each(|id| self.options[usize::from(*id)] += 1);
        entries::keys_of(ballot).map(|set, keys| {
            keys.into_iter().for_each(|key| *self.entries.of_mut(set).entry(key).or_default() += 1);
        });
    }

    fn expected(self) -> Expected {
        let options = self.options.iter().enumerate().map(|(id, count)| (format!("o{id}"), *count));
        let counters = options.chain([("ballots".to_owned(), self.ballots)]).filter(|(_, count)| *count != 0).collect();
        let Self { entries, newest, newest_standing, .. } = self;
        Expected { counters, entries, newest, newest_standing }
    }
}

/// Voters and revisions that a HEAD holds.
fn recent_ids(head: &Item) -> impl Iterator<Item = VoterRevision> {
    let buckets = head["recent"].as_m().expect("a map").values();
    buckets.flat_map(|ids| groups_of_ids(ids.as_b().expect("bytes").as_ref())).flat_map(|(revision, voters)| {
        let (voters, _) = voters.as_chunks();
        voters.iter().map(move |voter| (u128::from_be_bytes(*voter), u64::from(revision)))
    })
}

/// Each revision in an attribute of ids, and the voters that have it.
fn groups_of_ids(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    iter::from_fn(move || {
        let (numbers, rest) = bytes.split_first_chunk::<8>()?;
        let [revision, voters] = [0, 4].map(|at| u32::from_be_bytes(numbers[at..at + 4].try_into().expect("four")));
        let (voters, rest) = rest.split_at(16 * voters as usize);
        bytes = rest;
        Some((revision, voters))
    })
}
