//! `GET /v1/polls/{poll_id}/results` and `…/results/mine`: shows counts, at most a second old, to anyone or to the
//! caller.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request, StatusCode};
use landslide_service::results::CurrentResults;

/// How long public results may be cached, in seconds.
const MAX_AGE_SECONDS: u32 = 1;

/// 200 with the results, 304 if the caller's copy is current, 403 if the caller may not see them.
pub async fn handle(results: Arc<CurrentResults>, request: Request) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let is_mine = request.last_segment() == "mine";
    let cache = if is_mine { CacheControl::Private } else { CacheControl::Public(MAX_AGE_SECONDS) };
    let viewer = if is_mine { Some(request.viewer(now)?) } else { None };
    let document = results.document(&poll_id, viewer.as_ref(), now).await?;
    let reply = match request.has_current(&document.tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::json_text(StatusCode::OK, document.text.clone()),
    };
    Ok(reply.etag(&document.tag).cache(cache))
}
