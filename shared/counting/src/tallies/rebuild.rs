//! Counts made anew from the vote items of a poll that takes no votes any more, where messages can't mend them.
//!
//! First every lane is sealed, in a new version of HEAD: from there on no message changes it, and a process that has read
//! HEAD before fails at its version. Then the votes are read, and each lane gets the counts that they come to, sealed
//! still. Each step is one conditional write, and finds what an earlier try has done: whoever dies on the way begins
//! again from the first step. All votes must have landed before the lanes' votes are read: what lands later is not
//! counted, until the next rebuild.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::Clock,
    store::{DynamoDb, LaneStore, LaneStoreError, StoreError, StoredVote, VoteStore},
};
use landslide_domain::{
    ballot::Ballot,
    ids::PollId,
    lane::{LaneKey, Partition},
    poll::{Rules, Settings, VoteChange},
    recount::recount,
    tally::{Count, Counters, Head, Ids},
    time::{DAY_MS, MINUTE_MS, Timestamp},
};

/// How long after closing the last votes may land, with a wide margin: a function's timeout is seconds.
pub const LANDED_MS: u64 = 5 * MINUTE_MS;
/// How long vote items are kept after closing, at least.
pub const VOTES_KEPT_MS: u64 = 60 * DAY_MS;
/// How far a version goes past COUNT's that was ahead of HEAD: more flushes than a copy can be behind.
const VERSIONS_PASSED: u64 = 1_000_000;
/// How often a lane is tried that others write at the same time.
const ATTEMPTS_MAX: u32 = 20;
/// The pause before the n-th further attempt, times n.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether a poll is closed so long that the last of its votes have landed, and not so long that vote items may be gone.
pub fn may_be_rebuilt(settings: &Settings, now: Timestamp) -> bool {
    settings.spec.closes_at.is_some_and(|closed_at| (LANDED_MS..VOTES_KEPT_MS).contains(&now.millis_since(closed_at)))
}

/// Why a poll was not rebuilt. To begin again is safe.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A lane could not be sealed or written.
    #[error(transparent)]
    Tallies(#[from] LaneStoreError),
    /// The votes could not be read.
    #[error(transparent)]
    Votes(#[from] StoreError),
}

/// What a lane's votes come to.
#[derive(Default)]
struct LaneRecount {
    counters: Counters,
    newest: Option<Timestamp>,
}

/// By lane; none for one without votes.
type Recount = BTreeMap<u8, LaneRecount>;

/// What a rebuild works on.
pub struct Rebuild<'a, S, D, C> {
    /// The lanes' tallies.
    pub tallies: &'a S,
    /// The votes.
    pub votes: &'a VoteStore<D>,
    /// By which it waits where others write a lane.
    pub clock: C,
    /// Partitions that are read at once.
    pub partitions_at_once: usize,
}

impl<S: LaneStore, D: DynamoDb, C: Clock> Rebuild<'_, S, D, C> {
    /// Seals all lanes of a poll that may be rebuilt, recounts, and writes what the votes come to. Whatever a try has done
    /// that died on the way, this finds and goes on from. `is_read` is told of each partition whose votes are read.
    pub async fn run(&self, poll: &Rules, is_read: impl Fn()) -> Result<(), RebuildError> {
        let sealed = self.seal_all(&poll.settings.poll_id, poll.lanes).await?;
        let mut recount = self.recount(poll, is_read).await?;
        for (lane, head) in sealed {
            let LaneRecount { counters, newest } = recount.remove(&lane.lane).unwrap_or_default();
            let count = self.tallies.read_count(&lane).await?;
            let as_of = newest_counted(poll.settings.spec.vote_change, newest, head.as_of.max(count.as_of));
            // No second try: a conflict is another rebuild, whose recount may be a later one.
            replace(self.tallies, &lane, (&head, &count), counters, as_of).await?;
        }
        Ok(())
    }

    async fn seal_all(&self, poll: &PollId, lanes: u8) -> Result<Vec<(LaneKey, Head)>, LaneStoreError> {
        let mut sealed = Vec::new();
        for lane in 0..lanes {
            let lane = LaneKey { poll: poll.clone(), lane };
            let head = try_again(&self.clock, async || seal(self.tallies, &lane).await).await?;
            sealed.push((lane, head));
        }
        Ok(sealed)
    }

    async fn recount(&self, poll: &Rules, is_read: impl Fn()) -> Result<Recount, StoreError> {
        let partitions = stream::iter(poll.partitions.all()).map(|partition| self.recount_partition(poll, partition));
        let add = async |mut all, partition| {
            is_read();
            merge(&mut all, partition);
            Ok(all)
        };
        partitions.buffer_unordered(self.partitions_at_once).try_fold(Recount::new(), add).await
    }

    async fn recount_partition(&self, poll: &Rules, partition: Partition) -> Result<Recount, StoreError> {
        let mut all = Recount::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.votes.page(poll, partition, after.as_deref()).await?;
            merge(&mut all, recount_page(&page.votes));
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// When the newest counted vote was cast, by the newest stored one and by what the lane says. Where votes change that may have
/// been an earlier revision, by a clock that was ahead: its time stands in the tallies alone, and readers have seen it.
fn newest_counted(change: VoteChange, stored: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    match change {
        VoteChange::Never => stored,
        VoteChange::UntilClose => stored.max(told),
    }
}

/// What some votes come to. Items that are no votes count nothing.
fn recount_page(votes: &[StoredVote]) -> Recount {
    let mut lanes: BTreeMap<u8, (Vec<Ballot>, Option<Timestamp>)> = BTreeMap::new();
    for (_, vote) in votes.iter().flatten() {
        let (standing, newest) = lanes.entry(vote.lane).or_default();
        standing.extend(vote.ballot);
        *newest = (*newest).max(Some(vote.cast_at));
    }
    lanes.into_iter().map(|(lane, (votes, newest))| (lane, LaneRecount { counters: recount(votes), newest })).collect()
}

fn merge(all: &mut Recount, other: Recount) {
    for (lane, other) in other {
        let lane = all.entry(lane).or_default();
        lane.counters.merge(&other.counters);
        lane.newest = lane.newest.max(other.newest);
    }
}

/// Tries again while others write the lane.
pub async fn try_again<T>(
    clock: &impl Clock,
    work: impl AsyncFn() -> Result<T, LaneStoreError>,
) -> Result<T, LaneStoreError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match work().await {
            Err(LaneStoreError::Conflict) if attempt < ATTEMPTS_MAX => clock.sleep(ATTEMPT_PAUSE * attempt).await,
            outcome => return outcome,
        }
    }
}

/// Seals a lane, unless it is; its HEAD from there on. `Conflict` if it was counted meanwhile: try again.
pub async fn seal(store: &impl LaneStore, lane: &LaneKey) -> Result<Head, LaneStoreError> {
    let head = store.read_head(lane).await?;
    if head.sealed {
        return Ok(head);
    }
    let sealed = Head { sealed: true, ..head.again() };
    store.put_head(lane, &sealed, head.version).await?;
    Ok(sealed)
}

/// Gives a sealed lane, of that HEAD and COUNT, the counts that its votes come to, which were read after it was sealed, and
/// shows them to readers. `Conflict` if another rebuild came first: seal and read again.
pub async fn replace(
    store: &impl LaneStore,
    lane: &LaneKey,
    (sealed, count): (&Head, &Count),
    counters: Counters,
    as_of: Option<Timestamp>,
) -> Result<(), LaneStoreError> {
    let version = next_version(sealed.version, count.version)
        .ok_or_else(|| LaneStoreError::Broken(format!("no version is left after {} of COUNT", count.version)))?;
    let rebuilt = Head { version, counters, as_of, recent: Ids::new(), sealed: true };
    store.put_head(lane, &rebuilt, sealed.version).await?;
    store.put_count(lane, &rebuilt).await
}

/// The version after these of HEAD and COUNT. COUNT is ahead where HEAD is gone, or put back as it was before: then it is one
/// that the lost HEAD never had either, though its copy may have been some flushes behind.
fn next_version(head: u64, count: u64) -> Option<u64> {
    if count > head { count.checked_add(VERSIONS_PASSED) } else { head.checked_add(1) }
}

/// Writes what HEAD says once more, as a version of its own, so that the readers' copy is written anew.
pub async fn publish(store: &impl LaneStore, lane: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
    let again = head.again();
    store.put_head(lane, &again, head.version).await?;
    store.put_count(lane, &again).await
}
