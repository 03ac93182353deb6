//! `POST /v1/polls/{poll_id}/votes`: stores a vote, once, by one conditional write.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::{
        choices::Choices,
        poll::{PollId, Rules, Status},
        time::Timestamp,
        vote::{CastVote, Recast, Vote, VoterKey, recast},
    },
    http::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request, StatusCode},
    random,
    store::{PollCache, PollStore, PutVote, VoteStore},
};

/// What the endpoint needs.
pub struct App {
    polls: PollCache,
    votes: VoteStore,
}

impl App {
    /// The endpoint as the environment sets it, its connections made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let aws = aws::sdk_config()?;
        let app = Self::new(PollCache::new(PollStore::from_env(&aws)?), VoteStore::from_env(&aws)?);
        app.polls.prime().await;
        Ok(app)
    }

    /// An endpoint over its stores.
    pub fn new(polls: PollCache, votes: VoteStore) -> Self {
        Self { polls, votes }
    }
}

/// 201 with a first vote, 200 with a repeat of the stored choices, also after closing.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let sent: CastVote = request.json(BODY_BYTES_MAX)?;
    let rules = app.polls.rules(&poll_id, clock::now()).await?.ok_or_else(Error::poll_not_found)?;
    if !rules.identity.admits(caller.kind) {
        return Err(Error::Forbidden("this poll takes votes of accounts only"));
    }
    let choices = rules.choices(&sent).map_err(|error| Error::InvalidChoice(error.to_string()))?;
    let voter = VoterKey::of(&caller, &rules);
    match admission(&app, &poll_id, &rules).await? {
        Ok(cast_at) => {
            let nonce = u32::from_be_bytes(random::bytes()?);
            let vote = Vote::first(&voter, choices, &rules, cast_at, nonce);
            match app.votes.put_first(&poll_id, &voter, &vote).await? {
                PutVote::Stored => shown(&poll_id, &vote, StatusCode::CREATED),
                PutVote::Exists(stored) => settled(&poll_id, &stored, &vote),
            }
        }
        Err(refusal) => repeat_of(&app, &poll_id, &voter, choices).await?.ok_or(refusal),
    }
}

/// The time at which the poll takes the vote, or why it does not. A remembered poll never refuses: that takes a
/// fresh read.
async fn admission(app: &App, poll_id: &PollId, remembered: &Rules) -> Result<Result<Timestamp, Error>, Error> {
    let now = clock::now();
    if remembered.status(now) == Status::Open {
        return Ok(Ok(now));
    }
    let fresh = app.polls.fresh_rules(poll_id, now).await?.ok_or_else(Error::poll_not_found)?;
    let now = clock::now();
    Ok(match fresh.status(now) {
        Status::Open => Ok(now),
        Status::Scheduled => Err(Error::PollNotOpen),
        Status::Closed => Err(Error::PollClosed),
    })
}

/// What a vote is answered where the voter has one already.
fn settled(poll_id: &PollId, stored: &Vote, sent: &Vote) -> Result<Reply, Error> {
    match recast(stored, sent) {
        Recast::OwnWrite => shown(poll_id, stored, StatusCode::CREATED),
        Recast::Repeat => shown(poll_id, stored, StatusCode::OK),
        Recast::AlreadyVoted => Err(Error::AlreadyVoted),
    }
}

/// The stored vote, if a vote that the poll takes no more repeats it.
async fn repeat_of(app: &App, poll_id: &PollId, voter: &VoterKey, choices: Choices) -> Result<Option<Reply>, Error> {
    let stored = app.votes.vote(poll_id, voter).await?.filter(|stored| stored.choices == Some(choices));
    stored.map(|stored| shown(poll_id, &stored, StatusCode::OK)).transpose()
}

fn shown(poll_id: &PollId, vote: &Vote, status: StatusCode) -> Result<Reply, Error> {
    let view =
        vote.view(poll_id).ok_or_else(|| Error::Internal("a vote without choices was to be shown".to_owned()))?;
    Ok(Reply::json(status, &view)?.etag(vote.revision).location("votes/mine").cache(CacheControl::Private))
}
