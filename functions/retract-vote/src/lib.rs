//! `DELETE /v1/polls/{poll_id}/votes/mine`: takes a vote back, as a new revision without choices.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    http::{CacheControl, Error, Reply, Request, StatusCode},
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

/// 204, again 204 once it is taken back, also after closing.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    app.voting.settle(&poll_id, &caller, only_over, |_| Ok(None)).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT).cache(CacheControl::Private))
}
