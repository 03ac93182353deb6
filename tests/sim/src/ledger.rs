//! What is true, kept from the items as they are written and from what callers were told: the promises are held
//! against this, and not against anything that the product computes.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt, iter,
};

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_domain::lease::CONFIG_LEASE_MS;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    database::{Item, number},
    world::SKEW_MS,
};

/// Attributes of RULES that change without its owner's wish.
const NOT_WISHED: [&str; 4] = ["revision", "options_revision", "lanes", "lanes_doubled_at"];

/// A voter of a poll, as the table has them.
#[derive(Clone, Debug)]
pub struct Voter {
    /// The poll's id.
    pub poll: String,
    /// 16 bytes.
    pub key: u128,
}

/// A revision of a vote that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// 1, 2, …
    pub number: u64,
    /// The options, a bit each; none: taken back.
    pub choices: Option<u128>,
    /// In milliseconds since the epoch.
    pub cast_at: u64,
    /// The lane that is to count it.
    pub lane: u64,
    /// When it landed, in milliseconds since the epoch.
    pub stored_at: u64,
}

/// How long before its closing, in true time, a change must have landed to be felt everywhere: the lease of one whose
/// clock is ahead and who read the poll just before. In milliseconds.
const PROPAGATION_MS: u64 = CONFIG_LEASE_MS + SKEW_MS;

/// A poll's times, from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it landed, in milliseconds since the epoch.
    pub from: u64,
    /// When the poll opens.
    pub opens_at: Option<u64>,
    /// When it closes.
    pub closes_at: Option<u64>,
    /// How many lanes count it.
    pub lanes: u64,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Which, such as `C1`.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

type VoterRevision = (u128, u64);

/// Everything that happened to votes and counts.
#[derive(Default)]
pub struct Ledger {
    /// Votes stored, every revision.
    pub votes: Cell<u64>,
    polls: RefCell<BTreeMap<String, PollLedger>>,
    /// How often each was counted, lane by lane.
    counted: RefCell<BTreeMap<String, FxHashMap<VoterRevision, u32>>>,
    /// Lanes whose counts somebody changed by hand.
    tampered: RefCell<BTreeSet<String>>,
    /// Lanes whose counts an operator makes anew from the votes.
    sealed: RefCell<BTreeSet<String>>,
    garbage: RefCell<FxHashSet<String>>,
    breaches: RefCell<Vec<Breach>>,
    lost: Cell<u64>,
    double: Cell<u64>,
}

/// What happened in one poll.
#[derive(Default)]
struct PollLedger {
    /// The oldest first.
    times: Vec<Times>,
    /// How often it was written.
    revision: u64,
    /// What its owner wished, as it stands: RULES without what changes by itself, and the labels.
    wishes: (Item, Option<AttributeValue>),
    /// Invocations that changed any of it.
    changed_by: BTreeSet<u64>,
    /// Invocations that told the owner that nothing was changed.
    refused_by: BTreeSet<u64>,
    /// Closings that the owner was told of.
    told: BTreeSet<Option<u64>>,
    /// When results that are public after the closing were first shown.
    published_at: Option<u64>,
    /// Whether its votes can't change.
    is_fixed: bool,
    /// Each voter's revisions, by key, the first first.
    voters: FxHashMap<u128, Vec<Revision>>,
    /// Revisions of which a request was told that it wrote them.
    claimed: FxHashSet<VoterRevision>,
}

/// How a run came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Stored revisions that were not counted.
    pub lost: u64,
    /// Times that a revision was counted beyond the first, or without being stored.
    pub double: u64,
    /// Whatever was promised and not kept.
    pub breaches: Vec<Breach>,
}

impl Ledger {
    /// Notes a broken promise.
    pub fn breach(&self, promise: &'static str, what: impl Into<String>) {
        self.breaches.borrow_mut().push(Breach { promise, what: what.into() });
    }

    /// Notes a poll's item RULES that an invocation wrote.
    pub fn poll_landed(&self, item: &Item, at: u64, by: u64) {
        let poll = text(item, "poll_id");
        let mut polls = self.polls.borrow_mut();
        let ledger = polls.entry(poll.to_owned()).or_default();
        ledger.is_fixed |= text(item, "vote_change") == "never";
        ledger.revision = number(item, "revision");
        let mut wished = item.clone();
        wished.retain(|name, _| !NOT_WISHED.contains(&name.as_str()));
        if wished != ledger.wishes.0 {
            ledger.wishes.0 = wished;
            ledger.changed_by.insert(by);
        }
        let time = |name: &str| item.contains_key(name).then(|| number(item, name));
        let lanes = number(item, "lanes");
        let times = Times { from: at, opens_at: time("opens_at"), closes_at: time("closes_at"), lanes };
        let before = ledger.times.last();
        if before.is_some_and(|before| before.lanes > lanes) {
            self.breach("C3", format!("{poll} has {lanes} lanes from {at} on, which are fewer than before"));
        }
        if let Some(was) = before.and_then(|before| before.closes_at)
            && was <= at + SKEW_MS
            && times.closes_at.is_none_or(|closes_at| closes_at > was)
        {
            let now = times.closes_at;
            self.breach("C6", format!("{poll} closed at {was}, and at {at} that became {now:?}: it opened again"));
        }
        if let (Some(before), Some(closes_at)) = (before, times.closes_at)
            && before.closes_at.is_none_or(|before| closes_at < before)
            && closes_at < at + PROPAGATION_MS
            // Who remembers a poll that is not open yet reads it again at its opening.
            && before.opens_at.is_none_or(|opens_at| opens_at <= at + SKEW_MS)
        {
            self.breach(
                "C6",
                format!("{poll} closes at {closes_at}, which landed at {at}, too late to be felt everywhere"),
            );
        }
        ledger.times.push(times);
    }

    /// Notes a poll's item OPTIONS that an invocation wrote.
    pub fn labels_landed(&self, item: &Item, by: u64) {
        let mut polls = self.polls.borrow_mut();
        let ledger = polls.entry(text(item, "poll_id").to_owned()).or_default();
        let labels = item.get("labels").cloned();
        if labels != ledger.wishes.1 {
            ledger.wishes.1 = labels;
            ledger.changed_by.insert(by);
        }
    }

    /// Notes that an invocation told the poll's owner that nothing was changed.
    pub fn refused(&self, poll: &str, by: u64) {
        self.polls.borrow_mut().get_mut(poll).expect("an owner's poll").refused_by.insert(by);
    }

    /// Notes a closing that the owner was told of.
    pub fn told_of_closing(&self, poll: &str, closes_at: Option<u64>) {
        self.polls.borrow_mut().get_mut(poll).expect("an owner's poll").told.insert(closes_at);
    }

    /// Notes that results are shown which are public once the poll is closed.
    pub fn published(&self, poll: &str, at: u64) {
        self.polls.borrow_mut().get_mut(poll).expect("a poll").published_at.get_or_insert(at);
    }

    /// Whether such results were shown before a time.
    pub fn was_published_before(&self, poll: &str, at: u64) -> bool {
        self.polls.borrow()[poll].published_at.is_some_and(|published_at| published_at < at)
    }

    /// Notes a vote's item that landed.
    pub fn vote_landed(&self, item: &Item, at: u64) {
        let (poll, key, revision) = read_vote(item, at);
        self.votes.set(self.votes.get() + 1);
        let mut polls = self.polls.borrow_mut();
        let ledger = polls.get_mut(poll).expect("a vote's poll");
        let lanes = ledger.last_times().lanes;
        if revision.lane >= lanes {
            self.breach("C3", format!("a vote of lane {} in a poll of {lanes} lanes", revision.lane));
        }
        let revisions = ledger.voters.entry(key).or_default();
        if revision.number != revisions.len() as u64 + 1 {
            let before = revisions.len();
            self.breach("C1", format!("{poll} {key:032x} has revision {} after {before}", revision.number));
        }
        if !revisions.is_empty() && ledger.is_fixed {
            self.breach("C1", format!("{poll} {key:032x} has a second vote, and votes do not change there"));
        }
        revisions.push(revision);
    }

    /// Notes a HEAD that replaced another: what it counts anew.
    pub fn head_landed(&self, former: Option<&Item>, head: &Item) {
        let lane = text(head, "poll_lane");
        if head.contains_key("sealed") {
            self.sealed.borrow_mut().insert(lane.to_owned());
        }
        let before: FxHashSet<VoterRevision> = former.into_iter().flat_map(recent_ids).collect();
        let mut lanes = self.counted.borrow_mut();
        if !lanes.contains_key(lane) {
            lanes.insert(lane.to_owned(), FxHashMap::default());
        }
        let counted = lanes.get_mut(lane).expect("just put");
        for id in recent_ids(head).filter(|id| !before.contains(id)) {
            *counted.entry(id).or_default() += 1;
        }
    }

    /// Notes that somebody changes a lane's counts by hand, which may go down when they are made right.
    pub fn tampered(&self, lane: &str) {
        self.tampered.borrow_mut().insert(lane.to_owned());
    }

    /// Notes a COUNT that replaced another.
    pub fn count_landed(&self, former: Option<&Item>, count: &Item) {
        let Some(former) = former else { return };
        let lane = text(count, "poll_lane");
        if as_of(former) > as_of(count) {
            self.breach("C4", format!("as_of of {lane} went down"));
        }
        if self.tampered.borrow().contains(lane) {
            return;
        }
        if self.polls.borrow().get(poll_of(lane)).is_some_and(|ledger| ledger.is_fixed) {
            let now: BTreeMap<&str, i64> = counters(count).collect();
            for (name, before) in counters(former).filter(|(name, before)| now.get(name).unwrap_or(&0) < before) {
                self.breach("C5", format!("{name} of {lane} went down from {before} to {:?}", now.get(name)));
            }
        }
    }

    /// Notes a text that nobody can read, which must end in a dead-letter queue.
    pub fn garbage(&self, text: &str) {
        self.garbage.borrow_mut().insert(text.to_owned());
    }

    /// Whether a text is one that nobody can read.
    pub fn is_garbage(&self, text: &str) -> bool {
        self.garbage.borrow().contains(text)
    }

    /// Holds all garbage against what was put aside.
    pub fn check_garbage(&self, is_put_aside: impl Fn(&str) -> bool) {
        for text in self.garbage.borrow().iter().filter(|text| !is_put_aside(text)) {
            self.breach("C7", format!("{text:?} can't be read and was not put aside"));
        }
    }

    /// What stands of a voter.
    pub fn standing(&self, voter: &Voter) -> Option<Revision> {
        self.polls.borrow().get(&voter.poll)?.voters.get(&voter.key)?.last().copied()
    }

    /// A voter's revision, if it was ever stored.
    pub fn revision(&self, voter: &Voter, number: u64) -> Option<Revision> {
        self.polls.borrow().get(&voter.poll)?.revision(voter.key, number)
    }

    /// Notes that a request was told that it wrote a revision; whether it is the first that was.
    pub fn claim(&self, voter: &Voter, number: u64) -> bool {
        let mut polls = self.polls.borrow_mut();
        polls.get_mut(&voter.poll).is_some_and(|ledger| ledger.claimed.insert((voter.key, number)))
    }

    /// A poll's times since a time, the one that held then included.
    pub fn times_since(&self, poll: &str, since: u64) -> Vec<Times> {
        let polls = self.polls.borrow();
        let all = &polls[poll].times;
        let first = all.iter().rposition(|times| times.from <= since).unwrap_or(0);
        all[first..].to_vec()
    }

    /// A poll's revision as it stands.
    pub fn revision_of_poll(&self, poll: &str) -> u64 {
        self.polls.borrow()[poll].revision
    }

    /// A poll's times as they stand.
    pub fn times_now(&self, poll: &str) -> Times {
        self.polls.borrow()[poll].last_times().clone()
    }

    /// Holds all that was stored against all that was counted. `lanes` are the items HEAD and COUNT, lane by lane.
    pub fn hold_against<'a>(&self, lanes: impl Iterator<Item = (&'a Item, Option<&'a Item>)>) {
        self.check_times();
        self.check_what_owners_were_told();
        self.check_each_is_counted_once();
        let mut expected = self.recount();
        for (head, count) in lanes {
            let lane = text(head, "poll_lane");
            let expected = expected.remove(lane).unwrap_or_default();
            self.check_lane(lane, &expected, head);
            match count {
                Some(count) => self.check_lane(lane, &expected, count),
                None => self.breach("C3", format!("lane {lane} has no COUNT")),
            }
        }
        for lane in expected.keys() {
            self.breach("C3", format!("lane {lane} has votes and no HEAD"));
        }
    }

    /// What it all came to.
    pub fn verdict(&self) -> Verdict {
        let mut breaches = self.breaches.borrow().clone();
        breaches.sort();
        breaches.dedup();
        Verdict { lost: self.lost.get(), double: self.double.get(), breaches }
    }

    fn check_each_is_counted_once(&self) {
        self.lost.set(self.uncounted());
        self.double.set(self.overcounted());
    }

    fn check_what_owners_were_told(&self) {
        for (poll, ledger) in self.polls.borrow().iter() {
            let had: BTreeSet<Option<u64>> = ledger.times.iter().map(|times| times.closes_at).collect();
            for told in ledger.told.difference(&had) {
                self.breach(
                    "C6",
                    format!("the owner of {poll} was told that it closes at {told:?}, which it never did"),
                );
            }
            for by in ledger.refused_by.intersection(&ledger.changed_by) {
                self.breach(
                    "C7",
                    format!("the owner of {poll} was refused by invocation {by}, which changed the poll"),
                );
            }
        }
    }

    fn check_times(&self) {
        for (poll, ledger) in self.polls.borrow().iter() {
            let last = ledger.last_times();
            for (key, revision) in ledger.revisions() {
                if last.closes_at.is_some_and(|closes_at| revision.cast_at >= closes_at) {
                    let closing = last.closes_at;
                    self.breach("C6", format!("{poll} {key:032x} {revision:?} came after the closing at {closing:?}"));
                }
                if last.opens_at.is_some_and(|opens_at| revision.cast_at < opens_at) {
                    let opening = last.opens_at;
                    self.breach("C6", format!("{poll} {key:032x} {revision:?} came before the opening at {opening:?}"));
                }
            }
        }
    }

    fn uncounted(&self) -> u64 {
        let (lanes, sealed) = (self.counted.borrow(), self.sealed.borrow());
        let mut lost = 0;
        for (poll, ledger) in self.polls.borrow().iter() {
            let by_lane = ledger.by_lane(|lane| {
                let key = lane_key(poll, lane);
                (lanes.get(&key), sealed.contains(&key))
            });
            for (key, revision) in ledger.revisions() {
                let (counted, is_sealed) = by_lane[&revision.lane];
                // A sealed lane has the votes' counts without their ids: whether all are in is seen by its counters.
                if !is_sealed && counted.is_none_or(|counted| !counted.contains_key(&(key, revision.number))) {
                    lost += 1;
                    self.breach("C2", format!("lost: {poll} {key:032x} {revision:?}"));
                }
            }
        }
        lost
    }

    fn overcounted(&self) -> u64 {
        let mut double = 0;
        let polls = self.polls.borrow();
        for (lane, counted) in self.counted.borrow().iter() {
            let (poll, number) = lane.split_once('#').expect("a poll and a lane");
            for ((key, revision), times) in counted {
                let stored = polls.get(poll).and_then(|ledger| ledger.revision(*key, *revision));
                let is_stored = stored.is_some_and(|stored| number.parse() == Ok(stored.lane));
                let beyond = if is_stored { times - 1 } else { *times };
                if beyond > 0 {
                    double += u64::from(beyond);
                    let what = format!("{key:032x} revision {revision} was counted {times} times in {lane}");
                    self.breach("C3", format!("double: {what}"));
                }
            }
        }
        double
    }

    /// What each lane must say, from the votes alone.
    fn recount(&self) -> BTreeMap<String, Expected> {
        let mut recount = BTreeMap::new();
        for (poll, ledger) in self.polls.borrow().iter() {
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

    fn check_lane(&self, lane: &str, expected: &Expected, item: &Item) {
        let kind = text(item, "item");
        let stored: BTreeMap<String, i64> =
            counters(item).filter(|(_, count)| *count != 0).map(|(name, count)| (name.to_owned(), count)).collect();
        if stored != expected.counters {
            self.breach("C3", format!("{kind} of {lane} says {stored:?}, a recount {:?}", expected.counters));
        }
        // A rebuild knows of former revisions only what HEAD says.
        let oldest = if self.sealed.borrow().contains(lane) { expected.newest_standing } else { expected.newest };
        let stored = as_of(item);
        if !(oldest..=expected.newest).contains(&stored) {
            self.breach("C4", format!("{kind} of {lane} is as of {stored}, its newest vote {}", expected.newest));
        }
    }
}

impl PollLedger {
    fn last_times(&self) -> &Times {
        self.times.last().expect("a poll has times")
    }

    fn revision(&self, key: u128, number: u64) -> Option<Revision> {
        self.voters.get(&key)?.get((number as usize).checked_sub(1)?).copied()
    }

    /// Every revision with its voter's key.
    fn revisions(&self) -> impl Iterator<Item = (u128, &Revision)> {
        self.voters.iter().flat_map(|(key, revisions)| revisions.iter().map(|revision| (*key, revision)))
    }

    /// Something for each lane in which there are votes.
    fn by_lane<T>(&self, of: impl Fn(u64) -> T) -> BTreeMap<u64, T> {
        let lanes: BTreeSet<u64> = self.revisions().map(|(_, revision)| revision.lane).collect();
        lanes.into_iter().map(|lane| (lane, of(lane))).collect()
    }
}

/// What a lane must say.
#[derive(Default)]
struct Expected {
    /// By name, those that are not 0.
    counters: BTreeMap<String, i64>,
    /// The newest `cast_at` of all revisions.
    newest: u64,
    /// Of those that stand.
    newest_standing: u64,
}

/// What the votes of a lane come to.
struct Recount {
    newest: u64,
    newest_standing: u64,
    ballots: i64,
    options: [i64; 128],
}

impl Default for Recount {
    fn default() -> Self {
        Self { newest: 0, newest_standing: 0, ballots: 0, options: [0; 128] }
    }
}

impl Recount {
    fn count(&mut self, standing: &Revision) {
        self.newest_standing = standing.cast_at.max(self.newest_standing);
        let Some(mut rest) = standing.choices else { return };
        self.ballots += 1;
        while rest != 0 {
            self.options[rest.trailing_zeros() as usize] += 1;
            rest &= rest - 1;
        }
    }

    fn expected(&self) -> Expected {
        let options = self.options.iter().enumerate().map(|(id, count)| (format!("o{id}"), *count));
        let counters = options.chain([("ballots".to_owned(), self.ballots)]).filter(|(_, count)| *count != 0).collect();
        Expected { counters, newest: self.newest, newest_standing: self.newest_standing }
    }
}

/// The partition key of a lane's tally.
fn lane_key(poll: &str, lane: u64) -> String {
    format!("{poll}#{lane}")
}

/// The time of the newest vote in a HEAD or COUNT; 0 before the first.
fn as_of(item: &Item) -> u64 {
    if item.contains_key("as_of") { number(item, "as_of") } else { 0 }
}

/// The poll of a key that begins with it.
fn poll_of(key: &str) -> &str {
    key.split('#').next().unwrap_or_default()
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().expect("a string")
}

/// The poll, the voter's key and the revision.
fn read_vote(item: &Item, at: u64) -> (&str, u128, Revision) {
    let key = u128::from_str_radix(text(item, "voter"), 16).expect("hex digits");
    let choices = item.get("choices").map(|list| {
        list.as_l().expect("a list").iter().fold(0, |choices, id| {
            let bit = 1 << id.as_n().expect("a number").parse::<u32>().expect("an option's id");
            assert_eq!(choices & bit, 0, "an option that is named twice");
            choices | bit
        })
    });
    let revision = Revision {
        number: number(item, "revision"),
        choices,
        cast_at: number(item, "cast_at"),
        lane: number(item, "lane"),
        stored_at: at,
    };
    (poll_of(text(item, "poll_partition")), key, revision)
}

/// Voters and revisions that a HEAD holds.
fn recent_ids(head: &Item) -> impl Iterator<Item = (u128, u64)> {
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

/// Everything in a HEAD or COUNT that is a counter.
fn counters(item: &Item) -> impl Iterator<Item = (&str, i64)> {
    item.iter().filter(|(name, _)| !["version", "as_of"].contains(&name.as_str())).filter_map(|(name, value)| {
        let digits = value.as_n().ok()?;
        Some((name.as_str(), digits.parse().expect("a whole number")))
    })
}
