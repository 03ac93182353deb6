//! `PATCH /v1/polls/{poll_id}`: edits a poll under its revision.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::poll::edit::EditPoll;
use landslide_edge::{Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode};
use landslide_service::polls::PollChanges;

/// 200 with the changed poll.
pub async fn handle(changes: Arc<PollChanges>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let member = request.member(clock::now())?;
    let expected = request.if_match()?.ok_or(Error::PreconditionRequired)?;
    let edit: EditPoll = request.json(POLL_BODY_BYTES_MAX)?;
    let changed = changes.edit(&poll_id, &member, &expected, &edit).await?;
    Reply::own_poll(StatusCode::OK, &changed, clock::now())
}
