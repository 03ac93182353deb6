//! Keeps a lane's runs few: merges them, and deletes those that nothing names any more.
//!
//! Neither is needed to count. No flush waits for them, and what fails is done at a later batch.

use std::pin::pin;

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::Clock,
    store::{LaneReader, LaneStore, LaneStoreError},
};
use landslide_domain::{
    entries::Entries,
    keys,
    lane::LaneKey,
    runs::{Attempt, Dropped, LaneEntries, NewRun, Run, RunName, ToMerge},
    tally::Head,
};

use super::Tallies;

/// How many runs of a lane are read at once.
pub(crate) const RUNS_AT_ONCE: usize = 8;

/// What becomes of the runs that are merged.
enum Sum {
    /// One run holds them all.
    Run(NewRun),
    /// They can't be kept.
    Dropped(Dropped),
}

impl<S: LaneStore, C: Clock> Tallies<S, C> {
    /// Merges the lane's runs while there are too many of a level, and sweeps it if that is worth it.
    pub async fn tidy(&self, lane: &LaneKey) -> Result<(), LaneStoreError> {
        while merge(&self.store, lane, &self.attempt()).await? {}
        let head = self.store.read_head(lane).await?;
        if head.entries.is_to_be_swept(&self.run_limits) { sweep(&self.store, lane).await } else { Ok(()) }
    }
}

/// Merges runs of one level, if there are too many. Returns whether it did. Gives up if HEAD has changed its runs
/// meanwhile.
pub async fn merge(store: &impl LaneStore, lane: &LaneKey, attempt: &Attempt) -> Result<bool, LaneStoreError> {
    let before = store.read_head(lane).await?;
    let to_merge = before.entries.to_merge(&attempt.limits).filter(|_| !before.sealed);
    let Some(merge) = to_merge else { return Ok(false) };
    let sum = match sum(store, lane, &merge.runs).await? {
        Ok(entries) => {
            let missed = merge.runs.iter().map(|run| run.missed).sum();
            let name = attempt.run_name(before.version, merge.set);
            let run = NewRun::merged(missed, name, merge.level, &entries, &attempt.limits);
            run.map_or(Sum::Dropped(Dropped::TooMany), Sum::Run)
        }
        Err(_) => Sum::Dropped(Dropped::Lost),
    };
    if let Sum::Run(run) = &sum {
        store.put_run(lane, run).await?;
    }
    // Again, as flushes have gone on, and a sweep may have deleted the new run.
    let head = store.read_head(lane).await?;
    let Some(entries) = after_merge(&head, &before.entries, &merge, &sum) else { return Ok(false) };
    write(store, lane, &head, entries).await?;
    Ok(true)
}

fn after_merge(head: &Head, before: &LaneEntries, merge: &ToMerge, sum: &Sum) -> Option<LaneEntries> {
    let run = match sum {
        Sum::Run(new) => Some(new.run),
        Sum::Dropped(_) => None,
    };
    let merged = head.entries.merged(before, merge, run).filter(|_| !head.sealed)?;
    Some(match sum {
        Sum::Run(_) => merged,
        Sum::Dropped(why) => head.entries.without(merge.set, *why),
    })
}

/// The sum of these runs; or the first of them that is lost.
pub async fn sum(
    store: &impl LaneReader,
    lane: &LaneKey,
    runs: &[Run],
) -> Result<Result<Entries, Run>, LaneStoreError> {
    let read = async |run: &Run| Ok::<_, LaneStoreError>((*run, read_or_lost(store, lane, run).await?));
    let mut read = pin!(stream::iter(runs).map(read).buffered(RUNS_AT_ONCE));
    let mut all = Vec::new();
    while let Some((run, entries)) = read.try_next().await? {
        let Some(entries) = entries else { return Ok(Err(run)) };
        all.push(entries);
    }
    Ok(Ok(Entries::sum(&all)))
}

/// Reads a run. `None` if it is lost: gone, or not readable, which no retry mends.
pub(crate) async fn read_or_lost(
    store: &impl LaneReader,
    lane: &LaneKey,
    run: &Run,
) -> Result<Option<Entries>, LaneStoreError> {
    match store.read_run(lane, run).await {
        Err(LaneStoreError::UnreadableRun(error)) => {
            let row = keys::run(run.name, 0);
            tracing::error!(%lane, row, error, "the run of lane {lane} from row {row} is taken for lost: {error}");
            Ok(None)
        }
        outcome => outcome,
    }
}

async fn write(
    store: &impl LaneStore,
    lane: &LaneKey,
    over: &Head,
    entries: LaneEntries,
) -> Result<Head, LaneStoreError> {
    let head = Head { entries, ..over.again() };
    store.put_head(lane, &head, over.version).await?;
    store.put_count(lane, &head).await?;
    Ok(head)
}

/// Deletes the rows of runs that HEAD does not name. Who read HEAD before fails at its version, so none of those can
/// be named later; and no reader finds one named in COUNT, which is written before.
pub async fn sweep(store: &impl LaneStore, lane: &LaneKey) -> Result<(), LaneStoreError> {
    let rows = store.list_runs(lane).await?;
    let head = store.read_head(lane).await?;
    let swept = write(store, lane, &head, head.entries.swept()).await?;
    let is_named = |name: RunName| swept.entries.runs().any(|run| run.name == name);
    let unnamed: Vec<_> = rows.into_iter().filter(|(name, _)| !is_named(*name)).collect();
    store.delete_runs(lane, &unnamed).await
}
