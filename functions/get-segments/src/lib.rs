//! `GET /v1/polls/{poll_id}/results/segments` and `…/results/mine/segments`: shows votes by the values of a dimension.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_edge::{Error, Reply, Request, shown};
use landslide_service::results::{AssemblyQueue, CurrentResults};

/// 200 with the rows, 304 if the caller's copy is current, 403 if the caller may not see them, 404 if the poll does not have
/// the dimension.
pub async fn handle(results: Arc<CurrentResults<AssemblyQueue>>, request: Request) -> Result<Reply, Error> {
    let (poll_id, now) = (request.poll_id()?, clock::now());
    let viewer = request.viewer_of_mine(now)?;
    let document = results.document(&poll_id, viewer.as_ref(), now).await?;
    let (text, tag) = document.by_segment(request.query("by"), viewer.as_ref())?;
    Ok(shown(&request, text, &tag, document.reuse(clock::now())))
}
