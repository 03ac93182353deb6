//! Polls' rules, remembered for a lease, so that a warm vote costs no read.
//!
//! A remembered poll never refuses: a refusal follows a fresh read, at most one a second a poll and process.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use super::{DynamoDb, PollStore, StoreError};
use crate::{
    domain::{
        ids::PollId,
        poll::Rules,
        poll_edit::{CHANGE_FELT_MS, CONFIG_LEASE_MS},
        time::Timestamp,
    },
    memory::{Memory, Remembered},
};

/// How long "no such poll" is believed, and the shortest time between two fresh reads of one poll.
const FRESH_MS: u64 = 1_000;
/// How many polls are remembered.
const POLLS_MAX: usize = 1_000;

/// The Polls table behind what this process remembers of it.
pub struct PollCache<D = Client> {
    polls: PollStore<D>,
    known: Memory<PollId, Option<Arc<Rules>>>,
}

impl<D: DynamoDb> PollCache<D> {
    /// A cache that knows nothing yet.
    pub fn new(polls: PollStore<D>) -> Self {
        Self { polls, known: Memory::new(POLLS_MAX) }
    }

    /// A poll's rules, at most a lease old at `now`, which must be a time before this call.
    pub async fn rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        self.not_older_than(poll, now, CONFIG_LEASE_MS).await
    }

    /// A poll's rules, at most a second old: what a refusal rests on. One that shows the poll closed for longer
    /// than any change can be under way is final, and read no more.
    pub async fn fresh_rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        match self.known.get(poll) {
            Some(known) if is_final(&known) => Ok(known.value),
            _ => self.not_older_than(poll, now, FRESH_MS).await,
        }
    }

    async fn not_older_than(
        &self,
        poll: &PollId,
        now: Timestamp,
        age_ms: u64,
    ) -> Result<Option<Arc<Rules>>, StoreError> {
        if let Some(known) = self.known.get(poll)
            && known.is_younger_than(if known.value.is_some() { age_ms } else { FRESH_MS }, now)
            && !has_opened_since(&known, now)
        {
            return Ok(known.value);
        }
        let rules = self.polls.rules(poll).await?.map(Arc::new);
        self.known.put(poll, rules.clone(), now);
        Ok(rules)
    }

    /// Sends one read, so that the connection is there before the first request.
    pub async fn prime(&self) {
        if let Some(nobody) = PollId::parse("prime")
            && let Err(error) = self.polls.rules(&nobody).await
        {
            tracing::warn!(%error, "prime polls table");
        }
    }
}

/// Whether the poll has opened since it was read: all of it may have changed until then, so it is read anew.
fn has_opened_since(known: &Remembered<Option<Arc<Rules>>>, now: Timestamp) -> bool {
    let opens_at = known.value.as_ref().and_then(|rules| rules.settings.opens_at);
    opens_at.is_some_and(|opens_at| known.read_at < opens_at && opens_at <= now)
}

fn is_final(known: &Remembered<Option<Arc<Rules>>>) -> bool {
    let closes_at = known.value.as_ref().and_then(|rules| rules.settings.closes_at);
    closes_at.is_some_and(|closes_at| known.read_at.millis_since(closes_at) > CHANGE_FELT_MS)
}
