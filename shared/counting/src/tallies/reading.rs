//! Reads a lane's entries as readers see them: COUNT, and then the runs that it names.
//!
//! A sweep writes COUNT before it deletes what the new COUNT does not name. So a run that is gone was either replaced, and
//! the next COUNT does not name it, or it is lost.

use landslide_aws::store::{LaneReader, LaneStoreError};
use landslide_domain::{
    entries::Entries,
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

/// Reads COUNT and the entries that belong to it, or why the lane has none. The counts are exact either way.
pub async fn read_entries(
    store: &impl LaneReader,
    lane: &LaneKey,
) -> Result<(Count, Result<Entries, Dropped>), ReadError> {
    let count = store.read_count(lane).await?;
    let (count, runs) = read_runs(store, lane, count, async |runs| sum(store, lane, runs).await).await?;
    let with_near = |mut entries: Entries| {
        entries.merge(&count.entries.near);
        entries
    };
    let entries = runs.map(with_near);
    Ok((count, entries))
}

/// Reads the runs that a COUNT names by `read`, which returns a run that is lost instead. Begins again with a newer COUNT
/// if that one was replaced. Returns the COUNT whose runs these are, or why it has none.
pub async fn read_runs<Content>(
    store: &impl LaneReader,
    lane: &LaneKey,
    mut count: Count,
    read: impl AsyncFn(&[Run]) -> Result<Result<Content, Run>, LaneStoreError>,
) -> Result<(Count, Result<Content, Dropped>), ReadError> {
    for _ in 0..=AGAIN_MAX {
        if let Some(dropped) = count.entries.dropped {
            return Ok((count, Err(dropped)));
        }
        let gone = match read(&count.entries.runs).await? {
            Ok(content) => return Ok((count, Ok(content))),
            Err(gone) => gone,
        };
        count = store.read_count(lane).await?;
        if count.entries.runs.contains(&gone) {
            return Ok((count, Err(Dropped::Lost)));
        }
    }
    Err(ReadError::Overtaken(lane.clone()))
}
