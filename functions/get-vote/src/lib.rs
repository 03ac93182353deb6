//! `GET /v1/polls/{poll_id}/votes/mine`: shows voters their own vote at any time.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::votes::Votes;

/// 200 with the caller's vote, 404 if there is none.
pub async fn handle(votes: Arc<Votes>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let standing = votes.vote_of(&poll_id, &caller).await?;
    Ok(Reply::ok(&standing.view())?.etag(standing.vote.revision).cache(CacheControl::Private))
}
