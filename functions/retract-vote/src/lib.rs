//! `DELETE /v1/polls/{poll_id}/votes/mine`: retracts a vote, as a new revision without choices.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::votes::{Votes, Wish};

/// 204, and 204 again for a repeat, even after closing.
pub async fn handle(votes: Arc<Votes>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    votes.submit(&poll_id, &caller, only_over, &Wish::Retract).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT).cache(CacheControl::Private))
}
