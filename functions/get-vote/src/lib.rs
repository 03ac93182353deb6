//! `GET /v1/polls/{poll_id}/votes/mine`: shows voters their own vote, at once and always.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    http::{CacheControl, Error, Reply, Request},
    voting::Voting,
};

/// What the endpoint needs.
pub struct App {
    voting: Voting,
}

impl App {
    /// The endpoint as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        Ok(Self { voting: Voting::from_env(&aws::sdk_config()?).await? })
    }
}

/// 200 with the caller's vote, 404 if there is none.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let stored = app.voting.vote_of(&poll_id, &caller).await?;
    let vote = stored.filter(|vote| vote.choices.is_some()).ok_or(Error::NO_VOTE)?;
    Ok(Reply::ok(&vote.view(&poll_id))?.etag(vote.revision).cache(CacheControl::Private))
}
