//! Recomputes a closed poll's counts from its votes, where messages can't repair them.
//!
//! First, every lane is sealed in a new version of HEAD. From then on no message changes it, and a process that read
//! HEAD before fails at its version. Then the votes are read, and each lane's counts are replaced by the recount, still
//! sealed. Each step is one conditional write that recognises an earlier try's work, so a rebuild that was cut off
//! starts from the first step. All votes must have landed before they are read: a vote that lands later is not counted
//! until the next rebuild.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::Clock,
    store::{DynamoDb, LaneStore, LaneStoreError, StoreError, StoredVote, VoteStore},
};
use landslide_domain::{
    ballot::Ballot,
    due::LANDED_MS,
    entries::{Entries, PerSet},
    lane::{LaneKey, Partition},
    poll::{Off, Rules, Settings, VoteChange},
    recount::recount_whole,
    runs::{Attempt, RunLimits},
    tally::{Count, Counters, Head, Ids},
    time::{DAY_MS, Timestamp},
};

/// The shortest time that vote items are kept after closing.
pub const VOTES_KEPT_MS: u64 = 60 * DAY_MS;
/// Gap left above a COUNT that is ahead of HEAD, so that the new version can't equal one the lost HEAD had.
const VERSIONS_PASSED: u64 = 1_000_000;
/// How often a lane is tried while others write it.
const ATTEMPTS_MAX: u32 = 20;
/// The pause before the n-th further attempt, times n.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a call is made again while its table does not answer, beyond the client's own attempts. A step reads thousands
/// of pages: if one that is throttled for a moment ended it, a large poll in a busy table would never be done.
const PATIENCE: u32 = 4;

/// Whether the poll closed long enough ago for its last votes to have landed, and recently enough for its vote items to
/// be there.
pub fn may_be_rebuilt(settings: &Settings, now: Timestamp) -> bool {
    settings.spec.closes_at.is_some_and(|closed_at| (LANDED_MS..VOTES_KEPT_MS).contains(&now.millis_since(closed_at)))
}

/// Why a poll was not rebuilt. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A lane could not be sealed or written.
    #[error(transparent)]
    Tallies(#[from] LaneStoreError),
    /// The votes could not be read.
    #[error(transparent)]
    Votes(#[from] StoreError),
}

/// What a lane's votes sum to.
#[derive(Clone, Debug, Default)]
pub struct LaneRecount {
    /// The counts.
    pub counters: Counters,
    /// The entries.
    pub entries: PerSet<Entries>,
    /// When the newest was cast.
    pub newest: Option<Timestamp>,
}

impl LaneRecount {
    /// Adds other votes of the lane.
    pub fn merge(&mut self, other: Self) {
        self.counters.merge(&other.counters);
        self.entries.merge(&other.entries);
        self.newest = self.newest.max(other.newest);
    }
}

/// By lane. A lane without votes may have no entry.
pub type Recount = BTreeMap<u8, LaneRecount>;

/// The lanes of a poll, each with its HEAD, which no message changes any more.
pub type Sealed = Vec<(LaneKey, Head)>;

/// What stands after a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The votes that stand.
    pub ballots: i64,
    /// Each lane's version.
    pub versions: Vec<u64>,
}

/// A rebuild's stores and limits.
pub struct Rebuild<'a, S, D, C> {
    /// The lanes' tallies.
    pub tallies: &'a S,
    /// The votes.
    pub votes: &'a VoteStore<D>,
    /// The clock that pauses between tries.
    pub clock: C,
    /// How many partitions are read at once.
    pub partitions_at_once: usize,
    /// How entries are spread over HEAD and runs.
    pub run_limits: RunLimits,
}

impl<S: LaneStore, D: DynamoDb, C: Clock> Rebuild<'_, S, D, C> {
    /// Seals all lanes, recounts the votes, and writes the result. The poll must allow a rebuild (`may_be_rebuilt`).
    /// Continues an earlier try that was cut off. Calls `is_read` once for each partition read.
    pub async fn run(&self, poll: &Rules, is_read: impl Fn()) -> Result<(), RebuildError> {
        let sealed = self.seal_all(poll).await?;
        let recount = self.recount(poll, poll.partitions.all(), is_read).await?;
        self.replace_all(poll, sealed, recount).await.map(drop)
    }

    /// Seals all lanes that are not sealed yet.
    pub async fn seal_all(&self, poll: &Rules) -> Result<Sealed, LaneStoreError> {
        let mut sealed = Vec::new();
        for lane in 0..poll.lanes {
            let lane = LaneKey { poll: poll.settings.poll_id.clone(), lane };
            let head = try_again(&self.clock, async || seal(self.tallies, &lane).await).await?;
            sealed.push((lane, head));
        }
        Ok(sealed)
    }

    /// Sums up the votes of some partitions. Calls `is_read` once for each.
    pub async fn recount(
        &self,
        poll: &Rules,
        partitions: impl Iterator<Item = Partition>,
        is_read: impl Fn(),
    ) -> Result<Recount, StoreError> {
        let partitions = stream::iter(partitions).map(|partition| self.recount_partition(poll, partition));
        let add = async |mut all, partition| {
            is_read();
            merge(&mut all, partition);
            Ok(all)
        };
        partitions.buffer_unordered(self.partitions_at_once).try_fold(Recount::new(), add).await
    }

    /// Replaces the counts of sealed lanes by a recount of all votes, which were read after the lanes were sealed.
    pub async fn replace_all(
        &self,
        poll: &Rules,
        sealed: Sealed,
        mut recount: Recount,
    ) -> Result<Rebuilt, RebuildError> {
        let mut rebuilt = Rebuilt::default();
        for (lane, head) in sealed {
            let recounted = recount.remove(&lane.lane).unwrap_or_default();
            let count = patiently(&self.clock, async || self.tallies.read_count(&lane).await).await?;
            let as_of = newest_counted(poll.settings.spec.vote_change, recounted.newest, head.as_of.max(count.as_of));
            rebuilt.ballots += recounted.counters.ballots();
            // No second try: a conflict is another rebuild, whose recount may be a later one.
            let version =
                replace(self.tallies, &self.clock, &lane, (&head, &count), recounted, as_of, self.run_limits).await?;
            rebuilt.versions.push(version);
        }
        Ok(rebuilt)
    }

    async fn recount_partition(&self, poll: &Rules, partition: Partition) -> Result<Recount, StoreError> {
        patiently(&self.clock, async || {
            let mut all = Recount::new();
            self.votes.each_page(poll, partition, |votes| merge(&mut all, recount_page(votes))).await?;
            Ok(all)
        })
        .await
    }
}

/// When the newest counted vote was cast: the newest stored one, or the time that the lane shows. Where votes change,
/// that time may belong to an earlier revision from a fast clock. Only the tallies have it, and readers have seen it.
fn newest_counted(change: VoteChange, stored: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    match change {
        VoteChange::Never => stored,
        VoteChange::UntilClose => stored.max(told),
    }
}

/// Sums up some votes. Items that are no votes count nothing.
fn recount_page(votes: &[StoredVote]) -> Recount {
    let mut lanes: BTreeMap<u8, (Vec<Ballot>, Option<Timestamp>)> = BTreeMap::new();
    for (_, vote) in votes.iter().flatten() {
        let (standing, newest) = lanes.entry(vote.lane).or_default();
        standing.extend(vote.ballot.clone());
        *newest = (*newest).max(Some(vote.cast_at));
    }
    let sum_up = |(lane, (votes, newest))| {
        let (counters, entries) = recount_whole(votes);
        (lane, LaneRecount { counters, entries, newest })
    };
    lanes.into_iter().map(sum_up).collect()
}

/// By how much the counts of sealed lanes differ from a recount.
pub fn difference(poll: &Rules, sealed: &Sealed, recount: &Recount) -> Off {
    let none = LaneRecount::default();
    let of_lane = |(lane, head): &(LaneKey, Head)| {
        let votes = recount.get(&lane.lane).unwrap_or(&none);
        let change = poll.settings.spec.vote_change;
        Off::of(change, (&head.counters, head.as_of), (&votes.counters, votes.newest))
    };
    sealed.iter().map(of_lane).fold(Off::default(), Off::plus)
}

/// Adds up two recounts of different votes.
fn merge(all: &mut Recount, other: Recount) {
    for (lane, other) in other {
        all.entry(lane).or_default().merge(other);
    }
}

/// Tries again while others write the lane, or the table does not answer.
pub async fn try_again<T>(
    clock: &impl Clock,
    work: impl AsyncFn() -> Result<T, LaneStoreError>,
) -> Result<T, LaneStoreError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match patiently(clock, &work).await {
            Err(LaneStoreError::Conflict) if attempt < ATTEMPTS_MAX => clock.sleep(ATTEMPT_PAUSE * attempt).await,
            outcome => return outcome,
        }
    }
}

/// Tries again while a table does not answer.
pub async fn patiently<T, E: Silence>(clock: &impl Clock, work: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match work().await {
            Err(error) if error.is_silence() && attempt <= PATIENCE => clock.sleep(ATTEMPT_PAUSE * attempt).await,
            outcome => return outcome,
        }
    }
}

/// An error that may be a table's silence.
pub trait Silence {
    /// Whether the table did not answer: the same call may succeed later.
    fn is_silence(&self) -> bool;
}

impl Silence for StoreError {
    fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Silence for LaneStoreError {
    fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Seals a lane if it is not sealed yet, and returns its HEAD. Fails with `Conflict` if the lane was counted meanwhile;
/// the caller tries again.
pub async fn seal(store: &impl LaneStore, lane: &LaneKey) -> Result<Head, LaneStoreError> {
    let head = store.read_head(lane).await?;
    if head.sealed {
        return Ok(head);
    }
    let sealed = Head { sealed: true, ..head.again() };
    store.put_head(lane, &sealed, head.version).await?;
    Ok(sealed)
}

/// Replaces a sealed lane's counts and shows them to readers; returns their version. The votes must have been read after
/// the lane was sealed. Fails with `Conflict` if another rebuild came first; seal and read again then.
pub async fn replace(
    store: &impl LaneStore,
    clock: &impl Clock,
    lane: &LaneKey,
    (sealed, count): (&Head, &Count),
    recounted: LaneRecount,
    as_of: Option<Timestamp>,
    limits: RunLimits,
) -> Result<u64, LaneStoreError> {
    let version = next_version(sealed.version, count.version)
        .ok_or_else(|| LaneStoreError::Broken(format!("no version is left after {} of COUNT", count.version)))?;
    let LaneRecount { counters, entries, .. } = recounted;
    let attempt = Attempt { random: fastrand::u64(..), limits };
    let (entries, runs) = sealed.entries.replaced_by(entries, version, &attempt);
    let stands = runs.is_empty() && (&sealed.counters, &sealed.entries, sealed.as_of) == (&counters, &entries, as_of);
    if stands && *count == sealed.count() {
        return Ok(sealed.version);
    }
    for run in &runs {
        patiently(clock, async || store.put_run(lane, run).await).await?;
    }
    let rebuilt = Head { version, counters, entries, as_of, recent: Ids::new(), sealed: true };
    patiently(clock, async || match store.put_head(lane, &rebuilt, sealed.version).await {
        // This very HEAD: the first answer was lost.
        Err(LaneStoreError::Conflict) if store.read_head(lane).await? == rebuilt => Ok(()),
        outcome => outcome,
    })
    .await?;
    patiently(clock, async || store.put_count(lane, &rebuilt).await).await?;
    Ok(version)
}

/// The version after both HEAD's and COUNT's. COUNT is ahead if HEAD was lost or restored from a backup. The new
/// version must then be one that the lost HEAD never had, even if COUNT was some flushes behind.
fn next_version(head: u64, count: u64) -> Option<u64> {
    if count > head { count.checked_add(VERSIONS_PASSED) } else { head.checked_add(1) }
}

/// Writes HEAD again under its next version, so that the readers' copy is rewritten.
pub async fn publish(store: &impl LaneStore, lane: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
    let again = head.again();
    store.put_head(lane, &again, head.version).await?;
    store.put_count(lane, &again).await
}
