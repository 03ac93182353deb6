//! Creates polls: once per id, however often a caller repeats the request with one idempotency key.

use landslide_aws::{
    clock::{Clock, SystemClock},
    random,
    store::{Created, PollStore},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::{Action, Member},
    poll::Poll,
    poll::request::{CreatePoll, NewPoll},
    role::Operation,
};

/// The Polls table, and what a new poll needs.
pub struct PollCreation {
    polls: PollStore,
    poll_id_secret: Vec<u8>,
    lanes_min: u8,
}

/// A poll that exists now.
#[derive(Debug)]
pub struct CreatedPoll {
    /// The poll as it is now.
    pub poll: Poll,
    /// Whether this request created it.
    pub is_new: bool,
}

impl PollCreation {
    /// Creates polls in this table, with at least `lanes_min` lanes. The secret turns idempotency keys into ids.
    pub fn new(polls: PollStore, poll_id_secret: Vec<u8>, lanes_min: u8) -> Self {
        Self { polls, poll_id_secret, lanes_min }
    }

    /// Creates a poll for a tenant. If the tenant has used the idempotency key before, returns the poll created then, as
    /// it is now.
    pub async fn create(&self, member: &Member, key: Option<&str>, asked: CreatePoll) -> Result<CreatedPoll, Error> {
        member.must(Operation::CreatePoll)?;
        let new = asked.validate().map_err(Error::InvalidFields)?;
        let request_hash = new.hash();
        let poll_id = self.id(member, key)?;
        if key.is_some()
            && let Some(poll) = self.polls.poll(&poll_id, &SystemClock).await?
        {
            return repeated(poll, request_hash);
        }
        let poll = self.drafted(new, poll_id, member)?;
        match self.polls.create(&poll).await? {
            Created::New => Ok(CreatedPoll { poll, is_new: true }),
            Created::Exists => {
                // A query is not isolated from a transaction: the other create may still be landing.
                let landing = || Error::Unavailable("a poll with this id is being created".to_owned());
                let poll_id = &poll.rules.settings.poll_id;
                repeated(self.polls.poll(poll_id, &SystemClock).await?.ok_or_else(landing)?, request_hash)
            }
        }
    }

    fn id(&self, member: &Member, key: Option<&str>) -> Result<PollId, Error> {
        Ok(match key {
            Some(key) => PollId::of_idempotency_key(&self.poll_id_secret, &member.tenant.key(), key),
            None => PollId::from_bytes(random::bytes()?),
        })
    }

    fn drafted(&self, new: NewPoll, poll_id: PollId, member: &Member) -> Result<Poll, Error> {
        let now = SystemClock.now();
        let stamp = member.stamp(Action::PollCreated, now);
        let poll = new.create(poll_id, &member.tenant, stamp, random::bytes()?, self.lanes_min, now);
        poll.map_err(|error| Error::InvalidFields(vec![error]))
    }
}

fn repeated(poll: Poll, request_hash: [u8; 32]) -> Result<CreatedPoll, Error> {
    if poll.rules.request_hash == request_hash {
        Ok(CreatedPoll { poll, is_new: false })
    } else {
        Err(Error::IdempotencyConflict)
    }
}
