//! `POST /v1/polls`: creates a poll for the caller's tenant.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode};
use landslide_service::polls::PollCreation;

/// 201 with the new poll. With an `Idempotency-Key`, a repeat gets 200 with the poll as it is now.
pub async fn handle(creation: Arc<PollCreation>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let (standing, key) = (request.standing()?, request.idempotency_key()?);
    let created = creation.create(&member, &standing.limits, key, request.json(POLL_BODY_BYTES_MAX)?).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let reply = Reply::own_poll(status, &created.poll, clock::now())?;
    let reply = reply.location(&format!("polls/{}", created.poll.rules.settings.poll_id));
    Ok(reply.quota(standing.polls_after(created.is_new.into())))
}
