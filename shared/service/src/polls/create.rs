//! Creates polls: once per id, however often a caller repeats the request with one idempotency key.

use landslide_aws::{
    clock::{Clock, SystemClock},
    random,
    store::{Created, LimitStore, PollStore},
};
#[cfg(feature = "creation")]
use landslide_aws::{config, sdk, secret};
use landslide_domain::{
    error::Error,
    ids::PollId,
    limits::{Limits, Quota},
    member::{Action, Member},
    method::LotSeed,
    poll::ballot_kinds::BallotKinds,
    poll::copy::CopyPoll,
    poll::request::{CreatePoll, Drawn, NewPoll},
    poll::{Poll, Rules},
    role::Operation,
};

/// How often a poll is written because a transaction of another request held the tenant's day. The pauses add up to 5.7 s
/// on average, 11.5 s at most.
const ATTEMPTS_MAX: u32 = 16;
/// The pause before the n-th further attempt is drawn at random below this times 2ⁿ, up to n = `PAUSE_DOUBLINGS`.
const PAUSE_MS: u64 = 30;
const PAUSE_DOUBLINGS: u32 = 5;

/// The tables of polls and of limits, and what a new poll needs.
pub struct PollCreation {
    polls: PollStore,
    limits: LimitStore,
    poll_id_secret: Vec<u8>,
    lanes_min: u8,
    kinds: BallotKinds,
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
    /// Creates polls of these kinds in this table, with at least `lanes_min` lanes, and counts them by tenant. The
    /// secret turns idempotency keys into ids.
    pub fn new(
        polls: PollStore,
        limits: LimitStore,
        poll_id_secret: Vec<u8>,
        lanes_min: u8,
        kinds: BallotKinds,
    ) -> Self {
        Self { polls, limits, poll_id_secret, lanes_min, kinds }
    }

    /// The service that the environment configures, with an open connection.
    #[cfg(feature = "creation")]
    pub async fn from_env() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let aws = sdk::sdk_config()?;
        let poll_id_secret = secret::read(&aws, &config::text("POLL_ID_SECRET")?).await?;
        let (polls, limits) = (PollStore::from_env(&aws)?, LimitStore::from_env(&aws)?);
        polls.prime().await;
        let (lanes_min, kinds) = (config::value("MIN_LANES")?, config::value("BALLOT_KINDS")?);
        Ok(Self::new(polls, limits, poll_id_secret, lanes_min, kinds))
    }

    /// Creates a poll for a tenant within its limits. If the tenant has used the idempotency key before, returns the poll
    /// created then, as it is now, whatever the limits.
    pub async fn create(
        &self,
        member: &Member,
        limits: &Limits,
        key: Option<&str>,
        asked: CreatePoll,
    ) -> Result<CreatedPoll, Error> {
        member.must(Operation::CreatePoll)?;
        let new = asked.validate().map_err(Error::InvalidFields)?;
        let poll_id = self.id(member, key)?;
        match self.earlier(member, key, &poll_id, new.hash()).await? {
            Some(earlier) => Ok(earlier),
            None => self.create_new(member, limits, poll_id, new).await,
        }
    }

    /// Creates a copy of the member's poll, within the limits and once per idempotency key as `create` does.
    pub async fn copy(
        &self,
        member: &Member,
        limits: &Limits,
        key: Option<&str>,
        source: &PollId,
        asked: CopyPoll,
    ) -> Result<CreatedPoll, Error> {
        member.must(Operation::CopyPoll)?;
        let poll_id = self.id(member, key)?;
        if let Some(earlier) = self.earlier(member, key, &poll_id, asked.hash(source)).await? {
            return Ok(earlier);
        }
        let source = self.polls.poll(source, &SystemClock).await?.ok_or(Error::NoSuchPoll)?;
        source.rules.must_be_of(&member.tenant)?;
        let new = asked.of(&source, SystemClock.now()).map_err(Error::InvalidFields)?;
        self.create_new(member, limits, poll_id, new).await
    }

    /// The poll that the member's tenant has created with the key before, as it is now. Fails if that was another
    /// request.
    async fn earlier(
        &self,
        member: &Member,
        key: Option<&str>,
        poll_id: &PollId,
        request_hash: [u8; 32],
    ) -> Result<Option<CreatedPoll>, Error> {
        if key.is_none() {
            return Ok(None);
        }
        let poll = self.polls.poll(poll_id, &SystemClock).await?;
        poll.map(|poll| repeated(member, poll, request_hash)).transpose()
    }

    async fn create_new(
        &self,
        member: &Member,
        limits: &Limits,
        poll_id: PollId,
        new: NewPoll,
    ) -> Result<CreatedPoll, Error> {
        let request_hash = new.hash();
        let poll = self.drafted(new, poll_id, member)?;
        self.kinds.must_take(&poll.rules.settings.spec)?;
        self.must_have_room(&poll.rules, limits).await?;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                SystemClock.back_off(PAUSE_MS, attempt.min(PAUSE_DOUBLINGS)).await;
            }
            let (rules, max) = (&poll.rules, limits.polls_per_day);
            let counted = self.limits.one_more_poll(&rules.tenant, max, rules.settings.created_at)?;
            match self.polls.create(&poll, &[counted]).await? {
                Created::New => return Ok(CreatedPoll { poll, is_new: true }),
                Created::Exists => return self.there_already(member, &rules.settings.poll_id, request_hash).await,
                Created::Refused => return Err(used_up(rules, limits)),
                Created::Busy => {}
            }
        }
        Err(Error::Unavailable("a poll could not be counted: others were first again and again".to_owned()))
    }

    /// Fails unless the tenant may have this poll too. Only the transaction knows the day's count for sure.
    async fn must_have_room(&self, poll: &Rules, limits: &Limits) -> Result<(), Error> {
        let max = limits.open_polls;
        if limits.polls_per_day == 0 {
            Err(used_up(poll, limits))
        } else if self.polls.count_open(&poll.tenant, max, poll.settings.created_at).await? >= max {
            Err(Error::TooManyOpenPolls(max))
        } else {
            Ok(())
        }
    }

    async fn there_already(
        &self,
        member: &Member,
        poll_id: &PollId,
        request_hash: [u8; 32],
    ) -> Result<CreatedPoll, Error> {
        // A query is not isolated from a transaction: the other create may still be landing.
        let landing = || Error::Unavailable("a poll with this id is being created".to_owned());
        repeated(member, self.polls.poll(poll_id, &SystemClock).await?.ok_or_else(landing)?, request_hash)
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
        let drawn = Drawn { salt: random::bytes()?, lot_seed: LotSeed::from_bytes(random::bytes()?) };
        let poll = new.create(poll_id, &member.tenant, stamp, drawn, self.lanes_min, now);
        poll.map_err(|error| Error::InvalidFields(vec![error]))
    }
}

fn used_up(poll: &Rules, limits: &Limits) -> Error {
    Error::LimitExceeded(Quota::no_more_polls(limits, poll.settings.created_at))
}

fn repeated(member: &Member, poll: Poll, request_hash: [u8; 32]) -> Result<CreatedPoll, Error> {
    // It may have gone to another tenant since.
    poll.rules.must_be_of(&member.tenant)?;
    if poll.rules.request_hash == request_hash {
        Ok(CreatedPoll { poll, is_new: false })
    } else {
        Err(Error::IdempotencyConflict)
    }
}
