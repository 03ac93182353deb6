//! The trait by which counting reads and writes a lane's tally.

use std::future::Future;

use landslide_domain::{
    change::VoteId,
    entries::Entries,
    lane::LaneKey,
    runs::{NewRun, Run, RunName},
    tally::{Count, Head, Minute, SeenRow},
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum LaneStoreError {
    /// HEAD's version is not the expected one.
    #[error("the lane was counted by another process")]
    Conflict,
    /// The call failed, or its outcome is unknown.
    #[error("{0}")]
    Unavailable(String),
    /// A retry can't help: a permission, a table name, an item that is not ours.
    #[error("{0}")]
    Broken(String),
    /// A run's rows are there, and are not what was written.
    #[error("{0}")]
    UnreadableRun(String),
}

/// A row of a run: the run's name, and the row's number.
pub type RunRow = (RunName, usize);

/// What readers read of a lane. All reads are strongly consistent.
pub trait LaneReader {
    /// Reads the readers' copy of HEAD. Returns the default (version 0) before the first flush.
    fn read_count(&self, lane: &LaneKey) -> impl Future<Output = Result<Count, LaneStoreError>>;
    /// Reads a run. `None` if any of its rows is gone. Fails with `UnreadableRun` if they are not what was written.
    fn read_run(&self, lane: &LaneKey, run: &Run) -> impl Future<Output = Result<Option<Entries>, LaneStoreError>>;
}

/// Stores lanes' tallies. All reads are strongly consistent.
pub trait LaneStore: LaneReader {
    /// HEAD, or the default (version 0) before the first flush.
    fn read_head(&self, lane: &LaneKey) -> impl Future<Output = Result<Head, LaneStoreError>>;
    /// Reads one page of the minute's SEEN rows with versions above `above`, in version order.
    fn read_seen(
        &self,
        lane: &LaneKey,
        minute: Minute,
        above: u64,
    ) -> impl Future<Output = Result<SeenIds, LaneStoreError>>;
    /// Reads all ids in these rows.
    fn read_all_seen(
        &self,
        lane: &LaneKey,
        minute: Minute,
        above: u64,
    ) -> impl Future<Output = Result<Vec<VoteId>, LaneStoreError>> {
        async move {
            let (mut ids, mut next) = (Vec::new(), Some(above));
            while let Some(above) = next {
                let page = self.read_seen(lane, minute, above).await?;
                ids.extend(page.ids);
                next = page.up_to;
            }
            Ok(ids)
        }
    }
    /// Writes a SEEN row, whether it exists or not: all writers give it the same content.
    fn put_seen(&self, lane: &LaneKey, row: &SeenRow) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// Writes a HEAD with a higher version, if the stored one has version `over` (0: if there is none). Else fails with
    /// `Conflict`.
    fn put_head(&self, lane: &LaneKey, head: &Head, over: u64) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// Writes the readers' copy of HEAD, unless the stored copy is as new.
    fn put_count(&self, lane: &LaneKey, head: &Head) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// Writes a run's rows. The run counts from when HEAD names it.
    fn put_run(&self, lane: &LaneKey, run: &NewRun) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// All rows of the lane's runs, whether HEAD names them or not.
    fn list_runs(&self, lane: &LaneKey) -> impl Future<Output = Result<Vec<RunRow>, LaneStoreError>>;
    /// Deletes rows of runs that HEAD does not name, and never will.
    fn delete_runs(&self, lane: &LaneKey, rows: &[RunRow]) -> impl Future<Output = Result<(), LaneStoreError>>;
}

/// One page of the ids in a minute's SEEN rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenIds {
    /// The ids.
    pub ids: Vec<VoteId>,
    /// The version of the last row read. If `None`, there are no more rows.
    pub up_to: Option<u64>,
}
