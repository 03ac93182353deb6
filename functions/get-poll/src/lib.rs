//! `GET /v1/polls/{poll_id}`: shows a poll to anyone.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::polls::CurrentPolls;

/// How long a response may be cached, in seconds. Polls are read as often as votes are cast.
const MAX_AGE_SECONDS: u32 = 2;

/// 200 with the poll, or 304 if the caller's copy is current.
pub async fn handle(polls: Arc<CurrentPolls>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let poll = polls.poll(&request.poll_id()?, now).await?;
    let tag = poll.rules.settings.tag(now);
    let reply = match request.has_current(&tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED).etag(tag),
        false => Reply::poll(StatusCode::OK, &poll, now)?,
    };
    Ok(reply.cache(CacheControl::Public(MAX_AGE_SECONDS)))
}
