//! `GET /v1/keys`: lists the API keys of the caller's tenant, newest first, without their secrets.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::api_key::ApiKey;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::keys::KeyList;
use serde::Serialize;

#[derive(Serialize)]
struct Keys {
    keys: Vec<ApiKey>,
}

/// 200 with all keys.
pub async fn handle(list: Arc<KeyList>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let keys = list.keys(&member).await?;
    Ok(Reply::ok(&Keys { keys })?.cache(CacheControl::Private))
}
