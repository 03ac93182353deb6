//! `POST /v1/devices`: issues a token for a new device, without a database.

use std::sync::Arc;

use landslide_aws::{clock, config, random, sdk};
use landslide_domain::{error::Error as Failure, time::Timestamp};
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_identity::{device_keys::read_device_keys, token::DeviceIssuer};
use serde::Serialize;

/// The issuer of device tokens that the environment configures, with its keys read.
pub async fn issuer_from_env() -> Result<DeviceIssuer, lambda_runtime::Error> {
    let keys = read_device_keys(&sdk::sdk_config()?, &config::text("DEVICE_SECRET")?).await?;
    Ok(DeviceIssuer::new(keys.signing()))
}

#[derive(Serialize)]
struct Registered {
    token: String,
    expires_at: Timestamp,
}

/// 201 with the token.
pub async fn handle(issuer: Arc<DeviceIssuer>, request: Request) -> Result<Reply, Error> {
    request.no_body()?;
    let issued = issuer.issue(random::bytes().map_err(Failure::from)?, clock::now());
    let (token, expires_at) = issued.map_err(|error| Error::internal(format!("sign token: {error}")))?;
    Ok(Reply::created(&Registered { token, expires_at })?.cache(CacheControl::NoStore))
}
