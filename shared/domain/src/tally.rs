//! Counting is set union: each vote id is applied once, whatever comes twice, late or out of order.
//!
//! A tally's truth is its HEAD: counters, and `recent`, the ids that the newest flushes counted. Ids that leave
//! `recent` are first written to SEEN rows. `plan` decides which rows and HEADs to write, in order.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    ballot::Ballot,
    change::{Change, VoteId},
    entries::{Entries, EntriesBuilder, PerSet},
    runs::{Attempt, LaneEntries, NewRun},
    time::{DAY_MS, Timestamp},
};

/// The most changes that one flush counts.
pub const FLUSH_CHANGES_MAX: usize = 8_000;
/// The most minutes in one portion, so that a replay of old votes advances in small steps.
pub const PORTION_MINUTES_MAX: usize = 256;
/// How many counted ids are read for one portion before it is committed: about two minutes of a full lane, 16 MB, 4,000
/// read units. A partition serves that in two of the seconds that a lane has per invocation. A portion has at least one
/// minute, however many ids that minute has.
pub const PORTION_IDS_MAX: usize = 1_000_000;
/// The most ids that HEAD keeps over a flush.
pub const RECENT_IDS_MAX: usize = 32;
/// The most ids in one SEEN row: 256 KB of an item's 400, and 384 KB if all revisions differ.
pub const SEEN_ROW_IDS_MAX: usize = 16_384;
/// How long a SEEN row lives after its minute, in milliseconds.
pub const SEEN_LIFE_MS: u64 = 30 * DAY_MS;
/// A vote older than this is not counted, as its SEEN row may be gone. In milliseconds.
pub const COUNTABLE_AGE_MS: u64 = 29 * DAY_MS;

// HEAD is what rows are written from, so it can't exceed a row's limit.
const _: () = assert!(RECENT_IDS_MAX + FLUSH_CHANGES_MAX <= SEEN_ROW_IDS_MAX);

/// The counter for votes that stand.
pub const BALLOTS: &str = "ballots";

/// A bag of named counters. Signed: one may be negative for a while if votes arrive out of order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// A bag with these counters.
    pub fn from_entries(entries: impl IntoIterator<Item = (String, i64)>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// Every counter that was ever changed, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Votes that stand.
    pub fn ballots(&self) -> i64 {
        self.get(BALLOTS)
    }

    /// Votes that name this option.
    pub fn option(&self, id: u8) -> i64 {
        self.get(&option_counter(id))
    }

    /// Adds another bag's counters.
    pub fn merge(&mut self, other: &Counters) {
        for (name, count) in other.iter() {
            self.add(name, count);
        }
    }

    /// The counter of this name.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn add(&mut self, name: &str, count: i64) {
        match self.0.get_mut(name) {
            Some(counter) => *counter += count,
            None => drop(self.0.insert(name.to_owned(), count)),
        }
    }
}

fn option_counter(id: u8) -> String {
    format!("o{id}")
}

/// What some changes add to a tally, before counters have names.
struct Deltas {
    ballots: i64,
    options: [i64; 128],
    entries: PerSet<EntriesBuilder>,
}

impl Deltas {
    /// What the first of these changes add, as many as one flush may count; and how many those are.
    fn of_some(changes: &[&Change], entries_bytes_max: usize) -> (Self, usize) {
        let (mut deltas, mut counted) = (Self::none(), 0);
        for change in changes.iter().take(FLUSH_CHANGES_MAX) {
            deltas.count(change.from.as_ref(), -1);
            deltas.count(change.to.as_ref(), 1);
            counted += 1;
            if deltas.entries.bytes() >= entries_bytes_max {
                break;
            }
        }
        (deltas, counted)
    }

    fn none() -> Self {
        Self { ballots: 0, options: [0; 128], entries: PerSet::default() }
    }

    fn count(&mut self, ballot: Option<&Ballot>, sign: i64) {
        let Some(ballot) = ballot else { return };
        self.ballots += sign;
        match ballot {
            Ballot::Choices(choices) => choices.iter().for_each(|id| self.count_option(id, sign)),
            Ballot::Full(full) => full.content.for_each_counted(|id| self.count_option(id, sign)),
        }
        self.entries.add_ballot(ballot, sign);
    }

    fn count_option(&mut self, id: u8, sign: i64) {
        if let Some(option) = self.options.get_mut(usize::from(id)) {
            *option += sign;
        }
    }

    fn add_to(&self, counters: &mut Counters) {
        if self.ballots != 0 {
            counters.add(BALLOTS, self.ballots);
        }
        for (id, count) in (0u8..).zip(self.options).filter(|(_, count)| *count != 0) {
            counters.add(&option_counter(id), count);
        }
    }
}

/// The counters and entries for votes that stand, each given once: what a tally must equal.
pub(super) fn sums_of(votes: impl IntoIterator<Item = Ballot>) -> (Counters, PerSet<Entries>) {
    let mut deltas = Deltas::none();
    for ballot in votes {
        deltas.count(Some(&ballot), 1);
    }
    let mut counters = Counters::default();
    deltas.add_to(&mut counters);
    (counters, deltas.entries.build())
}

/// A minute of `cast_at`, by which SEEN rows are found. Every repeat of a change has the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(Timestamp);

impl Minute {
    /// The minute that holds this `cast_at`.
    pub fn of(cast_at: Timestamp) -> Self {
        Self(cast_at.minute())
    }

    /// When the minute begins.
    pub fn start(self) -> Timestamp {
        self.0
    }
}

/// Ids by minute.
pub type Ids = BTreeMap<Minute, Vec<VoteId>>;

/// A lane's truth, always replaced whole, under its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How often it was written. 0 if never.
    pub version: u64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// The counts.
    pub counters: Counters,
    /// The entries.
    pub entries: LaneEntries,
    /// Ids that the newest flushes counted, and that no SEEN row holds yet.
    pub recent: Ids,
    /// Whether a rebuild wrote the counts from a closed poll's vote items. No message changes them any more.
    pub sealed: bool,
}

impl Head {
    /// The same HEAD, one version later. A process that has read the earlier one can't write any more.
    pub fn again(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// The copy that readers see.
    pub fn count(&self) -> Count {
        let (counters, entries) = (self.counters.clone(), self.entries.clone());
        Count { version: self.version, as_of: self.as_of, counters, entries }
    }

    fn recent_len(&self) -> usize {
        self.recent.values().map(Vec::len).sum()
    }
}

/// The readers' copy of HEAD's counters. It may lag behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// HEAD's version when it was copied. 0 if never.
    pub version: u64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// The counts.
    pub counters: Counters,
    /// The entries.
    pub entries: LaneEntries,
}

/// Ids that have left HEAD. All of them are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRow {
    /// The minute in which all were cast.
    pub minute: Minute,
    /// HEAD's version when they left it.
    pub version: u64,
    /// At most `SEEN_ROW_IDS_MAX` ids.
    pub ids: Vec<VoteId>,
}

impl SeenRow {
    /// When the row is no longer needed: changes of its minute are too old to be counted.
    pub fn expires_at(&self) -> Timestamp {
        self.minute.start().plus_millis(SEEN_LIFE_MS)
    }
}

/// Ids known to be counted, by minute: at least those in all SEEN rows of the requested minutes. Shared with the cache.
pub type Seen = HashMap<Minute, Arc<HashSet<VoteId>>>;

/// One counting step: first the rows and the run, then HEAD, if it still has the previous version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flush {
    /// Rows that must be durable before HEAD is written.
    pub spill: Vec<SeenRow>,
    /// Runs that must be durable before HEAD is written.
    pub runs: Vec<NewRun>,
    /// The HEAD to write, one version later.
    pub head: Head,
    /// How many changes it counts.
    pub counted: usize,
    /// When the oldest change was cast.
    pub oldest: Option<Timestamp>,
}

/// Groups changes by the minute in which they were cast, oldest first.
pub fn by_minute(changes: &[Change]) -> BTreeMap<Minute, Vec<Change>> {
    let mut minutes: BTreeMap<Minute, Vec<Change>> = BTreeMap::new();
    for change in changes {
        minutes.entry(Minute::of(change.cast_at)).or_default().push(change.clone());
    }
    minutes
}

/// The flushes, in order, that count every change which is neither in HEAD nor in `seen` nor twice in
/// `changes`. `seen` must have been read after `head`, and `attempt` be drawn for this call. None for a sealed lane,
/// whose counts hold all votes already.
pub fn plan(head: &Head, seen: &Seen, changes: &[Change], attempt: &Attempt) -> Vec<Flush> {
    if head.sealed {
        return Vec::new();
    }
    let mut known: HashSet<VoteId> = head.recent.values().flatten().copied().collect();
    let fresh: Vec<&Change> =
        changes.iter().filter(|change| !is_seen(seen, change) && known.insert(change.id)).collect();
    let mut flushes: Vec<Flush> = Vec::new();
    let mut rest = &fresh[..];
    while !rest.is_empty() {
        let before = flushes.last().map_or(head, |flush| &flush.head);
        let (deltas, count) = Deltas::of_some(rest, attempt.limits.flush_bytes_max);
        let (part, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        flushes.push(flush(before, part, &deltas, attempt));
        rest = others;
    }
    flushes
}

fn is_seen(seen: &Seen, change: &Change) -> bool {
    seen.get(&Minute::of(change.cast_at)).is_some_and(|ids| ids.contains(&change.id))
}

fn flush(before: &Head, changes: &[&Change], deltas: &Deltas, attempt: &Attempt) -> Flush {
    let version = before.version + 1;
    let mut counters = before.counters.clone();
    deltas.add_to(&mut counters);
    let (entries, runs) = before.entries.plus(&deltas.entries.build(), version, attempt);
    let spills = before.recent_len() > RECENT_IDS_MAX;
    let mut recent = if spills { Ids::new() } else { before.recent.clone() };
    for change in changes {
        recent.entry(Minute::of(change.cast_at)).or_default().push(change.id);
    }
    let row =
        |(minute, ids): (&Minute, &Vec<VoteId>)| SeenRow { minute: *minute, version: before.version, ids: ids.clone() };
    let spill = if spills { before.recent.iter().map(row).collect() } else { Vec::new() };
    let as_of = changes.iter().map(|change| change.cast_at).max().max(before.as_of);
    let head = Head { version, as_of, counters, entries, recent, sealed: false };
    let oldest = changes.iter().map(|change| change.cast_at).min();
    Flush { spill, runs, head, counted: changes.len(), oldest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::VoterKey,
        recount::recount,
        runs::{RUN_LIMITS, RunLimits},
        testing::{changes_of, disorder, histories, last_choices, non_zero},
    };
    use proptest::prelude::*;

    const ATTEMPT: Attempt = Attempt { random: 7, limits: RUN_LIMITS };

    /// Plans batch after batch over a table model, without a cache.
    fn count_all(batches: impl IntoIterator<Item = Vec<Change>>) -> Head {
        let portions = |batch: Vec<Change>| {
            let minutes: Vec<Vec<Change>> = by_minute(&batch).into_values().collect();
            minutes.chunks(PORTION_MINUTES_MAX).map(<[Vec<Change>]>::concat).collect::<Vec<_>>()
        };
        let (mut head, mut seen) = (Head::default(), Seen::new());
        for portion in batches.into_iter().flat_map(portions) {
            for flush in plan(&head, &seen, &portion, &ATTEMPT) {
                check_limits(&head, &flush);
                for row in flush.spill {
                    Arc::make_mut(seen.entry(row.minute).or_default()).extend(row.ids);
                }
                head = flush.head;
            }
        }
        head
    }

    fn check_limits(before: &Head, flush: &Flush) {
        assert_eq!(flush.head.version, before.version + 1);
        assert!(flush.head.as_of >= before.as_of);
        assert!(flush.head.recent_len() <= RECENT_IDS_MAX + FLUSH_CHANGES_MAX);
        assert!(flush.spill.iter().all(|row| row.ids.len() <= SEEN_ROW_IDS_MAX && row.version == before.version));
        assert!(flush.spill.len() <= PORTION_MINUTES_MAX + RECENT_IDS_MAX);
        let kept: usize = flush.head.recent_len() + flush.spill.iter().map(|row| row.ids.len()).sum::<usize>();
        assert!(kept > before.recent_len());
        assert!(kept - before.recent_len() <= FLUSH_CHANGES_MAX);
    }

    proptest! {
        #[test]
        fn any_duplication_order_and_batching_counts_what_a_recount_counts(
            histories in histories(), repeats in 0usize..200, seed in any::<u64>(), batch in 1usize..50,
        ) {
            let sent = disorder(&changes_of(&histories), repeats, seed);
            let head = count_all(sent.chunks(batch).map(<[Change]>::to_vec));
            prop_assert_eq!(non_zero(&head.counters), non_zero(&recount(last_choices(&histories))));
        }

        #[test]
        fn a_flush_never_passes_its_limits(count in 0usize..40_000, spread in 1u64..200_000, batch in 1usize..40_000) {
            let changes: Vec<Change> = (0..count).map(|number| Change {
                id: VoteId::new(&VoterKey::from_bytes((number as u128).to_be_bytes()), 1),
                cast_at: Timestamp::from_millis(1_790_000_000_000 + number as u64 * spread).unwrap(),
                from: None,
                to: Ballot::of_bits(1),
            }).collect();
            // A plan copies HEAD's ids at every flush. Batches with one or two changes would take minutes, and show
            // nothing more.
            let head = count_all(changes.chunks(batch.max(count / 100 + 1)).map(<[Change]>::to_vec));
            prop_assert_eq!(head.counters.ballots(), count as i64);
        }
    }

    #[test]
    fn the_copy_of_head_keeps_counters_that_this_version_does_not_know() {
        let before = Head { counters: Counters::from_entries([("p1>2".to_owned(), 5)]), ..Head::default() };
        let change = changes_of(&[vec![Ballot::of_bits(1)]]).remove(0);
        let flushes = plan(&before, &Seen::new(), &[change], &ATTEMPT);
        assert_eq!(
            non_zero(&flushes[0].head.counters),
            [("ballots".to_owned(), 1), ("o0".to_owned(), 1), ("p1>2".to_owned(), 5)]
        );
    }

    #[test]
    fn a_flush_ends_where_its_entries_are_enough_bytes() {
        let change = |n: u64| Change {
            id: VoteId::new(&VoterKey::from_bytes(u128::from(n).to_be_bytes()), 1),
            cast_at: Timestamp::from_millis(1_790_000_000_000).unwrap(),
            from: None,
            to: Ballot::of_ranking(&[n]),
        };
        let changes: Vec<Change> = (0..7).map(change).collect();
        let limits = RunLimits { flush_bytes_max: 6, ..RUN_LIMITS };
        let flushes = plan(&Head::default(), &Seen::new(), &changes, &Attempt { limits, ..ATTEMPT });
        assert_eq!(flushes.iter().map(|flush| flush.counted).collect::<Vec<_>>(), [3, 3, 1], "two bytes a ranking");
        assert_eq!(flushes[2].head.counters.ballots(), 7);
    }

    #[test]
    fn a_sealed_lane_counts_nothing_more() {
        let head = Head { version: 7, sealed: true, ..Head::default() };
        assert_eq!(plan(&head, &Seen::new(), &changes_of(&[vec![Ballot::of_bits(1)]]), &ATTEMPT), []);
    }

    #[test]
    fn a_row_outlives_by_a_day_what_is_counted_by_it() {
        let time = |text| Timestamp::parse(text).unwrap();
        let minute = Minute::of(time("2026-11-24T20:15:30Z"));
        assert_eq!(minute.start().plus_millis(COUNTABLE_AGE_MS), time("2026-12-23T20:15:00Z"));
        let row = SeenRow { minute, version: 1, ids: Vec::new() };
        assert_eq!(row.expires_at(), time("2026-12-24T20:15:00Z"));
    }

    /// A HEAD with no field at its default.
    fn sealed_head() -> Head {
        let change = changes_of(&[vec![Ballot::of_bits(1)]]).remove(0);
        Head { sealed: true, ..count_all([vec![change]]) }
    }

    #[test]
    fn a_head_again_differs_in_its_version_alone() {
        let head = sealed_head();
        let again = head.again();
        assert_eq!((head.version, again.version), (1, 2));
        assert_eq!(Head { version: 1, ..again }, head);
    }

    #[test]
    fn readers_see_neither_ids_nor_the_seal() {
        let head = sealed_head();
        let (version, as_of, counters) = (1, head.as_of, head.counters.clone());
        assert_eq!(head.count(), Count { version, as_of, counters, entries: head.entries.clone() });
    }

    #[test]
    fn ids_stay_in_head_while_they_are_few() {
        let mut head = Head::default();
        for number in 0..RECENT_IDS_MAX + 3 {
            let change = Change {
                id: VoteId::new(&VoterKey::from_bytes((number as u128).to_be_bytes()), 1),
                cast_at: Timestamp::from_millis(1_790_000_000_000).unwrap(),
                from: None,
                to: Ballot::of_bits(1),
            };
            let flushes = plan(&head, &Seen::new(), &[change], &ATTEMPT);
            assert_eq!(flushes[0].spill.is_empty(), number != RECENT_IDS_MAX + 1, "{number}");
            head = flushes[0].head.clone();
        }
        assert_eq!(head.recent_len(), 2);
    }
}
