//! `POST /v1/polls`: creates a poll for the caller's tenant.

use std::sync::Arc;

use landslide_aws::{
    clock, config, sdk, secret,
    store::{LimitStore, PollStore},
};
use landslide_edge::{CacheControl, Error, POLL_BODY_BYTES_MAX, Reply, Request, StatusCode};
use landslide_service::polls::PollCreation;

/// The service that the environment configures, with an open connection.
pub async fn creation_from_env() -> Result<PollCreation, lambda_runtime::Error> {
    let aws = sdk::sdk_config()?;
    let poll_id_secret = secret::read(&aws, &config::text("POLL_ID_SECRET")?).await?;
    let (polls, limits) = (PollStore::from_env(&aws)?, LimitStore::from_env(&aws)?);
    polls.prime().await;
    Ok(PollCreation::new(polls, limits, poll_id_secret, config::value("MIN_LANES")?))
}

/// 201 with the new poll. With an `Idempotency-Key`, a repeat gets 200 with the poll as it is now.
pub async fn handle(creation: Arc<PollCreation>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let (standing, key) = (request.standing()?, request.idempotency_key()?);
    let created = creation.create(&member, &standing.limits, key, request.json(POLL_BODY_BYTES_MAX)?).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let reply = Reply::poll(status, &created.poll, clock::now())?;
    let reply = reply.location(&format!("polls/{}", created.poll.rules.settings.poll_id));
    Ok(reply.quota(standing.polls_after(created.is_new.into())).cache(CacheControl::Private))
}
