//! Counts lanes in their store, portion by portion, oldest minutes first: catch up, plan, commit, repeat.
//!
//! This is exact for three reasons. HEAD's counters and the ids they contain change together in one conditional write.
//! An id leaves HEAD only after a SEEN row with it is durable. HEAD is read before the rows, so a reader finds each
//! counted id in one of them. A process that was overtaken fails at HEAD's version. A run counts only if HEAD names it, and
//! is durable before.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::Clock,
    store::{LaneStore, LaneStoreError, SeenIds},
};
use landslide_domain::{
    change::Change,
    heat::{Progress, Spent},
    lane::LaneKey,
    runs::{Attempt, RUN_LIMITS, RunLimits},
    tally::{Flush, Head, Minute, PORTION_IDS_MAX, PORTION_MINUTES_MAX, Seen, by_minute, plan},
    time::Timestamp,
};

pub mod merging;
pub mod parts;
pub mod reading;
pub mod rebuild;
mod seen_cache;
use seen_cache::{Known, SeenCache};

/// How often an invocation tries a lane's changes before their messages return to the queue.
pub const ATTEMPTS_MAX: u32 = 6;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ.
pub const PAUSE_MS: u64 = 12;
/// How many SEEN reads or writes of one lane run at once.
const SEEN_CALLS_AT_ONCE: usize = 16;
/// How many minutes are started at once: first, and after minutes with more than one page of rows. The number doubles
/// after others.
const MINUTES_AT_FIRST: usize = 2;

/// Limits for what a process reads and remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TallyLimits {
    /// The most bytes of counted ids that are remembered.
    pub cache_bytes_max: usize,
    /// A portion is committed once this number of ids was read for it.
    pub portion_ids_max: usize,
    /// How entries are spread over HEAD and runs.
    pub runs: RunLimits,
}

impl TallyLimits {
    /// The usual portions, with this many bytes of remembered ids.
    pub fn remembering(cache_bytes_max: usize) -> Self {
        Self { cache_bytes_max, portion_ids_max: PORTION_IDS_MAX, runs: RUN_LIMITS }
    }
}

/// A part of the changes, counted and shown to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// All changes up to and including this minute are counted.
    pub through: Minute,
    /// The outcome of counting them.
    pub applied: Applied,
}

/// The outcome of counting some changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Changes that were counted now.
    pub counted: usize,
    /// Changes that were counted before, were sent twice, or belong to a sealed lane.
    pub repeated: usize,
    /// Flushes that were written.
    pub flushes: usize,
    /// When the oldest change that was counted now was cast.
    pub oldest: Option<Timestamp>,
    /// How far the lane's count has come, no matter who counted. `None` if nothing is counted yet.
    pub progress: Option<Progress>,
    /// What was written for the changes that were counted now.
    pub spent: Spent,
    /// Whether the lane has runs to merge or to sweep.
    pub is_to_be_tidied: bool,
}

impl Applied {
    /// Adds the outcome of counting further changes in the lane.
    pub fn add(&mut self, other: Applied) {
        self.counted += other.counted;
        self.repeated += other.repeated;
        self.flushes += other.flushes;
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.progress = other.progress;
        self.spent.add(other.spent);
        self.is_to_be_tidied = other.is_to_be_tidied;
    }
}

/// Counts lanes in a store, and remembers ids that it has read.
pub struct Tallies<S, C> {
    store: S,
    clock: C,
    portion_ids_max: usize,
    run_limits: RunLimits,
    cache: Mutex<SeenCache>,
}

impl<S: LaneStore, C: Clock> Tallies<S, C> {
    /// Tallies in this store.
    pub fn new(store: S, limits: TallyLimits, clock: C) -> Self {
        let TallyLimits { cache_bytes_max, portion_ids_max, runs: run_limits } = limits;
        Self { store, clock, portion_ids_max, run_limits, cache: Mutex::new(SeenCache::new(cache_bytes_max)) }
    }

    fn attempt(&self) -> Attempt {
        Attempt { random: fastrand::u64(..), limits: self.run_limits }
    }

    /// Counts each of the lane's changes that is not counted yet. Calling it again with the same changes is safe, at
    /// any time and from any process.
    pub async fn apply(&self, lane: &LaneKey, changes: &[Change]) -> Result<Applied, LaneStoreError> {
        let mut applied = Applied::default();
        self.apply_by_portions(lane, changes, |portion| applied.add(portion.applied)).await?;
        Ok(applied)
    }

    /// Like `apply`, and reports each counted portion to `note` at once. If it fails or is dropped, it is unknown which
    /// later changes are counted.
    pub async fn apply_by_portions(
        &self,
        lane: &LaneKey,
        changes: &[Change],
        mut note: impl FnMut(Portion),
    ) -> Result<(), LaneStoreError> {
        let mut waiting = by_minute(changes);
        while !waiting.is_empty() {
            let portion = self.apply_portion(lane, &waiting).await?;
            waiting.retain(|minute, _| *minute > portion.through);
            note(portion);
        }
        Ok(())
    }

    async fn apply_portion(
        &self,
        lane: &LaneKey,
        waiting: &BTreeMap<Minute, Vec<Change>>,
    ) -> Result<Portion, LaneStoreError> {
        let mut attempt = 0;
        loop {
            match self.try_apply(lane, waiting).await {
                Err(error) if attempt + 1 < ATTEMPTS_MAX && !matches!(error, LaneStoreError::Broken(_)) => {
                    attempt += 1;
                    tracing::debug!(%lane, attempt, %error, "lane {lane} is tried again: {error}");
                    self.clock.back_off(PAUSE_MS, attempt).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Counts the oldest waiting minutes, as many as one portion's reads allow.
    async fn try_apply(
        &self,
        lane: &LaneKey,
        waiting: &BTreeMap<Minute, Vec<Change>>,
    ) -> Result<Portion, LaneStoreError> {
        let mut head = self.store.read_head(lane).await?;
        let minutes: Vec<Minute> = waiting.keys().take(PORTION_MINUTES_MAX).copied().collect();
        let (seen, through) = self.catch_up(lane, &head, &minutes).await?;
        let changes: Vec<Change> = waiting.range(..=through).flat_map(|(_, changes)| changes).cloned().collect();
        let flushes = plan(&head, &seen, &changes, &self.attempt());
        // Drop it before the cache gets the spill, which would otherwise copy what it shares.
        drop(seen);
        let mut applied = Applied { flushes: flushes.len(), ..Applied::default() };
        for flush in flushes {
            applied.spent.add(Spent { write_units: flush.write_units(&head), changes: flush.counted as u64 });
            self.commit(lane, &flush).await?;
            applied.counted += flush.counted;
            applied.oldest = applied.oldest.into_iter().chain(flush.oldest).min();
            head = flush.head;
        }
        applied.repeated = changes.len() - applied.counted;
        applied.progress = head.as_of.map(|as_of| Progress { ballots: head.counters.ballots(), as_of });
        applied.spent.write_units += head.count_write_units();
        let entries = &head.entries;
        applied.is_to_be_tidied =
            entries.to_merge(&self.run_limits).is_some() || entries.is_to_be_swept(&self.run_limits);
        if head.version > 0 {
            // Written even if no change was new: an earlier try may have died before this write.
            self.store.put_count(lane, &head).await?;
        }
        Ok(Portion { through, applied })
    }

    /// Reads all ids counted in the oldest minutes, except those that HEAD holds. Returns them with the last minute it
    /// read: at least the first one, and more until `portion_ids_max` ids were read. Several minutes start at once, as
    /// most have one page. Minutes with more pages are finished one by one, so that the oldest is complete first.
    async fn catch_up(
        &self,
        lane: &LaneKey,
        head: &Head,
        minutes: &[Minute],
    ) -> Result<(Seen, Minute), LaneStoreError> {
        let mut through =
            minutes.first().copied().ok_or_else(|| LaneStoreError::Broken("nothing to count".to_owned()))?;
        // All rows below HEAD's version exist. Rows with that very version may still be in writing by others.
        let complete = head.version.saturating_sub(1);
        let (mut seen, mut ids_read, mut at_once, mut rest) = (Seen::new(), 0, MINUTES_AT_FIRST, minutes);
        while let Some((begun, later)) = rest.split_at_checked(at_once.min(rest.len()))
            && !begun.is_empty()
        {
            let begun = self.begin(lane, begun, complete).await?;
            ids_read += begun.iter().map(|(_, _, ids)| ids).sum::<usize>();
            let are_whole = begun.iter().all(|(_, known, _)| known.high_water >= complete);
            for (minute, mut known, _) in begun {
                while known.high_water < complete {
                    if ids_read >= self.portion_ids_max && !seen.is_empty() {
                        return Ok((seen, through));
                    }
                    ids_read += self.read_on(lane, minute, &mut known, complete).await?;
                }
                seen.insert(minute, known.ids);
                through = minute;
            }
            if ids_read >= self.portion_ids_max {
                break;
            }
            rest = later;
            at_once = if are_whole { SEEN_CALLS_AT_ONCE.min(at_once * 2) } else { MINUTES_AT_FIRST };
        }
        Ok((seen, through))
    }

    /// Reads the first unknown page of each of these minutes. Returns what is known then, and how many ids were read.
    async fn begin(
        &self,
        lane: &LaneKey,
        minutes: &[Minute],
        complete: u64,
    ) -> Result<Vec<(Minute, Known, usize)>, LaneStoreError> {
        let begin = async |minute: &Minute| {
            let mut known = self.cache(|cache| cache.known(lane, *minute));
            let ids = self.read_on(lane, *minute, &mut known, complete).await?;
            Ok((*minute, known, ids))
        };
        stream::iter(minutes).map(begin).buffered(SEEN_CALLS_AT_ONCE).try_collect().await
    }

    /// Reads the next unknown page of a minute, if there is one. The cache keeps it at once, so that it survives a
    /// failing next page or a dropped call. Returns how many ids it had.
    async fn read_on(
        &self,
        lane: &LaneKey,
        minute: Minute,
        known: &mut Known,
        complete: u64,
    ) -> Result<usize, LaneStoreError> {
        let page = if known.high_water < complete {
            self.store.read_seen(lane, minute, known.high_water).await?
        } else {
            SeenIds::default()
        };
        let ids = page.ids.len();
        let high_water = page.up_to.map_or(complete, |version| version.min(complete));
        self.cache(|cache| cache.extend(lane, minute, known, page.ids, high_water));
        Ok(ids)
    }

    async fn commit(&self, lane: &LaneKey, flush: &Flush) -> Result<(), LaneStoreError> {
        stream::iter(flush.spill.iter().map(Ok))
            .try_for_each_concurrent(SEEN_CALLS_AT_ONCE, |row| self.store.put_seen(lane, row))
            .await?;
        for run in &flush.runs {
            self.store.put_run(lane, run).await?;
        }
        self.store.put_head(lane, &flush.head, flush.head.version - 1).await?;
        self.cache(|cache| cache.spilled(lane, flush.head.version, &flush.spill));
        Ok(())
    }

    /// A poisoned lock means a panic in the cache's own code. Its content is then dropped, never trusted.
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
