//! Reads what results of a poll that is assembled are made from: the poll, and what is assembled of it.

use std::collections::HashMap;

use landslide_domain::{ids::PollId, keys, poll::Poll, poll::hidden::HiddenAnswers, time::Timestamp};

use super::{ResultsStore, RowsRead, poll_key, poll_keys, rows};
use crate::{
    clock::SystemClock,
    store::{
        StoreError,
        assembled::{Assembled, lease_key, read_assembled, read_lease, result_key},
        item::{Attributes, Item},
        polls::{Read, read_hidden, read_poll, read_whole},
    },
};

/// A poll, and what is assembled of it.
#[derive(Debug)]
pub struct AssembledSnapshot {
    /// The poll.
    pub poll: Poll,
    /// What is assembled. `None` before the first time.
    pub assembled: Option<Assembled>,
    /// Until when nobody need renew it. `None` before the first time.
    pub lease_until: Option<Timestamp>,
}

impl AssembledSnapshot {
    /// Of a poll, and items that other processes have packed. Fails if these are not what was packed.
    pub fn of_packed(poll: Poll, packed: &[u8]) -> Result<Self, StoreError> {
        Self::of(poll, &rows::unpack(packed)?)
    }

    /// Of a poll, and the items RESULT and LEASE in any order.
    fn of(poll: Poll, items: &[Item]) -> Result<Self, StoreError> {
        let of = |kind: &str| items.iter().find(|item| Attributes(item).string(keys::ITEM).ok() == Some(kind));
        Ok(Self {
            poll,
            assembled: of(keys::RESULT).map(read_assembled).transpose()?,
            lease_until: of(keys::LEASE).map(read_lease).transpose()?,
        })
    }
}

impl ResultsStore {
    /// Reads a poll, what is assembled of it and the items that were read: strongly consistent, in one batch.
    pub async fn read_assembled(&self, poll_id: &PollId) -> Result<Option<(AssembledSnapshot, RowsRead)>, StoreError> {
        read_whole(&SystemClock, || self.assembled_snapshot(poll_id)).await
    }

    /// The answers that a poll hides, strongly consistent. They may be newer or, while a change lands, older than its rules.
    pub async fn hidden_answers(&self, poll: &PollId) -> Result<HiddenAnswers, StoreError> {
        let hidden = HashMap::from([(self.polls_table.clone(), vec![poll_key(poll, keys::HIDDEN)])]);
        read_hidden(&self.batch(hidden).await?.remove(&self.polls_table).unwrap_or_default())
    }

    async fn assembled_snapshot(
        &self,
        poll_id: &PollId,
    ) -> Result<Read<Option<(AssembledSnapshot, RowsRead)>>, StoreError> {
        let mut tables = HashMap::from([(self.polls_table.clone(), poll_keys(poll_id))]);
        tables.insert(self.tallies_table.clone(), vec![result_key(poll_id), lease_key(poll_id)]);
        let mut found = self.batch(tables).await?;
        let of_poll = found.remove(&self.polls_table).unwrap_or_default();
        let poll = match read_poll(&of_poll)? {
            Read::Whole(Some(poll)) => poll,
            Read::Whole(None) => return Ok(Read::Whole(None)),
            Read::Torn => return Ok(Read::Torn),
        };
        let tallies = found.remove(&self.tallies_table).unwrap_or_default();
        let snapshot = AssembledSnapshot::of(poll, &tallies)?;
        Ok(Read::Whole(Some((snapshot, RowsRead { of_poll, tallies }))))
    }
}
