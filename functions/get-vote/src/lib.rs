//! `GET /v1/polls/{poll_id}/votes/mine`: shows voters their own vote, at once and always.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::vote::VoterKey,
    http::{CacheControl, Error, Reply, Request},
    store::{PollCache, PollStore, VoteStore},
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
        let app = Self { polls: PollCache::new(PollStore::from_env(&aws)?), votes: VoteStore::from_env(&aws)? };
        app.polls.prime().await;
        Ok(app)
    }
}

/// 200 with the caller's vote, 404 if there is none.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let now = clock::now();
    let caller = request.caller(now)?;
    let rules = app.polls.rules(&poll_id, now).await?.ok_or_else(Error::poll_not_found)?;
    let stored = app.votes.vote(&poll_id, &VoterKey::of(&caller, &rules)).await?;
    let vote = stored.filter(|vote| vote.choices.is_some()).ok_or(Error::NotFound("you have no vote in this poll"))?;
    Ok(Reply::ok(&vote.view(&poll_id))?.etag(vote.revision).cache(CacheControl::Private))
}
