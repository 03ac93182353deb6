//! Changing a poll under its revision, so that a change lands when it says or is written again before the answer.

use aws_sdk_dynamodb::Client;

use crate::{
    aws,
    clock::{Clock, SystemClock},
    config::ConfigError,
    domain::{
        caller::Caller,
        ids::PollId,
        poll::{Poll, Status},
        poll_edit::{CONFIG_WRITE_MS, EditPoll, close},
        time::Timestamp,
        vote::Revisions,
    },
    http::Error,
    store::{DynamoDb, PollStore, Replaced, StoreError},
};

/// How often a change is tried.
const ATTEMPTS_MAX: usize = 4;

/// The polls, to be changed by their owners.
pub struct Editing<D = Client, C = SystemClock> {
    polls: PollStore<D>,
    clock: C,
}

impl Editing {
    /// Editing over the table that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// Editing over a table.
    pub fn new(polls: PollStore) -> Self {
        Self::over(polls, SystemClock)
    }
}

impl<D: DynamoDb, C: Clock> Editing<D, C> {
    /// Editing over a table of any database, by any clock.
    pub fn over(polls: PollStore<D>, clock: C) -> Self {
        Self { polls, clock }
    }

    /// Closes the caller's poll as early as can be strict. Closed already: the poll as it is.
    pub async fn close(&self, poll_id: &PollId, caller: &Caller) -> Result<Poll, Error> {
        self.change(poll_id, |poll, now, again| {
            poll.must_be_of(caller)?;
            match poll.rules.status(now) {
                Status::Scheduled => Err(Error::PollNotOpen),
                Status::Closed if !again => Ok(poll.clone()),
                // Closed by an earlier try of ours, that is: perhaps before everybody has read it.
                Status::Open | Status::Closed => Ok(close(poll, now, again)),
            }
        })
        .await
    }

    /// Edits the caller's poll if its revision is one of those expected.
    pub async fn edit(
        &self,
        poll_id: &PollId,
        caller: &Caller,
        expected: &Revisions,
        edit: &EditPoll,
    ) -> Result<Poll, Error> {
        self.change(poll_id, |poll, now, again| {
            poll.must_be_of(caller)?;
            // An earlier try of ours may be the revision that stands now.
            let revision = poll.rules.settings.revision;
            if expected.include(revision) || again && expected.include(revision - 1) {
                Ok(edit.apply(poll, now, again)?)
            } else {
                Err(Error::RevisionMismatch)
            }
        })
        .await
    }

    /// Replaces a poll by what `edit` makes of it. `edit` gets the poll as it stands, the time, and whether the poll
    /// that stands is an earlier try of ours, which may have landed late; it returns the very poll if there is nothing
    /// to write. A try that did not land is as if it had not been: the next write takes its revision.
    async fn change(
        &self,
        poll_id: &PollId,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        let mut tried: Vec<Poll> = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            let current = self.polls.poll(poll_id).await?.ok_or_else(Error::poll_not_found)?;
            // After that look, however long it took: a process may die before it can write again what landed late.
            let now = self.clock.now();
            let edited = edit(&current, now, tried.iter().any(|tried| tried.is_but_for_lanes(&current)))?;
            if edited == current {
                return Ok(current);
            }
            match self.polls.replace(&edited).await {
                Ok(Replaced::Done) if self.clock.now().millis_since(now) <= CONFIG_WRITE_MS => return Ok(edited),
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
