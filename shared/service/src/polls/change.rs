//! Changing a poll under its revision, so that a change lands when it says, or is written again or fenced off before
//! anybody is told of it.

use aws_sdk_dynamodb::Client;
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    sdk,
    store::{DynamoDb, PollStore, Replaced, StoreError},
};
use landslide_domain::{
    caller::Caller,
    error::Error,
    ids::PollId,
    lease::CONFIG_WRITE_MS,
    poll::closing::{close, fence},
    poll::{Poll, Status},
    time::Timestamp,
};

#[cfg(any(test, feature = "text"))]
mod edit;
mod tries;
use tries::Tries;

/// How often a change is tried: with 5.7 s of pauses on average, and 11.5 s at most. A transaction that stalls holds the
/// poll for as long.
const ATTEMPTS_MAX: u32 = 16;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ, up to n = `PAUSE_DOUBLINGS`.
const PAUSE_MS: u64 = 30;
const PAUSE_DOUBLINGS: u32 = 5;

/// The table of polls, to be changed by their owners.
pub struct PollChanges<D = Client, C = SystemClock> {
    polls: PollStore<D>,
    clock: C,
}

impl PollChanges {
    /// Changes in the table that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&sdk::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// Changes in a table.
    pub fn new(polls: PollStore) -> Self {
        Self::over(polls, SystemClock)
    }
}

impl<D: DynamoDb, C: Clock> PollChanges<D, C> {
    /// Changes in a table of any database, by any clock.
    pub fn over(polls: PollStore<D>, clock: C) -> Self {
        Self { polls, clock }
    }

    /// Closes the caller's poll as early as can be strict. Closed already: the poll as it is.
    pub async fn close(&self, poll_id: &PollId, caller: &Caller) -> Result<Poll, Error> {
        self.change(poll_id, |poll, now, again| {
            poll.rules.must_be_of(caller)?;
            match poll.rules.status(now) {
                Status::Scheduled => Err(Error::PollNotOpen),
                Status::Closed if !again => Ok(poll.clone()),
                // Closed by an earlier try of ours, that is: perhaps before everybody has read it.
                Status::Open | Status::Closed => Ok(close(poll, now, again)),
            }
        })
        .await
    }

    /// Replaces a poll by what `edit` makes of it. `edit` gets the poll as it stands, the time, and whether the poll
    /// that stands is an earlier try of ours, which may have landed late; it returns the very poll if there is nothing
    /// to write.
    async fn change(
        &self,
        poll_id: &PollId,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        let mut tries = Tries::default();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                self.clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            if let Some(outcome) = self.attempt(poll_id, &edit, &mut tries).await {
                return outcome;
            }
        }
        Err(Error::Unavailable("a poll's change did not land in time".to_owned()))
    }

    /// One attempt; `None` if there is to be another one.
    async fn attempt(
        &self,
        poll_id: &PollId,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
        tries: &mut Tries,
    ) -> Option<Result<Poll, Error>> {
        let current = match self.polls.poll(poll_id, &self.clock).await {
            Ok(Some(current)) => current,
            Ok(None) => return Some(Err(Error::NoSuchPoll)),
            // What is under way must be fenced off before anybody is told that nothing was changed.
            Err(StoreError::Unavailable(_)) if tries.any() => return None,
            Err(error) => return Some(Err(error.into())),
        };
        // After that look, however long it took: a process may die before it can write again what landed late.
        let now = self.clock.now();
        let is_ours = tries.look_at(&current);
        if is_ours && tries.landed_by(now) {
            return Some(Ok(current));
        }
        match edit(&current, now, is_ours) {
            Ok(edited) if edited != current => self.write(edited, now, tries).await,
            // Nothing is to be written, but what is under way might land after the answer.
            settled if tries.may_still_land() => self.fence_off(&current, settled, tries).await,
            settled => {
                if is_ours {
                    tracing::warn!(poll = %poll_id, "a change of poll {poll_id} may have landed late, and stays: audit the poll");
                }
                Some(tries.told(settled))
            }
        }
    }

    async fn write(&self, edited: Poll, now: Timestamp, tries: &mut Tries) -> Option<Result<Poll, Error>> {
        match self.polls.replace(&edited).await {
            Ok(Replaced::Done) if self.clock.now().millis_since(now) <= CONFIG_WRITE_MS => Some(Ok(edited)),
            Ok(Replaced::Done) | Err(StoreError::Unavailable(_)) => {
                tries.note(edited, now);
                None
            }
            Ok(Replaced::Overtaken) => None,
            Err(error @ StoreError::Broken(_)) => Some(Err(error.into())),
        }
    }

    /// Takes the next revision without a change, so that no earlier try can land any more.
    async fn fence_off(
        &self,
        current: &Poll,
        settled: Result<Poll, Error>,
        tries: &Tries,
    ) -> Option<Result<Poll, Error>> {
        let fenced = fence(current);
        match self.polls.replace(&fenced).await {
            Ok(Replaced::Done) => Some(tries.told(settled.map(|_| fenced))),
            Ok(Replaced::Overtaken) | Err(StoreError::Unavailable(_)) => None,
            Err(error @ StoreError::Broken(_)) => Some(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests;
