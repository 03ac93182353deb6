//! `POST /v1/polls/{poll_id}/copy`: creates a poll with the settings and labels of another, some of them changed.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode};
use landslide_service::polls::PollCreation;

/// 201 with the new poll. With an `Idempotency-Key`, a repeat gets 200 with the poll as it is now.
pub async fn handle(creation: Arc<PollCreation>, request: Request) -> Result<Reply, Error> {
    let source = request.poll_id()?;
    let member = request.member(clock::now())?;
    let asked = request.json_if_any(POLL_BODY_BYTES_MAX)?.unwrap_or_default();
    let (standing, key) = (request.standing()?, request.idempotency_key()?);
    let created = creation.copy(&member, &standing.limits, key, &source, asked).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let reply = Reply::own_poll(status, &created.poll, clock::now())?;
    let reply = reply.location(&format!("../{}", created.poll.rules.settings.poll_id));
    Ok(reply.quota(standing.polls_after(created.is_new.into())))
}
