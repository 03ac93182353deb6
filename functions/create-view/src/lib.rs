//! `POST /v1/polls/{poll_id}/views`: creates a view link, and shows its token once.

use std::sync::Arc;

use landslide_aws::{
    clock, config, sdk, secret,
    store::{AuditStore, PollStore, TokenStore},
};
use landslide_domain::view_link::CreateView;
use landslide_edge::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request};
use landslide_service::views::ViewCreation;

/// The service that the environment configures.
pub async fn creation_from_env() -> Result<ViewCreation, lambda_runtime::Error> {
    let aws = sdk::sdk_config()?;
    let key_secret = secret::read(&aws, &config::text("KEY_SECRET")?).await?;
    let (tokens, audit) = (TokenStore::from_env(&aws)?, AuditStore::from_env(&aws)?);
    Ok(ViewCreation::new(PollStore::from_env(&aws)?, tokens, audit, key_secret))
}

/// 201 with the link and its token, which nobody can see again.
pub async fn handle(creation: Arc<ViewCreation>, request: Request) -> Result<Reply, Error> {
    let (poll_id, member) = (request.poll_id()?, request.member(clock::now())?);
    let asked: CreateView = request.json(BODY_BYTES_MAX)?;
    let created = creation.create(poll_id, &member, asked).await?;
    Ok(Reply::created(&created)?.cache(CacheControl::Private))
}
