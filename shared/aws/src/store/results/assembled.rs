//! Reads what results of a poll that is assembled are made from: the poll, and what is assembled of it.

use std::collections::HashMap;

use landslide_domain::{ids::PollId, keys, poll::Poll, poll::hidden::HiddenAnswers, time::Timestamp};

use super::{ResultsStore, poll_key, poll_keys};
use crate::{
    clock::SystemClock,
    store::{
        StoreError,
        assembled::{Assembled, lease_key, read_assembled, read_lease, result_key},
        item::Attributes,
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

impl ResultsStore {
    /// Reads a poll and what is assembled of it, strongly consistent, in one batch.
    pub async fn read_assembled(&self, poll_id: &PollId) -> Result<Option<AssembledSnapshot>, StoreError> {
        read_whole(&SystemClock, || self.assembled_snapshot(poll_id)).await
    }

    /// The answers that a poll hides, strongly consistent. They may be newer or, while a change lands, older than its rules.
    pub async fn hidden_answers(&self, poll: &PollId) -> Result<HiddenAnswers, StoreError> {
        let hidden = HashMap::from([(self.polls_table.clone(), vec![poll_key(poll, keys::HIDDEN)])]);
        read_hidden(&self.batch(hidden).await?.remove(&self.polls_table).unwrap_or_default())
    }

    async fn assembled_snapshot(&self, poll_id: &PollId) -> Result<Read<Option<AssembledSnapshot>>, StoreError> {
        let mut tables = HashMap::from([(self.polls_table.clone(), poll_keys(poll_id))]);
        tables.insert(self.tallies_table.clone(), vec![result_key(poll_id), lease_key(poll_id)]);
        let mut found = self.batch(tables).await?;
        let poll = match read_poll(&found.remove(&self.polls_table).unwrap_or_default())? {
            Read::Whole(Some(poll)) => poll,
            Read::Whole(None) => return Ok(Read::Whole(None)),
            Read::Torn => return Ok(Read::Torn),
        };
        let items = found.remove(&self.tallies_table).unwrap_or_default();
        let of = |kind: &str| items.iter().find(|item| Attributes(item).string(keys::ITEM).ok() == Some(kind));
        Ok(Read::Whole(Some(AssembledSnapshot {
            poll,
            assembled: of(keys::RESULT).map(read_assembled).transpose()?,
            lease_until: of(keys::LEASE).map(read_lease).transpose()?,
        })))
    }
}
