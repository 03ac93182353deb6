//! `POST /v1/polls/{poll_id}/close`: closes a poll as early as can be strict, 9 s from now.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::{poll::Status, poll_edit::close},
    editing::change,
    http::{CacheControl, Error, Reply, Request},
    store::PollStore,
};

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
}

impl App {
    /// The endpoint as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_http::Error> {
        let polls = PollStore::from_env(&aws::sdk_config()?)?;
        polls.prime().await;
        Ok(Self { polls })
    }
}

/// 200 with the poll and its `closes_at`, and the same again.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.account(clock::now())?;
    request.no_body()?;
    let closed = change(&app.polls, &poll_id, |poll, now, again| {
        poll.must_be_of(&caller)?;
        match poll.rules.status(now) {
            Status::Scheduled => Err(Error::PollNotOpen),
            Status::Open => Ok(close(poll, now, again)),
            Status::Closed => Ok(poll.clone()),
        }
    })
    .await?;
    Ok(Reply::ok(&closed.view(clock::now()))?.etag(closed.rules.settings.revision).cache(CacheControl::Private))
}
