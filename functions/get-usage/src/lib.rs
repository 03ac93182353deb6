//! `GET /v1/usage`: shows what the caller's tenant has used in a month.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::{time::Timestamp, usage::Month};
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::usage::TenantUsage;

/// 200 with the usage.
pub async fn handle(usage: Arc<TenantUsage>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let member = request.member(now)?;
    let used = usage.of_member(&member, month(&request, now)?).await?;
    Ok(Reply::ok(&used.view())?.cache(CacheControl::Private))
}

fn month(request: &Request, now: Timestamp) -> Result<Month, Error> {
    let refused = |_| Error::invalid("The query's month must be a year and a month, such as 2026-11.");
    request.query("month").map_or(Ok(Month::of(now)), |month| month.parse().map_err(refused))
}
