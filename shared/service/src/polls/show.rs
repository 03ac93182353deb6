//! Shows a poll to anyone, from a copy that a process caches for a second.

use std::sync::Arc;

use landslide_aws::{clock::SystemClock, config::ConfigError, sdk, store::PollStore};
use landslide_domain::{error::Error, ids::PollId, poll::Poll, time::Timestamp};

use crate::current::Current;

/// The most polls that a process caches.
const POLLS_MAX: usize = 100;

/// Polls, at most a second old.
pub struct CurrentPolls {
    polls: PollStore,
    current: Current<Poll>,
}

impl CurrentPolls {
    /// Uses the table in the environment's variable, with an open connection.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&sdk::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// Uses this table.
    pub fn new(polls: PollStore) -> Self {
        Self { polls, current: Current::new(POLLS_MAX) }
    }

    /// The poll at `now`, which must be sampled before this call.
    pub async fn poll(&self, poll_id: &PollId, now: Timestamp) -> Result<Arc<Poll>, Error> {
        let read = async |_| Ok(self.polls.poll(poll_id, &SystemClock).await?);
        self.current.get(poll_id, now, read).await
    }
}

#[cfg(test)]
mod tests;
