//! `GET /v1/polls/{poll_id}`: shows a poll to anyone.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::polls::CurrentPolls;

/// Seconds for which anyone may keep a poll: it is read as often as it is voted in.
const MAX_AGE_SECONDS: u32 = 2;

/// 200 with the poll, 304 if the caller has it as it is.
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
