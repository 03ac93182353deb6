//! `GET /v1/analytics/polls`, `…/days`, `…/segments` and `…/polls/{poll_id}/history`: shows figures over all polls of the
//! caller's tenant.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::{ids::PollId, poll::Dimension};
use landslide_edge::{CacheControl, Error, Reply, Request};
use landslide_service::analytics::{TenantAnalytics, window};

/// 200 with the figures and how old they are, 404 in a deployment without analytics, 503 while the replica is away.
pub async fn handle(analytics: Arc<TenantAnalytics>, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let member = request.member(now)?;
    let window = || window(request.time("from")?, request.time("to")?, now).map_err(Error::invalid);
    let reply = match request.last_segment() {
        "days" => Reply::ok(&analytics.days(&member, window()?, poll(&request)?.as_ref(), now).await?)?,
        "segments" => Reply::ok(&analytics.segments(&member, by(&request)?, now).await?)?,
        "history" => Reply::ok(&analytics.history(&member, &request.poll_id()?, window()?, now).await?)?,
        _ => {
            let limit = u32::try_from(request.limit()?).unwrap_or(u32::MAX);
            Reply::ok(&analytics.ranking(&member, window()?, limit, now).await?)?
        }
    };
    Ok(reply.cache(CacheControl::Private))
}

/// The one poll that is asked for, if it is one.
fn poll(request: &Request) -> Result<Option<PollId>, Error> {
    let Some(text) = request.query("poll_id") else { return Ok(None) };
    PollId::parse(text).map(Some).ok_or_else(|| Error::invalid("The query's poll_id must be the id of a poll."))
}

/// The dimension that is asked for, by default `region`.
fn by(request: &Request) -> Result<&str, Error> {
    let by = request.query("by").unwrap_or("region");
    match Dimension::is_name(by) {
        true => Ok(by),
        false => Err(Error::invalid("The query's by must be the name of a dimension, such as region.")),
    }
}
