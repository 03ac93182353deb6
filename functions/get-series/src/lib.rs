//! `GET /v1/polls/{poll_id}/results/series` and `…/results/mine/series`: shows votes by the time at which they were cast.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{Error, Reply, Request, shown};
use landslide_service::results::{AssemblyQueue, CurrentResults, SeriesQuery};

/// 200 with the points, 304 if the caller's copy is current, 403 if the caller may not see them, 404 if the poll has no such
/// series.
pub async fn handle(results: Arc<CurrentResults<AssemblyQueue>>, request: Request) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let query = SeriesQuery { from: request.time("from")?, to: request.time("to")?, step_seconds: step(&request)? };
    let viewer = request.viewer_of_mine(now)?;
    let document = results.document(&poll_id, viewer.as_ref(), now).await?;
    let (text, tag) = document.by_time(&query)?;
    Ok(shown(&request, text, &tag, document.reuse(clock::now())))
}

/// The seconds that a point sums up.
fn step(request: &Request) -> Result<Option<u64>, Error> {
    let Some(text) = request.query("step") else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    seconds.map(Some).ok_or_else(|| Error::invalid("The query's step must be a number of seconds, at least 1."))
}
