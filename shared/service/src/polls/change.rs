//! Changes a poll under its revision. A change lands in time, or is rewritten or fenced off before anyone is told about
//! it.

use aws_sdk_dynamodb::Client;
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    sdk,
    store::{DynamoDb, PollStore, Replaced, StoreError},
};
use landslide_domain::{
    ballot::Answer,
    error::Error,
    ids::PollId,
    lease::CONFIG_WRITE_MS,
    member::{Action, Member},
    poll::closing::{close, fence},
    poll::pausing::{pause, resume},
    poll::transfer::{accept, offer, withdraw},
    poll::{Poll, Status},
    role::Operation,
    tenant::Tenant,
    time::Timestamp,
};

#[cfg(any(test, feature = "text"))]
use landslide_domain::poll::ballot_kinds::BallotKinds;

#[cfg(any(test, feature = "text"))]
mod edit;
#[cfg(any(test, feature = "text"))]
mod hide;
mod tries;
use tries::Tries;

/// How often a change is tried. The pauses add up to 5.7 s on average, 11.5 s at most. A stalled transaction holds the
/// poll for as long.
const ATTEMPTS_MAX: u32 = 16;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ, up to n = `PAUSE_DOUBLINGS`.
const PAUSE_MS: u64 = 30;
const PAUSE_DOUBLINGS: u32 = 5;

/// The Polls table, for owners who change their polls.
pub struct PollChanges<D = Client, C = SystemClock> {
    polls: PollStore<D>,
    clock: C,
    #[cfg(any(test, feature = "text"))]
    kinds: BallotKinds,
}

impl PollChanges {
    /// Uses the table in the environment's variable, with an open connection.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let polls = PollStore::from_env(&sdk::sdk_config()?)?;
        polls.prime().await;
        Ok(Self::new(polls))
    }

    /// Uses this table.
    pub fn new(polls: PollStore) -> Self {
        Self::over(polls, SystemClock)
    }
}

impl<D: DynamoDb, C: Clock> PollChanges<D, C> {
    /// Uses a table in any database, with any clock.
    pub fn over(polls: PollStore<D>, clock: C) -> Self {
        Self {
            polls,
            clock,
            #[cfg(any(test, feature = "text"))]
            kinds: BallotKinds::All,
        }
    }

    /// The same for a deployment that takes these polls: no edit makes another one.
    #[cfg(any(test, feature = "text"))]
    pub fn taking(self, kinds: BallotKinds) -> Self {
        Self { kinds, ..self }
    }

    /// Closes the member's poll as early as possible. If it is already closed, returns it as it is.
    pub async fn close(&self, poll_id: &PollId, member: &Member) -> Result<Poll, Error> {
        member.must(Operation::ClosePoll)?;
        self.change(poll_id, member, Action::PollClosed, |poll, now, again| {
            poll.rules.must_be_of(&member.tenant)?;
            match poll.rules.status(now) {
                Status::Scheduled => Err(Error::PollNotOpen),
                Status::Closed if !again => Ok(poll.clone()),
                // An earlier try of ours closed it, perhaps before every process had read that.
                Status::Open | Status::Paused | Status::Closed => Ok(close(poll, now, again)),
            }
        })
        .await
    }

    /// Pauses the member's poll as early as possible. If it is paused already, or will be, returns it as it is.
    pub async fn pause(&self, poll_id: &PollId, member: &Member) -> Result<Poll, Error> {
        member.must(Operation::PausePoll)?;
        self.change(poll_id, member, Action::PollPaused, |poll, now, again| {
            poll.rules.must_be_of(&member.tenant)?;
            while_open(poll, now, again, || pause(poll, now, again))
        })
        .await
    }

    /// Resumes the member's poll at once. If it is not paused, returns it as it is.
    pub async fn resume(&self, poll_id: &PollId, member: &Member) -> Result<Poll, Error> {
        member.must(Operation::ResumePoll)?;
        self.change(poll_id, member, Action::PollResumed, |poll, now, again| {
            poll.rules.must_be_of(&member.tenant)?;
            while_open(poll, now, again, || resume(poll))
        })
        .await
    }

    /// Offers the member's poll to another tenant, instead of one that it is offered to so far.
    pub async fn offer(&self, poll_id: &PollId, member: &Member, to: &Tenant) -> Result<Poll, Error> {
        member.must(Operation::OfferPoll)?;
        self.change(poll_id, member, Action::PollOffered, |poll, _, _| {
            poll.rules.must_be_of(&member.tenant)?;
            offer(poll, to)
        })
        .await
    }

    /// Withdraws the offer of the member's poll. If there is none, returns the poll as it is.
    pub async fn withdraw_offer(&self, poll_id: &PollId, member: &Member) -> Result<Poll, Error> {
        member.must(Operation::WithdrawOffer)?;
        self.change(poll_id, member, Action::OfferWithdrawn, |poll, _, _| {
            poll.rules.must_be_of(&member.tenant)?;
            Ok(withdraw(poll))
        })
        .await
    }

    /// Makes a poll the member's tenant's, to which it is offered. If it is that already and offered to nobody, returns the
    /// poll as it is.
    pub async fn accept_offer(&self, poll_id: &PollId, member: &Member) -> Result<Poll, Error> {
        member.must(Operation::AcceptOffer)?;
        self.change(poll_id, member, Action::PollTransferred, |poll, _, _| accept(poll, &member.tenant)).await
    }

    /// Replaces a poll by the result of `edit`. `edit` receives the current poll, the time, and whether the current
    /// poll is an earlier try of ours that may have landed late. It returns the very poll if there is nothing to write.
    async fn change(
        &self,
        poll_id: &PollId,
        member: &Member,
        action: Action,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        self.change_hiding(poll_id, member, action, None, edit).await
    }

    /// The same, and with the poll the answers that the result hides are replaced, if there are any here.
    async fn change_hiding(
        &self,
        poll_id: &PollId,
        member: &Member,
        action: Action,
        hidden: Option<&[Answer]>,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
    ) -> Result<Poll, Error> {
        let mut tries = Tries::default();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                self.clock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            if let Some(outcome) = self.attempt(poll_id, (member, action), hidden, &edit, &mut tries).await {
                return outcome;
            }
        }
        Err(Error::Unavailable("a change to the poll did not land in time".to_owned()))
    }

    /// One attempt. Returns `None` if another is needed.
    async fn attempt(
        &self,
        poll_id: &PollId,
        (member, action): (&Member, Action),
        hidden: Option<&[Answer]>,
        edit: impl Fn(&Poll, Timestamp, bool) -> Result<Poll, Error>,
        tries: &mut Tries,
    ) -> Option<Result<Poll, Error>> {
        let current = match self.polls.poll(poll_id, &self.clock).await {
            Ok(Some(current)) => current,
            Ok(None) => return Some(Err(Error::NoSuchPoll)),
            // Pending writes must be fenced off before anyone is told that nothing changed.
            Err(StoreError::Unavailable(_)) if tries.any() => return None,
            Err(error) => return Some(Err(error.into())),
        };
        // Sampled after that read, however long it took: a process may die before it can rewrite what landed late.
        let now = self.clock.now();
        let is_ours = tries.look_at(&current);
        if is_ours && tries.landed_by(now) {
            return Some(Ok(current));
        }
        match edit(&current, now, is_ours) {
            Ok(edited) if edited != current => {
                self.write(stamped(edited, member, action, now), hidden, now, tries).await
            }
            // There is nothing to write, but a pending write might land after the response.
            settled if tries.may_still_land() => {
                let fenced = stamped(fence(&current), member, Action::ChangeGivenUp, now);
                self.fence_off(fenced, settled, tries).await
            }
            settled => {
                if is_ours {
                    tracing::warn!(poll = %poll_id, "a change to poll {poll_id} may have landed late and stays as it is: audit the poll");
                }
                Some(tries.told(settled))
            }
        }
    }

    async fn write(
        &self,
        edited: Poll,
        hidden: Option<&[Answer]>,
        now: Timestamp,
        tries: &mut Tries,
    ) -> Option<Result<Poll, Error>> {
        let written = match hidden {
            Some(answers) => self.polls.replace_hidden(&edited, answers).await,
            None => self.polls.replace(&edited).await,
        };
        match written {
            Ok(Replaced::Done) if self.clock.now().millis_since(now) <= CONFIG_WRITE_MS => Some(Ok(edited)),
            Ok(Replaced::Done) | Err(StoreError::Unavailable(_)) => {
                tries.note(edited, now);
                None
            }
            Ok(Replaced::Overtaken) => None,
            Err(error @ StoreError::Broken(_)) => Some(Err(error.into())),
        }
    }

    /// Takes the next revision without a change, so that no earlier try can land.
    async fn fence_off(
        &self,
        fenced: Poll,
        settled: Result<Poll, Error>,
        tries: &Tries,
    ) -> Option<Result<Poll, Error>> {
        match self.polls.replace(&fenced).await {
            Ok(Replaced::Done) => Some(tries.told(settled.map(|_| fenced))),
            Ok(Replaced::Overtaken) | Err(StoreError::Unavailable(_)) => None,
            Err(error @ StoreError::Broken(_)) => Some(Err(error.into())),
        }
    }
}

/// The change of a poll, which must have opened and not closed.
fn while_open(poll: &Poll, now: Timestamp, again: bool, changed: impl FnOnce() -> Poll) -> Result<Poll, Error> {
    match poll.rules.status(now) {
        Status::Scheduled => Err(Error::PollNotOpen),
        // An earlier try of ours landed before the closing.
        Status::Closed if again => Ok(poll.clone()),
        Status::Closed => Err(Error::PollClosed),
        Status::Open | Status::Paused => Ok(changed()),
    }
}

fn stamped(mut poll: Poll, member: &Member, action: Action, now: Timestamp) -> Poll {
    poll.rules.stamp = Some(member.stamp(action, now));
    poll
}

#[cfg(test)]
mod tests;
