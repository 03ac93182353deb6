//! Showing a poll to anyone, from a copy that a process keeps for a second.

use std::sync::Arc;

use landslide_aws::{clock::SystemClock, config::ConfigError, sdk, store::PollStore};
use landslide_domain::{error::Error, ids::PollId, poll::Poll, time::Timestamp};

use crate::current::Current;

/// The most polls that a process keeps.
const POLLS_MAX: usize = 100;

/// Polls as they are, at most a second old.
pub struct CurrentPolls {
    polls: PollStore,
    current: Current<Poll>,
}

impl CurrentPolls {
    /// The polls of the table that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&sdk::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// The polls of a table.
    pub fn new(polls: PollStore) -> Self {
        Self { polls, current: Current::new(POLLS_MAX) }
    }

    /// The poll as it may be shown at `now`, a time before this call.
    pub async fn poll(&self, poll_id: &PollId, now: Timestamp) -> Result<Arc<Poll>, Error> {
        let read = async |_| Ok(self.polls.poll(poll_id, &SystemClock).await?);
        self.current.get(poll_id, now, read).await
    }
}

#[cfg(test)]
mod tests;
