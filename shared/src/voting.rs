//! Casting, changing and taking back a vote: what `domain::vote` decides, over the two tables that it needs.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use crate::{
    aws,
    clock::{Clock, SystemClock},
    config::ConfigError,
    domain::{
        caller::Caller,
        choices::Choices,
        ids::{PollId, VoterKey},
        poll::{Rules, Status},
        time::Timestamp,
        vote::{Asked, Decision, Revisions, Vote, decide},
    },
    http::Error,
    random,
    store::{DynamoDb, PollCache, PollStore, PutVote, VoteStore},
};

/// How often one request is weighed anew because another one of the same voter came first.
const WEIGHINGS_MAX: usize = 6;

/// The polls, as remembered, and the votes.
pub struct Voting<D = Client, C = SystemClock> {
    polls: PollCache<D>,
    votes: VoteStore<D>,
    clock: C,
}

/// A vote that stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The vote.
    pub vote: Vote,
    /// Whether this request wrote it.
    pub is_new: bool,
}

impl Voting {
    /// Voting over the tables that the environment names, its connection made.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let aws = aws::sdk_config()?;
        let voting = Self::new(PollStore::from_env(&aws)?, VoteStore::from_env(&aws)?);
        voting.polls.prime().await;
        Ok(voting)
    }

    /// Voting over two tables.
    pub fn new(polls: PollStore, votes: VoteStore) -> Self {
        Self::over(polls, votes, SystemClock)
    }
}

impl<D: DynamoDb, C: Clock> Voting<D, C> {
    /// Voting over two tables of any database, by any clock.
    pub fn over(polls: PollStore<D>, votes: VoteStore<D>, clock: C) -> Self {
        Self { polls: PollCache::new(polls), votes, clock }
    }

    /// The caller's own vote, by a strongly consistent read.
    pub async fn vote_of(&self, poll_id: &PollId, caller: &Caller) -> Result<Option<Vote>, Error> {
        let rules = self.polls.rules(poll_id, self.clock.now()).await?.ok_or_else(Error::poll_not_found)?;
        Ok(self.votes.vote(&rules, &voter(caller, &rules)?).await?)
    }

    /// Lets the caller's choices stand (none: takes the vote back), and says what stands then. `choose` gives the
    /// choices by the rules that admit the vote. What stands already is settled also when the poll takes votes no more.
    pub async fn settle(
        &self,
        poll_id: &PollId,
        caller: &Caller,
        only_over: Option<Revisions>,
        choose: impl FnOnce(&Rules) -> Result<Option<Choices>, Error>,
    ) -> Result<Settled, Error> {
        let (rules, cast_at) = self.admission(poll_id).await?;
        let voter = voter(caller, &rules)?;
        let choices = choose(&rules)?;
        let refusal = match rules.status(cast_at) {
            Status::Open => {
                let nonce = u32::from_be_bytes(random::bytes()?);
                return self.write(&rules, Asked { voter, choices, only_over, cast_at, nonce }).await;
            }
            Status::Scheduled => Error::PollNotOpen,
            Status::Closed => Error::PollClosed,
        };
        match self.votes.vote(&rules, &voter).await? {
            Some(vote) if vote.choices == choices => Ok(Settled { vote, is_new: false }),
            None if choices.is_none() => Err(Error::NO_VOTE),
            _ => Err(refusal),
        }
    }

    /// The rules by which a vote is judged, and the time at which they are: the lease, the poll's times and `cast_at`
    /// go by one reading of the clock. A remembered poll never refuses: that takes a fresh read.
    async fn admission(&self, poll_id: &PollId) -> Result<(Arc<Rules>, Timestamp), Error> {
        let now = self.clock.now();
        let remembered = self.polls.rules(poll_id, now).await?.ok_or_else(Error::poll_not_found)?;
        if remembered.status(now) == Status::Open {
            return Ok((remembered, now));
        }
        let fresh = self.polls.fresh_rules(poll_id, now).await?.ok_or_else(Error::poll_not_found)?;
        Ok((fresh, now))
    }

    /// Weighs and writes until what stands is what was decided. A first vote is written without any look: where there
    /// is one already, the refusal brings it along.
    async fn write(&self, rules: &Rules, asked: Asked) -> Result<Settled, Error> {
        let looks_first = asked.choices.is_none() || asked.only_over.is_some();
        let mut stored = if looks_first { self.votes.vote(rules, &asked.voter).await? } else { None };
        for _ in 0..WEIGHINGS_MAX {
            let vote = match decide(stored.as_ref(), &asked, rules) {
                Decision::Write(vote) => vote,
                Decision::OwnWrite(vote) => return Ok(Settled { vote, is_new: true }),
                Decision::Repeat(vote) => return Ok(Settled { vote, is_new: false }),
                Decision::AlreadyVoted => return Err(Error::AlreadyVoted),
                Decision::ChangeNotAllowed => return Err(Error::VoteChangeNotAllowed),
                Decision::RevisionMismatch => return Err(Error::RevisionMismatch),
                Decision::NeverVoted => return Err(Error::NO_VOTE),
            };
            match self.votes.put(rules, &asked.voter, &vote).await? {
                PutVote::Stored => return Ok(Settled { vote, is_new: true }),
                PutVote::Exists(other) => stored = Some(other),
            }
        }
        Err(Error::Unavailable("a voter's requests overtook each other again and again".to_owned()))
    }
}

/// The caller as a voter of the poll, if the poll takes votes of such callers.
fn voter(caller: &Caller, rules: &Rules) -> Result<VoterKey, Error> {
    if rules.settings.identity.admits(caller.kind) {
        Ok(rules.voter(caller))
    } else {
        Err(Error::Forbidden("this poll takes votes of accounts only"))
    }
}
