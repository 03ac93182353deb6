//! `DELETE /v1/polls/{poll_id}/votes/mine`: takes a vote back, as a new revision without choices.

use std::sync::Arc;

use landslide_shared::{
    clock,
    http::{CacheControl, Error, Reply, Request, StatusCode},
    voting::Voting,
};

/// 204, again 204 once it is taken back, also after closing.
pub async fn handle(voting: Arc<Voting>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    voting.settle(&poll_id, &caller, only_over, |_| Ok(None)).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT).cache(CacheControl::Private))
}
