//! A recount part by part: what each part of a poll's votes adds to the lanes is stored, and summed up in the end.

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
    let mut all = Recount::new();
    for lane in 0..poll.lanes {
        let key = LaneKey { poll: poll.settings.poll_id.clone(), lane };
        for part in 0..split.parts {
            if let Some(count) = store.read_part(&key, split, part).await? {
                let entries = entries_of(store, &key, &count).await?;
                let Count { counters, as_of: newest, .. } = count;
                merge(&mut all, Recount::from([(lane, LaneRecount { counters, entries, newest })]));
            }
        }
    }
    Ok(all)
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
