//! `GET /v1/polls`: lists the caller's tenant's polls, newest first, without their options.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::poll::PollView;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::polls::TenantPolls;
use serde::Serialize;

#[derive(Serialize)]
struct Polls<'a> {
    polls: Vec<PollView<'a>>,
    next_cursor: Option<String>,
}

/// 200 with a page, and a cursor if there is a next one.
pub async fn handle(polls: Arc<TenantPolls>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let member = request.member(now)?;
    let page = polls.page(&member, request.query("cursor"), request.limit()?).await?;
    let polls = page.polls.iter().map(|settings| settings.own_view(now)).collect();
    Ok(Reply::ok(&Polls { polls, next_cursor: page.next_cursor })?.cache(CacheControl::Private))
}
