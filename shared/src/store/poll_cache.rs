//! Polls' rules, remembered for a lease, so that a warm vote costs no read.
//!
//! A change of a poll takes effect everywhere within lease + skew + write = 9 s. A remembered poll never refuses:
//! a refusal follows a fresh read, at most one a second a poll and process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{PollStore, StoreError};
use crate::domain::{
    poll::{PollId, Rules},
    time::Timestamp,
};

/// How long a poll that was read is believed, counted by wall clock from before the read is sent.
pub const CONFIG_LEASE_MS: u64 = 5_000;
/// By how much two clocks may differ.
pub const CLOCK_SKEW_MS: u64 = 1_000;
/// How long a change of a poll may take to land.
pub const CONFIG_WRITE_MS: u64 = 3_000;
/// After how long a closed poll can't have been opened again by a change that was under way.
const FINAL_MS: u64 = CONFIG_LEASE_MS + CLOCK_SKEW_MS + CONFIG_WRITE_MS;
/// How long "no such poll" is believed, and the shortest time between two fresh reads of one poll.
const FRESH_MS: u64 = 1_000;
/// How many polls are remembered.
const POLLS_MAX: usize = 1_000;

/// The Polls table behind what this process remembers of it.
pub struct PollCache {
    polls: PollStore,
    known: Mutex<HashMap<PollId, Known>>,
}

#[derive(Clone)]
struct Known {
    rules: Option<Arc<Rules>>,
    /// Before the read was sent.
    read_at: Timestamp,
}

impl PollCache {
    /// A cache that knows nothing yet.
    pub fn new(polls: PollStore) -> Self {
        Self { polls, known: Mutex::default() }
    }

    /// A poll's rules, at most a lease old. `now` is the time before this call.
    pub async fn rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        self.not_older_than(poll, now, CONFIG_LEASE_MS).await
    }

    /// A poll's rules, at most a second old: what a refusal rests on. One that shows the poll closed for longer
    /// than any change can be under way is final, and read no more.
    pub async fn fresh_rules(&self, poll: &PollId, now: Timestamp) -> Result<Option<Arc<Rules>>, StoreError> {
        match self.remembered(poll) {
            Some(known) if known.is_final() => Ok(known.rules),
            _ => self.not_older_than(poll, now, FRESH_MS).await,
        }
    }

    async fn not_older_than(
        &self,
        poll: &PollId,
        now: Timestamp,
        age_max: u64,
    ) -> Result<Option<Arc<Rules>>, StoreError> {
        if let Some(known) = self.remembered(poll)
            && known.is_younger_than(if known.rules.is_some() { age_max } else { FRESH_MS }, now)
        {
            return Ok(known.rules);
        }
        let rules = self.polls.rules(poll).await?.map(Arc::new);
        self.remember(poll, Known { rules: rules.clone(), read_at: now });
        Ok(rules)
    }

    fn remembered(&self, poll: &PollId) -> Option<Known> {
        self.lock().get(poll).cloned()
    }

    fn remember(&self, poll: &PollId, known: Known) {
        let mut all = self.lock();
        if all.len() >= POLLS_MAX {
            all.clear();
        }
        all.insert(poll.clone(), known);
    }

    /// Whole entries are put in and taken out, so what a panic left behind is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<PollId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the connection before the first request.
    pub async fn prime(&self) {
        self.polls.prime().await;
    }
}

impl Known {
    fn is_final(&self) -> bool {
        let closes_at = self.rules.as_ref().and_then(|rules| rules.closes_at);
        closes_at.is_some_and(|closes_at| self.read_at.millis_since(closes_at) > FINAL_MS)
    }

    /// A clock that was set back makes it old at once.
    fn is_younger_than(&self, age_max: u64, now: Timestamp) -> bool {
        now >= self.read_at && now.millis_since(self.read_at) < age_max
    }
}
