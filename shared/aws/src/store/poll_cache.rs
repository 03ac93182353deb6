//! Polls' rules, cached for a lease, so that a warm vote costs no read.
//!
//! A cached poll never refuses a vote: a refusal follows a fresh read, at most one a second per poll and process.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use landslide_domain::{
    ids::PollId,
    lease::CONFIG_LEASE_MS,
    poll::{Rules, Status},
    time::Timestamp,
};

use super::{DynamoDb, PollStore, StoreError};
use crate::cache::{Cache, Cached};

/// How long "no such poll" is believed, and the shortest time between two fresh reads of a poll.
const FRESH_MS: u64 = 1_000;
/// How many polls are cached.
const POLLS_MAX: usize = 1_000;

/// The Polls table behind a cache.
pub struct PollCache<D = Client> {
    polls: PollStore<D>,
    known: Cache<PollId, Option<Arc<Rules>>>,
}

impl<D: DynamoDb> PollCache<D> {
    /// An empty cache.
    pub fn new(polls: PollStore<D>) -> Self {
        Self { polls, known: Cache::new(POLLS_MAX) }
    }

    /// A poll's rules, at most one lease old at `now`. `now` must be sampled before this call.
    pub async fn rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        self.not_older_than(poll, now, CONFIG_LEASE_MS).await
    }

    /// A poll's rules, at most a second old, to base a refusal on.
    pub async fn fresh_rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        self.not_older_than(poll, now, FRESH_MS).await
    }

    async fn not_older_than(
        &self,
        poll: &PollId,
        now: Timestamp,
        age_ms: u64,
    ) -> Result<Option<Arc<Rules>>, StoreError> {
        if let Some(known) = self.known.get(poll)
            && (was_closed(&known) || is_fresh(&known, now, age_ms))
        {
            return Ok(known.value);
        }
        let rules = self.polls.rules(poll).await?.map(Arc::new);
        self.known.put(poll, rules.clone(), now);
        Ok(rules)
    }

    /// Sends one read, so that the connection is open before the first request.
    pub async fn prime(&self) {
        if let Some(nobody) = PollId::parse("prime")
            && let Err(error) = self.polls.rules(&nobody).await
        {
            tracing::warn!(%error, "the connection to the Polls table was not opened ahead: {error}");
        }
    }
}

fn is_fresh(known: &Cached<Option<Arc<Rules>>>, now: Timestamp, age_ms: u64) -> bool {
    let age_ms = if known.value.is_some() { age_ms } else { FRESH_MS };
    known.is_younger_than(age_ms, now) && !has_turned_since(known, now)
}

/// Whether the poll has opened, closed or begun a pause since it was read. Its times may have changed before that, so it
/// is read again: nobody is let in too early, and nobody is told of a closing that was moved or a pause that never began.
fn has_turned_since(known: &Cached<Option<Arc<Rules>>>, now: Timestamp) -> bool {
    let settings = known.value.as_ref().map(|rules| &rules.settings);
    let times = settings
        .into_iter()
        .flat_map(|settings| [settings.spec.opens_at, settings.spec.closes_at, settings.paused_from]);
    times.flatten().any(|at| known.read_at < at && at <= now)
}

/// Whether the poll was already closed when it was read. It then stays closed, and needs no further read.
fn was_closed(known: &Cached<Option<Arc<Rules>>>) -> bool {
    known.value.as_ref().is_some_and(|rules| rules.status(known.read_at) == Status::Closed)
}
