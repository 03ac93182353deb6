//! `POST /v1/polls/{poll_id}/votes`: stores a vote once, by one conditional write.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{BODY_BYTES_MAX, CacheControl, Error, Origin, Reply, Request, StatusCode};
use landslide_service::votes::{Votes, Wish};

/// What casting takes.
pub struct App {
    /// The votes.
    pub votes: Votes,
    /// By which the country of a vote is believed.
    pub origin: Origin,
}

/// 201 with a new or changed vote; 200 if these choices are already stored, even after closing.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let caller = request.caller(clock::now())?;
    let only_over = request.if_match()?;
    let wish = Wish::Cast(request.json(BODY_BYTES_MAX)?, app.origin.country(&request));
    let standing = app.votes.submit(&poll_id, &caller, only_over, &wish).await?;
    let status = if standing.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(status, &standing.view())?
        .etag(standing.vote.revision)
        .location("votes/mine")
        .cache(CacheControl::Private))
}
