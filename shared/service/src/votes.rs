//! Casts, changes and retracts votes: applies the domain's decision to two tables.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use landslide_aws::{
    clock::{Clock, SystemClock},
    config::ConfigError,
    random, sdk,
    store::{DynamoDb, PollCache, PollStore, PutVote, VoteStore},
};
use landslide_domain::{
    ballot::Ballot,
    caller::Caller,
    error::Error,
    ids::{PollId, VoterKey},
    poll::{Rules, Status},
    time::Timestamp,
    vote::{Decision, Revisions, Vote, VoteRequest, VoteView, decide},
};
#[cfg(feature = "text")]
use landslide_domain::{ballot::SentBallot, country::Country};

/// How often a request is decided again because another one from the same voter landed first.
const WEIGHINGS_MAX: usize = 6;

/// The polls, cached, and the votes.
pub struct Votes<D = Client, C = SystemClock> {
    polls: PollCache<D>,
    votes: VoteStore<D>,
    clock: C,
}

/// What a voter wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A vote with this ballot, and the country that it came from, if that is known.
    #[cfg(feature = "text")]
    Cast(SentBallot, Option<Country>),
    /// No vote.
    Retract,
}

/// The vote that stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingVote {
    /// The vote.
    pub vote: Vote,
    /// Whether this request wrote it.
    pub is_new: bool,
    /// The rules of its poll.
    rules: Arc<Rules>,
}

impl StandingVote {
    /// The vote as its voter sees it. `None` if it is retracted.
    pub fn view(&self) -> Option<VoteView<'_>> {
        self.vote.view(&self.rules.settings)
    }
}

impl Wish {
    /// Checks the ballot against the poll. If `None`, no vote is to stand.
    #[cfg_attr(not(feature = "text"), allow(unused_variables, reason = "only what casts has ballots"))]
    fn ballot(&self, rules: &Rules, caller: &Caller, cast_at: Timestamp) -> Result<Option<Ballot>, Error> {
        match self {
            #[cfg(feature = "text")]
            Wish::Cast(sent, country) => {
                rules.ballot(sent, caller, *country, cast_at).map(Some).map_err(Error::InvalidBallot)
            }
            Wish::Retract => Ok(None),
        }
    }
}

impl Votes {
    /// Uses the tables in the environment's variables, with open connections.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let voting = Self::new(PollStore::from_env(&aws)?, VoteStore::from_env(&aws)?);
        voting.polls.prime().await;
        Ok(voting)
    }

    /// Uses these two tables.
    pub fn new(polls: PollStore, votes: VoteStore) -> Self {
        Self::over(polls, votes, SystemClock)
    }
}

impl<D: DynamoDb, C: Clock> Votes<D, C> {
    /// Uses two tables in any database, with any clock.
    pub fn over(polls: PollStore<D>, votes: VoteStore<D>, clock: C) -> Self {
        Self { polls: PollCache::new(polls), votes, clock }
    }

    /// Reads the caller's vote, strongly consistent. Fails if there is none, or it is retracted.
    pub async fn vote_of(&self, poll_id: &PollId, caller: &Caller) -> Result<StandingVote, Error> {
        let standing = self.stored_vote(poll_id, caller).await?;
        standing.filter(|standing| standing.vote.ballot.is_some()).ok_or(Error::NoVote)
    }

    /// Reads the caller's vote as stored, even if it is retracted.
    pub async fn stored_vote(&self, poll_id: &PollId, caller: &Caller) -> Result<Option<StandingVote>, Error> {
        let rules = self.polls.rules(poll_id, self.clock.now()).await?.ok_or(Error::NoSuchPoll)?;
        let stored = self.votes.vote(&rules, &voter(caller, &rules)?).await?;
        Ok(stored.map(|vote| StandingVote { vote, is_new: false, rules }))
    }

    /// Carries out the caller's wish. Returns the vote that stands then. If `only_over` is given, the vote must have
    /// one of these revisions. A wish that already stands succeeds even after the poll has closed.
    pub async fn submit(
        &self,
        poll_id: &PollId,
        caller: &Caller,
        only_over: Option<Revisions>,
        wish: &Wish,
    ) -> Result<StandingVote, Error> {
        let (rules, cast_at) = self.admission(poll_id).await?;
        let voter = voter(caller, &rules)?;
        let ballot = wish.ballot(&rules, caller, cast_at)?;
        let refusal = match rules.status(cast_at) {
            Status::Open => {
                let nonce = u32::from_be_bytes(random::bytes()?);
                return self.write(rules, VoteRequest { voter, ballot, only_over, cast_at, nonce }).await;
            }
            Status::Scheduled => Error::PollNotOpen,
            Status::Paused => Error::PollPaused,
            Status::Closed => Error::PollClosed,
        };
        match self.votes.vote(&rules, &voter).await? {
            Some(vote) if rules.say_the_same(vote.ballot.as_ref(), ballot.as_ref()) => {
                Ok(StandingVote { vote, is_new: false, rules })
            }
            None if ballot.is_none() => Err(Error::NoVote),
            _ => Err(refusal),
        }
    }

    /// The rules for judging a vote, and the time to judge it by. The lease, the poll's times and `cast_at` all use
    /// that one clock reading. A cached poll never refuses a vote: that takes a fresh read.
    async fn admission(&self, poll_id: &PollId) -> Result<(Arc<Rules>, Timestamp), Error> {
        let now = self.clock.now();
        let remembered = self.polls.rules(poll_id, now).await?.ok_or(Error::NoSuchPoll)?;
        if remembered.status(now) == Status::Open {
            return Ok((remembered, now));
        }
        let fresh = self.polls.fresh_rules(poll_id, now).await?.ok_or(Error::NoSuchPoll)?;
        Ok((fresh, now))
    }

    /// Decides and writes until the write succeeds. A first vote is written without a read; if there already is one,
    /// the failed condition returns it.
    async fn write(&self, rules: Arc<Rules>, asked: VoteRequest) -> Result<StandingVote, Error> {
        let may_be_first = asked.only_over.as_ref().is_none_or(Revisions::include_none);
        let looks_first = asked.ballot.is_none() || !may_be_first;
        let mut stored = if looks_first { self.votes.vote(&rules, &asked.voter).await? } else { None };
        for _ in 0..WEIGHINGS_MAX {
            let vote = match decide(stored.as_ref(), &asked, &rules) {
                Decision::Write(vote) => vote,
                Decision::OwnWrite(vote) => return Ok(StandingVote { vote, is_new: true, rules }),
                Decision::Repeat(vote) => return Ok(StandingVote { vote, is_new: false, rules }),
                Decision::AlreadyVoted => return Err(Error::AlreadyVoted),
                Decision::ChangeNotAllowed => return Err(Error::VoteChangeNotAllowed),
                Decision::RevisionMismatch => return Err(Error::RevisionMismatch),
                Decision::NeverVoted => return Err(Error::NoVote),
            };
            match self.votes.put(&rules, &asked.voter, &vote).await? {
                PutVote::Stored => return Ok(StandingVote { vote, is_new: true, rules }),
                PutVote::Exists(other) => stored = Some(other),
            }
        }
        Err(Error::Unavailable("a voter's requests overtook each other again and again".to_owned()))
    }
}

/// The caller as a voter, if the poll accepts this kind of caller.
fn voter(caller: &Caller, rules: &Rules) -> Result<VoterKey, Error> {
    if rules.settings.spec.identity.admits(caller.kind) { Ok(rules.voter(caller)) } else { Err(Error::AccountRequired) }
}
