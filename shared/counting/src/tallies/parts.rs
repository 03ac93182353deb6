//! A recount part by part: what each part of a poll's votes adds to the lanes is stored, and summed up in the end.

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::{
    clock::Clock,
    store::{DynamoDb, LaneStore, LaneStoreError, TallyStore},
};
use landslide_domain::{
    entries::{Entries, PerSet, Set},
    lane::{LaneKey, Split},
    poll::Rules,
    runs::{Attempt, LaneEntries, RunLimits},
    tally::{Count, Head},
};

use super::{
    merging::sum,
    rebuild::{LaneRecount, Recount, patiently},
};

/// How many lanes are summed up at once.
const LANES_AT_ONCE: usize = 8;

/// Stores what a part adds to the lanes.
pub async fn put_part<D: DynamoDb>(
    store: &TallyStore<D>,
    clock: &impl Clock,
    poll: &Rules,
    (split, part): (Split, u16),
    recount: Recount,
    limits: RunLimits,
) -> Result<(), LaneStoreError> {
    for (lane, LaneRecount { counters, entries, newest }) in recount {
        let lane = LaneKey { poll: poll.settings.poll_id.clone(), lane };
        let attempt = Attempt { random: fastrand::u64(..), limits };
        let (entries, runs) = LaneEntries::default().replaced_by(entries, 0, &attempt);
        for run in &runs {
            patiently(clock, async || store.put_run(&lane, run).await).await?;
        }
        let sums = Head { version: 1, as_of: newest, counters, entries, ..Head::default() };
        patiently(clock, async || store.put_part(&lane, split, part, &sums).await).await?;
    }
    Ok(())
}

/// Sums up what all parts add. They must all be stored, and not have expired.
pub async fn sum_of_parts<D: DynamoDb>(
    store: &TallyStore<D>,
    clock: &impl Clock,
    poll: &Rules,
    split: Split,
) -> Result<Recount, LaneStoreError> {
    let read = stream::iter(0..poll.lanes).map(|lane| {
        let lane = LaneKey { poll: poll.settings.poll_id.clone(), lane };
        async move {
            let sums = patiently(clock, async || sum_of_lane(store, &lane, split).await).await?;
            Ok::<_, LaneStoreError>((lane.lane, sums))
        }
    });
    read.buffer_unordered(LANES_AT_ONCE).try_collect().await
}

/// What all parts add to a lane.
async fn sum_of_lane<D: DynamoDb>(
    store: &TallyStore<D>,
    lane: &LaneKey,
    split: Split,
) -> Result<LaneRecount, LaneStoreError> {
    let mut sums = LaneRecount::default();
    for part in store.read_parts(lane, split).await? {
        let entries = entries_of(store, lane, &part).await?;
        sums.merge(LaneRecount { counters: part.counters, entries, newest: part.as_of });
    }
    Ok(sums)
}

/// The entries of a part.
async fn entries_of<D: DynamoDb>(
    store: &TallyStore<D>,
    lane: &LaneKey,
    part: &Count,
) -> Result<PerSet<Entries>, LaneStoreError> {
    let mut all = PerSet::<Entries>::default();
    for set in Set::ALL {
        let kept = part.entries.kept.of(set);
        let lost = || LaneStoreError::Broken(format!("a part's entries of lane {lane} are lost"));
        let entries = all.of_mut(set);
        *entries = sum(store, lane, &kept.runs).await?.map_err(|_| lost())?;
        entries.merge(&kept.near);
    }
    Ok(all)
}
