//! `DELETE /v1/keys/{key_id}`: deletes an API key of the caller's tenant.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::keys::KeyDeletion;

/// 200 with the time from when on the key is refused.
pub async fn handle(deletion: Arc<KeyDeletion>, request: Request) -> Result<Reply, Error> {
    let member = request.member(clock::now())?;
    let deleted = deletion.delete(&member, request.key_id()?).await?;
    Ok(Reply::ok(&deleted)?.cache(CacheControl::Private))
}
