//! `GET /v1/polls/{poll_id}/views`: lists a poll's view links, newest first, without their tokens.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::view_link::ViewLink;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::views::ViewList;
use serde::Serialize;

#[derive(Serialize)]
struct Views {
    views: Vec<ViewLink>,
}

/// 200 with all links.
pub async fn handle(list: Arc<ViewList>, request: Request) -> Result<Reply, Error> {
    let (poll_id, member) = (request.poll_id()?, request.member(clock::now())?);
    let views = list.views(&poll_id, &member).await?;
    Ok(Reply::ok(&Views { views })?.cache(CacheControl::Private))
}
