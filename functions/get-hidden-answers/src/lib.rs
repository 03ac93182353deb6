//! `GET /v1/polls/{poll_id}/hidden-answers`: shows the answers that a poll hides, to its tenant's editors.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::polls::HiddenList;

/// 200 with the answers.
pub async fn handle(list: Arc<HiddenList>, request: Request) -> Result<Reply, Error> {
    let (poll_id, member) = (request.poll_id()?, request.member(clock::now())?);
    let hidden = list.answers(&poll_id, &member).await?;
    Ok(Reply::ok(&hidden)?.etag(hidden.revision).cache(CacheControl::Private))
}
