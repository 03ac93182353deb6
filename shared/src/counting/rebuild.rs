//! Counts made anew from the vote items of a poll that takes no votes any more, where messages can't mend them.
//!
//! First every lane is sealed, in a new version of HEAD: from there on no message changes it, and a process that has read
//! HEAD before fails at its version. Then the votes are read, and each lane gets the counts that they come to, sealed
//! still. Each step is one conditional write, and finds what an earlier try has done: whoever dies on the way begins
//! again from the first step. All votes must have landed before the lanes' votes are read: what lands later is not
//! counted, until the next rebuild.

use super::{LaneStore, LaneStoreError};
use crate::domain::{
    lane::LaneKey,
    tally::{Counters, Head, Ids},
    time::Timestamp,
};

/// Seals a lane, unless it is; its HEAD from there on. `Conflict` if it was counted meanwhile: try again.
pub async fn seal(store: &impl LaneStore, lane: &LaneKey) -> Result<Head, LaneStoreError> {
    let head = store.read_head(lane).await?;
    if head.sealed {
        return Ok(head);
    }
    let sealed = Head { sealed: true, ..head.again() };
    store.put_head(lane, &sealed).await?;
    Ok(sealed)
}

/// Gives a sealed lane the counts that its votes come to, which were read after it was sealed, and shows them to readers.
/// `Conflict` if another rebuild came first: seal and read again.
pub async fn replace(
    store: &impl LaneStore,
    lane: &LaneKey,
    sealed: &Head,
    counters: Counters,
    as_of: Option<Timestamp>,
) -> Result<(), LaneStoreError> {
    publish(store, lane, &Head { counters, as_of, recent: Ids::new(), ..sealed.clone() }).await
}

/// Writes what HEAD says once more, as a version of its own, so that the readers' copy is written anew.
pub async fn publish(store: &impl LaneStore, lane: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
    let again = head.again();
    store.put_head(lane, &again).await?;
    store.put_count(lane, &again).await
}
