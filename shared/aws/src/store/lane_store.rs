//! What counting asks of the Tallies table.

use std::future::Future;

use landslide_domain::{
    change::VoteId,
    lane::LaneKey,
    tally::{Count, Head, Minute, SeenRow},
};

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
    /// A page of the ids in the minute's SEEN rows of versions above `above`, in the order of their versions.
    fn read_seen(
        &self,
        lane: &LaneKey,
        minute: Minute,
        above: u64,
    ) -> impl Future<Output = Result<SeenIds, LaneStoreError>>;
    /// All ids of these rows.
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
    /// Writes a SEEN row, whether or not it is there: every writer gives it the same content.
    fn put_seen(&self, lane: &LaneKey, row: &SeenRow) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// Writes HEAD, of a higher version, if the stored one has the version `over` (0: if there is none); else `Conflict`.
    fn put_head(&self, lane: &LaneKey, head: &Head, over: u64) -> impl Future<Output = Result<(), LaneStoreError>>;
    /// The readers' copy of HEAD, without ids and never sealed; the default (version 0) before the first flush.
    fn read_count(&self, lane: &LaneKey) -> impl Future<Output = Result<Count, LaneStoreError>>;
    /// Writes the readers' copy of HEAD unless it is as new already.
    fn put_count(&self, lane: &LaneKey, head: &Head) -> impl Future<Output = Result<(), LaneStoreError>>;
}

/// A page of the ids of a minute's SEEN rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenIds {
    /// The ids.
    pub ids: Vec<VoteId>,
    /// The version of the last row that was read, if there may be more rows after it.
    pub up_to: Option<u64>,
}
