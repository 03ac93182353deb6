//! `POST /v1/devices`: a token for a new device, without any database.

use std::sync::Arc;

use landslide_shared::{
    aws, clock, config,
    domain::time::Timestamp,
    http::{CacheControl, Error, Reply, Request},
    random, secret,
    token::DeviceIssuer,
};
use serde::Serialize;

/// What the endpoint needs.
pub struct App {
    issuer: DeviceIssuer,
}

impl App {
    /// The endpoint as the environment sets it, its keys read.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let keys = secret::read_device_keys(&aws::sdk_config()?, &config::text("DEVICE_SECRET")?).await?;
        Ok(Self::new(DeviceIssuer::new(keys.signing())))
    }

    /// The endpoint with who signs its tokens.
    pub fn new(issuer: DeviceIssuer) -> Self {
        Self { issuer }
    }
}

#[derive(Serialize)]
struct Registered {
    token: String,
    expires_at: Timestamp,
}

/// 201 with the token.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    request.no_body()?;
    let issued = app.issuer.issue(random::bytes()?, clock::now());
    let (token, expires_at) = issued.map_err(|error| Error::Internal(format!("sign token: {error}")))?;
    Ok(Reply::created(&Registered { token, expires_at })?.cache(CacheControl::NoStore))
}
