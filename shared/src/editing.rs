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
    /// Editing over the table that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self { polls })
    }

    /// Replaces a poll by what `edit` makes of it. `edit` gets the poll as it stands, the time, and whether an earlier try
    /// may have landed (late, or with its answer lost); it returns the very poll if there is nothing to write.
    pub async fn change(
        &self,
        poll_id: &PollId,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        let mut again = false;
        for _ in 0..ATTEMPTS_MAX {
            let now = clock::now();
            let current = self.polls.poll(poll_id).await?.ok_or_else(Error::poll_not_found)?;
            let edited = edit(&current, now, again)?;
            if edited == current {
                return Ok(current);
            }
            match self.polls.replace(&edited).await {
                Ok(Replaced::Done) if clock::now().millis_since(now) <= CONFIG_WRITE_MS => return Ok(edited),
                Ok(Replaced::Done) | Err(StoreError::Unavailable(_)) => again = true,
                Ok(Replaced::Overtaken) => {}
                Err(error @ StoreError::Broken(_)) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable("a poll's change did not land in time".to_owned()))
    }
}
