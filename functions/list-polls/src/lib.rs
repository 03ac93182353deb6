//! `GET /v1/polls`: lists the polls of the account that calls, newest first, without their options.

use std::sync::Arc;

use landslide_shared::{
    aws, clock,
    domain::{
        cursor::{cursor, read_cursor},
        poll::{OwnerOrder, PollView},
    },
    http::{CacheControl, Error, Reply, Request},
    store::PollStore,
};
use serde::Serialize;

/// Polls of a page, unless `limit` says otherwise.
const LIMIT_DEFAULT: usize = 20;
/// The most polls of a page.
const LIMIT_MAX: usize = 100;

/// What the endpoint needs.
pub struct App {
    polls: PollStore,
}

impl App {
    /// The endpoint as the environment sets it, its connection made.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        Ok(Self { polls: PollStore::from_env(&aws::sdk_config()?)? })
    }
}

#[derive(Serialize)]
struct Polls<'a> {
    polls: Vec<PollView<'a>>,
    next_cursor: Option<String>,
}

/// 200 with a page, and the cursor of the next if there is one.
pub async fn handle(app: Arc<App>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let owner = request.account(now)?.owner();
    let limit = limit(&request)?;
    let after = after(&request, &owner)?;
    let page = app.polls.page(&owner, after.as_ref(), limit).await?;
    let last = page.polls.last().filter(|_| page.has_more);
    let next_cursor =
        last.map(|last| cursor(&owner, &OwnerOrder { created_at: last.created_at, poll_id: last.poll_id.clone() }));
    let polls = page.polls.iter().map(|settings| settings.view(now)).collect();
    Ok(Reply::ok(&Polls { polls, next_cursor })?.cache(CacheControl::Private))
}

fn limit(request: &Request) -> Result<usize, Error> {
    let Some(limit) = request.query("limit") else { return Ok(LIMIT_DEFAULT) };
    let digits = Some(limit).filter(|limit| limit.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| Error::invalid(format!("the query's limit must be from 1 to {LIMIT_MAX}")))
}

fn after(request: &Request, owner: &str) -> Result<Option<OwnerOrder>, Error> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    let unknown = || Error::invalid("the query's cursor is not one of this list");
    read_cursor(owner, cursor).map(Some).ok_or_else(unknown)
}
