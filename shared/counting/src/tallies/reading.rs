//! Reads a lane's entries as readers see them: COUNT, and then the runs that it names.
//!
//! A sweep writes COUNT before it deletes what the new COUNT does not name. So a run that is gone was either replaced, and
//! the next COUNT does not name it, or it is lost.

use landslide_aws::store::{LaneReader, LaneStoreError};
use landslide_domain::{
    entries::{Entries, PerSet, Set},
    lane::LaneKey,
    runs::{Dropped, Run},
    tally::Count,
};

use super::merging::sum;

/// How often a reader begins again after runs were replaced under it. Sweeps are far apart, so once is rare already.
pub const AGAIN_MAX: u32 = 5;

/// Why a lane's entries were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Tallies(#[from] LaneStoreError),
    /// Runs were deleted faster than they could be read. Try again later.
    #[error("the runs of lane {0} were replaced again and again while they were read")]
    Overtaken(LaneKey),
}

/// A lane's entries of each multiset, or why there are none.
pub type Read = PerSet<Result<Entries, Dropped>>;

/// Reads COUNT and the entries that belong to it, or why the lane has none. The counts are exact either way.
pub async fn read_entries(store: &impl LaneReader, lane: &LaneKey) -> Result<(Count, Read), ReadError> {
    let count = store.read_count(lane).await?;
    let (count, runs) = read_runs(store, lane, count, async |runs| sum(store, lane, runs).await).await?;
    let kept = &count.entries.kept;
    let entries = runs.map(|set, runs| {
        runs.map(|mut entries: Entries| {
            entries.merge(&kept.of(set).near);
            entries
        })
    });
    Ok((count, entries))
}

/// Reads the runs of each multiset that a COUNT names by `read`, which returns a run that is lost instead. Begins again with
/// a newer COUNT if that one was replaced. Returns the COUNT whose runs these are, or why it has none.
pub async fn read_runs<Content>(
    store: &impl LaneReader,
    lane: &LaneKey,
    mut count: Count,
    read: impl AsyncFn(&[Run]) -> Result<Result<Content, Run>, LaneStoreError>,
) -> Result<(Count, PerSet<Result<Content, Dropped>>), ReadError> {
    let mut lost = PerSet::<bool>::default();
    for _ in 0..=AGAIN_MAX {
        let gone = match read_kept(&count, lost, &read).await? {
            Ok(read) => return Ok((count, read)),
            Err(gone) => gone,
        };
        count = store.read_count(lane).await?;
        for set in Set::ALL {
            *lost.of_mut(set) |= count.entries.kept.of(set).runs.contains(&gone);
        }
    }
    Err(ReadError::Overtaken(lane.clone()))
}

/// Reads the runs that a COUNT names, but for the multisets that are known to be lost; or returns a run that is gone.
async fn read_kept<Content>(
    count: &Count,
    lost: PerSet<bool>,
    read: impl AsyncFn(&[Run]) -> Result<Result<Content, Run>, LaneStoreError>,
) -> Result<Result<PerSet<Result<Content, Dropped>>, Run>, LaneStoreError> {
    let mut all = PerSet { cells: Err(Dropped::Lost), ballots: Err(Dropped::Lost) };
    for set in Set::ALL {
        let kept = count.entries.kept.of(set);
        *all.of_mut(set) = match kept.dropped {
            Some(dropped) => Err(dropped),
            None if *lost.of(set) => Err(Dropped::Lost),
            None => match read(&kept.runs).await? {
                Ok(content) => Ok(content),
                Err(gone) => return Ok(Err(gone)),
            },
        };
    }
    Ok(Ok(all))
}
