//! A recount part by part: what each part of a poll's votes adds to the lanes is stored, and summed up in the end.

use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_aws::store::{DynamoDb, LaneStore, LaneStoreError, TallyStore};
use landslide_domain::{
    entries::{Entries, PerSet, Set},
    lane::{LaneKey, Split},
    poll::Rules,
    runs::{Attempt, LaneEntries, RunLimits},
    tally::{Count, Head},
};

use super::{
    merging::sum,
    rebuild::{LaneRecount, Recount, merge},
};

/// How many sums are read at once: a poll of 32 lanes and hundreds of parts has over ten thousand.
const PARTS_AT_ONCE: usize = 32;

/// Stores what a part adds to the lanes.
pub async fn put_part<D: DynamoDb>(
    store: &TallyStore<D>,
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
            store.put_run(&lane, run).await?;
        }
        let sums = Head { version: 1, as_of: newest, counters, entries, ..Head::default() };
        store.put_part(&lane, split, part, &sums).await?;
    }
    Ok(())
}

/// Sums up what all parts add. They must all be stored, and not have expired.
pub async fn sum_of_parts<D: DynamoDb>(
    store: &TallyStore<D>,
    poll: &Rules,
    split: Split,
) -> Result<Recount, LaneStoreError> {
    let parts = (0..poll.lanes).flat_map(|lane| (0..split.parts).map(move |part| (lane, part)));
    let read = stream::iter(parts).map(|(lane, part)| {
        let lane = LaneKey { poll: poll.settings.poll_id.clone(), lane };
        read_part(store, lane, split, part)
    });
    let add = async |mut all, part| {
        merge(&mut all, part);
        Ok(all)
    };
    read.buffer_unordered(PARTS_AT_ONCE).try_fold(Recount::new(), add).await
}

/// What a part adds to a lane.
async fn read_part<D: DynamoDb>(
    store: &TallyStore<D>,
    lane: LaneKey,
    split: Split,
    part: u16,
) -> Result<Recount, LaneStoreError> {
    let Some(count) = store.read_part(&lane, split, part).await? else { return Ok(Recount::new()) };
    let entries = entries_of(store, &lane, &count).await?;
    let Count { counters, as_of: newest, .. } = count;
    Ok(Recount::from([(lane.lane, LaneRecount { counters, entries, newest })]))
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
