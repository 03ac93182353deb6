//! `POST /v1/polls/{poll_id}/pause` and `…/resume`: pauses a poll as early as every process can know it, 9 s from now, and
//! resumes it within a second.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{Error, Reply, Request, StatusCode};
use landslide_service::polls::PollChanges;

/// 200 with the poll and its `paused_from`; a repeat gets the same.
pub async fn handle(changes: Arc<PollChanges>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let member = request.member(clock::now())?;
    request.no_body()?;
    let changed = match request.last_segment() {
        "pause" => changes.pause(&poll_id, &member).await?,
        _ => changes.resume(&poll_id, &member).await?,
    };
    Reply::own_poll(StatusCode::OK, &changed, clock::now())
}
