//! Changing a poll under its revision, so that a change lands when it says or is written again before the answer.

use crate::{
    aws, clock,
    config::ConfigError,
    domain::{ids::PollId, poll::Poll, poll_edit::CONFIG_WRITE_MS, time::Timestamp},
    http::Error,
    store::{PollStore, Replaced, StoreError},
};

/// How often a change is tried.
const ATTEMPTS_MAX: usize = 4;

/// The polls, to be changed by their owners.
pub struct Editing {
    polls: PollStore,
}

impl Editing {
    /// Editing over a table.
    pub fn new(polls: PollStore) -> Self {
        Self { polls }
    }

    /// Editing over the table that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// Replaces a poll by what `edit` makes of it. `edit` gets the poll as it stands, the time, and whether the poll
    /// that stands is an earlier try of ours, which may have landed late; it returns the very poll if there is nothing
    /// to write. A try that did not land is as if it had not been: the next write takes its revision.
    pub async fn change(
        &self,
        poll_id: &PollId,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        let mut tried: Vec<Poll> = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            let now = clock::now();
            let current = self.polls.poll(poll_id).await?.ok_or_else(Error::poll_not_found)?;
            let edited = edit(&current, now, tried.contains(&current))?;
            if edited == current {
                return Ok(current);
            }
            match self.polls.replace(&edited).await {
                Ok(Replaced::Done) if clock::now().millis_since(now) <= CONFIG_WRITE_MS => return Ok(edited),
                Ok(Replaced::Done) | Err(StoreError::Unavailable(_)) => tried.push(edited),
                Ok(Replaced::Overtaken) => {}
                Err(error @ StoreError::Broken(_)) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable("a poll's change did not land in time".to_owned()))
    }
}

#[cfg(test)]
mod tests;
