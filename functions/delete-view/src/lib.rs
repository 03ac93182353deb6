//! `DELETE /v1/polls/{poll_id}/views/{view_id}`: deletes a view link.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::views::ViewDeletion;

/// 200 with the time from when on the link is refused.
pub async fn handle(deletion: Arc<ViewDeletion>, request: Request) -> Result<Reply, Error> {
    let (poll_id, member) = (request.poll_id()?, request.member(clock::now())?);
    let deleted = deletion.delete(&poll_id, request.view_id()?, &member).await?;
    Ok(Reply::ok(&deleted)?.cache(CacheControl::Private))
}
