//! `GET /v1/polls/{poll_id}`: shows a poll to anyone.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    http::{CacheControl, Error, Reply, Request},
    store::PollStore,
};

/// Seconds for which anyone may keep a poll: it is read as often as it is voted in.
const MAX_AGE_SECONDS: u32 = 2;

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
}

impl App {
    /// The endpoint as the environment sets it, its connections made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self { polls })
    }
}

/// 200 with the poll. Never 304, as its status moves with time while its revision, the entity tag, stays.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll = app.polls.poll(&request.poll_id()?).await?.ok_or_else(Error::poll_not_found)?;
    Ok(Reply::ok(&poll.view(clock::now()))?.etag(poll.rules.revision).cache(CacheControl::Public(MAX_AGE_SECONDS)))
}
