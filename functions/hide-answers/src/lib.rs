//! `PUT /v1/polls/{poll_id}/hidden-answers`: hides answers of a poll, instead of those that it hid before.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::poll::hidden::HideAnswers;
use landslide_edge::{CacheControl, Error, POLL_BODY_BYTES_MAX, Reply, Request};
use landslide_service::polls::PollChanges;

/// 200 with the answers as they are kept.
pub async fn handle(changes: Arc<PollChanges>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let member = request.member(clock::now())?;
    let expected = request.if_match()?.ok_or(Error::PreconditionRequired)?;
    let asked: HideAnswers = request.json(POLL_BODY_BYTES_MAX)?;
    let hidden = changes.hide_answers(&poll_id, &member, &expected, asked).await?;
    Ok(Reply::ok(&hidden)?.etag(hidden.revision).cache(CacheControl::Private))
}
