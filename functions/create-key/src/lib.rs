//! `POST /v1/keys`: creates an API key of the caller's tenant, and shows it once.

use std::sync::Arc;

use landslide_aws::{
    clock, config, sdk, secret,
    store::{AuditStore, TokenStore},
};
use landslide_domain::api_key::CreateKey;
use landslide_edge::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request};
use landslide_service::keys::KeyCreation;

/// The service that the environment configures.
pub async fn creation_from_env() -> Result<KeyCreation, lambda_runtime::Error> {
    let aws = sdk::sdk_config()?;
    let key_secret = secret::read(&aws, &config::text("KEY_SECRET")?).await?;
    Ok(KeyCreation::new(TokenStore::from_env(&aws)?, AuditStore::from_env(&aws)?, key_secret))
}

/// 201 with the key, which nobody can see again.
pub async fn handle(creation: Arc<KeyCreation>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let asked: CreateKey = request.json(BODY_BYTES_MAX)?;
    let created = creation.create(&member, asked).await?;
    Ok(Reply::created(&created)?.cache(CacheControl::Private))
}
