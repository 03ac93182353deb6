//! `GET /v1/polls`: lists the caller's tenant's polls, newest first, without their options.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::poll::PollView;
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::polls::TenantPolls;
use serde::Serialize;

/// Polls per page, unless `limit` says otherwise.
const LIMIT_DEFAULT: usize = 20;
/// The most polls per page.
const LIMIT_MAX: usize = 100;

#[derive(Serialize)]
struct Polls<'a> {
    polls: Vec<PollView<'a>>,
    next_cursor: Option<String>,
}

/// 200 with a page, and a cursor if there is a next one.
pub async fn handle(polls: Arc<TenantPolls>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let member = request.member(now)?;
    let page = polls.page(&member, request.query("cursor"), limit(&request)?).await?;
    let polls = page.polls.iter().map(|settings| settings.own_view(now)).collect();
    Ok(Reply::ok(&Polls { polls, next_cursor: page.next_cursor })?.cache(CacheControl::Private))
}

fn limit(request: &Request) -> Result<usize, Error> {
    let Some(limit) = request.query("limit") else { return Ok(LIMIT_DEFAULT) };
    let digits = Some(limit).filter(|limit| limit.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| Error::invalid(format!("The query's limit must be from 1 to {LIMIT_MAX}.")))
}
