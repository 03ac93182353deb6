//! `POST /v1/polls/{poll_id}/votes`: stores a vote once, by one conditional write.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::votes::{Votes, Wish};

/// 201 with a new or changed vote; 200 if these choices are already stored, even after closing.
pub async fn handle(votes: Arc<Votes>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    let wish = Wish::Cast(request.json(BODY_BYTES_MAX)?);
    let standing = votes.submit(&poll_id, &caller, only_over, &wish).await?;
    let status = if standing.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(status, &standing.view())?
        .etag(standing.vote.revision)
        .location("votes/mine")
        .cache(CacheControl::Private))
}
