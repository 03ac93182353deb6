//! Counting a lane over its store: catch up, plan, commit, begin again.
//!
//! Exact because HEAD's counters and the ids that they contain change together in one conditional write; because
//! an id leaves HEAD only after a SEEN row that holds it is durable; and because HEAD is read before the rows, so
//! whoever reads finds each counted id in one of them. A process that was overtaken fails at the version.

use std::{collections::BTreeSet, future::Future, sync::Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    clock::Clock,
    domain::{
        change::{Change, VoteId},
        heat::Progress,
        lane::LaneKey,
        tally::{Bucket, Flush, Head, Seen, SeenRow, plan, portions},
        time::Timestamp,
    },
};

pub mod rebuild;
mod seen_cache;
pub use seen_cache::SeenCache;

/// How often one lane's changes are tried in one invocation before their messages go back to the queue.
pub const ATTEMPTS_MAX: u32 = 6;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ.
pub const PAUSE_MS: u64 = 12;
/// How many SEEN reads or writes of one lane are under way at once.
const SEEN_CALLS_AT_ONCE: usize = 16;

/// Why a call to the store did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum LaneStoreError {
    /// HEAD has another version than the one it was to replace.
    #[error("the lane was counted by another process")]
    Conflict,
    /// It failed, or nobody knows whether it did.
    #[error("{0}")]
    Unavailable(String),
    /// Not to be mended by trying again: a permission, a table's name, an item that is not ours.
    #[error("{0}")]
    Broken(String),
}

/// Where a lane's tally is kept. All reads are strongly consistent.
pub trait LaneStore {
    /// HEAD, or the default (version 0) before the first flush.
    fn read_head(&self, lane: &LaneKey) -> impl Future<Output = Result<Head, LaneStoreError>>;
    /// All ids of the bucket's SEEN rows of versions above `above`.
    fn read_seen(
        &self,
        lane: &LaneKey,
        bucket: Bucket,
        above: u64,
    ) -> impl Future<Output = Result<Vec<VoteId>, LaneStoreError>>;
    /// Writes a SEEN row, whether or not it is there: its content is the same whoever writes it.
    fn put_seen(&self, lane: &LaneKey, row: &SeenRow) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// Writes HEAD, of a higher version, if the stored one has the version `over` (0: if there is none); else `Conflict`.
    fn put_head(&self, lane: &LaneKey, head: &Head, over: u64) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// The readers' copy of HEAD, without ids and never sealed; the default (version 0) before the first flush.
    fn read_count(&self, lane: &LaneKey) -> impl Future<Output = Result<Head, LaneStoreError>>;
    /// Writes the readers' copy of HEAD unless it is as new already.
    fn put_count(&self, lane: &LaneKey, head: &Head) -> impl Future<Output = Result<(), LaneStoreError>>;
}

/// What counting some changes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Changes counted now.
    pub counted: usize,
    /// Changes that were counted before, came twice, or are of a sealed lane.
    pub repeated: usize,
    /// Flushes written.
    pub flushes: usize,
    /// When the oldest of the changes counted now was cast.
    pub oldest: Option<Timestamp>,
    /// How far the lane's count has come, by whomever; nothing where nothing is counted yet.
    pub progress: Option<Progress>,
}

impl Applied {
    fn add(&mut self, other: Applied) {
        self.counted += other.counted;
        self.repeated += other.repeated;
        self.flushes += other.flushes;
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.progress = other.progress;
    }
}

/// Counts lanes over a store, remembering ids that it has read.
pub struct Counting<S, C> {
    store: S,
    clock: C,
    cache: Mutex<SeenCache>,
}

impl<S: LaneStore, C: Clock> Counting<S, C> {
    /// Counting over `store`. The cache of ids holds at most `cache_bytes_max` bytes between two calls.
    pub fn new(store: S, cache_bytes_max: usize, clock: C) -> Self {
        Self { store, clock, cache: Mutex::new(SeenCache::new(cache_bytes_max)) }
    }

    /// Counts each of the lane's changes that is not counted yet. After an error it is unknown which of them are;
    /// calling again with the same changes is safe, at any time and from any process.
    pub async fn apply(&self, lane: &LaneKey, changes: &[Change]) -> Result<Applied, LaneStoreError> {
        let mut applied = Applied::default();
        for portion in portions(changes) {
            applied.add(self.apply_portion(lane, &portion).await?);
        }
        Ok(applied)
    }

    async fn apply_portion(&self, lane: &LaneKey, changes: &[Change]) -> Result<Applied, LaneStoreError> {
        let mut attempt = 0;
        loop {
            match self.try_apply(lane, changes).await {
                Err(error) if attempt + 1 < ATTEMPTS_MAX && !matches!(error, LaneStoreError::Broken(_)) => {
                    attempt += 1;
                    tracing::debug!(%lane, attempt, %error, "lane begins again");
                    self.clock.back_off(PAUSE_MS, attempt).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_apply(&self, lane: &LaneKey, changes: &[Change]) -> Result<Applied, LaneStoreError> {
        let mut head = self.store.read_head(lane).await?;
        let seen = self.catch_up(lane, &head, changes).await?;
        let flushes = plan(&head, &seen, changes);
        self.cache(|cache| cache.keep(lane, seen, head.version));
        let mut applied = Applied { flushes: flushes.len(), ..Applied::default() };
        for flush in flushes {
            self.commit(lane, &flush).await?;
            applied.counted += flush.counted;
            applied.oldest = applied.oldest.into_iter().chain(flush.oldest).min();
            head = flush.head;
        }
        applied.repeated = changes.len() - applied.counted;
        applied.progress = head.as_of.map(|as_of| Progress { ballots: head.counters.ballots(), as_of });
        if head.version > 0 {
            // Also when nothing was fresh: an earlier try may have died just here.
            self.store.put_count(lane, &head).await?;
        }
        Ok(applied)
    }

    /// All ids counted in the buckets of the changes, but for those that HEAD holds: what is remembered, and the
    /// rows written since.
    async fn catch_up(&self, lane: &LaneKey, head: &Head, changes: &[Change]) -> Result<Seen, LaneStoreError> {
        let buckets: BTreeSet<Bucket> = changes.iter().map(|change| Bucket::of(change.cast_at)).collect();
        let remembered: Vec<_> =
            self.cache(|cache| buckets.into_iter().map(|bucket| cache.take(lane, bucket)).collect());
        stream::iter(remembered)
            .map(|mut known| async move {
                if known.high_water + 1 < head.version {
                    known.ids.extend(self.store.read_seen(lane, known.bucket, known.high_water).await?);
                }
                Ok((known.bucket, known.ids))
            })
            .buffer_unordered(SEEN_CALLS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn commit(&self, lane: &LaneKey, flush: &Flush) -> Result<(), LaneStoreError> {
        stream::iter(flush.spill.iter().map(Ok))
            .try_for_each_concurrent(SEEN_CALLS_AT_ONCE, |row| self.store.put_seen(lane, row))
            .await?;
        self.store.put_head(lane, &flush.head, flush.head.version - 1).await?;
        self.cache(|cache| cache.spilled(lane, flush.head.version, &flush.spill));
        Ok(())
    }

    /// A poisoned lock means a panic in the cache's plain code; what it holds is then dropped, never trusted.
    fn cache<T>(&self, use_it: impl FnOnce(&mut SeenCache) -> T) -> T {
        let mut cache = self.cache.lock().unwrap_or_else(|poisoned| {
            let mut cache = poisoned.into_inner();
            cache.clear();
            cache
        });
        use_it(&mut cache)
    }
}

#[cfg(test)]
mod tests;
